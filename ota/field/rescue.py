"""The rescue's copy of what it needs of a slot's modules, in one file (firmware/decisions/0007).

From the same sources as a slot, and never the slot's own: what lies in `vfs` stays as the factory
made it. A file a module, and the folders they lie in, would take more blocks than `vfs` has.
"""

import ast
import json
import tempfile
from binascii import crc32
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from ota.build import names
from ota.build.compiler import compile_module
from ota.build.sources import package_folder

LIMIT_BYTES = 24 * 1024  # of all .mpy that a rescue loads beside the boot code
# HTTP, TUF with both native schemes, staging, and the heap's second segment.
MODULES = (
    "reinstall.py",  # of firmware/root
    "firmware/ports/segment.py",
    "ota/core/errors.py",
    "ota/core/keys.py",
    "ota/core/manifest.py",
    "ota/core/metadata.py",
    "ota/core/p256.py",
    "ota/core/rsa.py",
    "ota/core/tuf.py",
    "ota/core/versions.py",
    "ota/device/fetch.py",
    "ota/device/files.py",
    "ota/device/http.py",
    "ota/device/slices.py",
    "ota/device/stage.py",
)
# Errors of form, whose name tells enough: their texts are a fifteenth of the bytecode.
_NAME_IS_ENOUGH = {"BadFormat", "BadHash", "BadLength", "BadResponse"}


@cache
def modules() -> Mapping[str, bytes]:
    """Return the modules compiled, by path (`ota/core/tuf.mpy`)."""
    with tempfile.TemporaryDirectory() as folder:
        return {path.removesuffix(".py") + ".mpy": _compiled(path, folder) for path in MODULES}


def pack(contents: Mapping[str, bytes]) -> bytes:
    """Return modules as one file: a line of JSON, {path: [offset, size, CRC-32]}, then bytes."""
    index, at = {}, 0
    for path, content in contents.items():
        index[path] = [at, len(content), crc32(content)]
        at += len(content)
    head = json.dumps(index, separators=(",", ":")).encode() + b"\n"
    return head + b"".join(contents.values())


def _compiled(path: str, folder: str) -> bytes:
    package, _, name = path.rpartition("/")
    source = package_folder(package.replace("/", ".") or "firmware.root") / name
    tree = _Terse().visit(ast.parse(source.read_bytes()))
    terse = Path(folder) / name
    terse.write_text(ast.unparse(tree))
    return compile_module(terse, path, names.installed())


class _Terse(ast.NodeTransformer):
    """Raises the class where only a text would be given to it."""

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        call = node.exc
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name | ast.Attribute):
            function = call.func
            name = function.id if isinstance(function, ast.Name) else function.attr
            if name in _NAME_IS_ENOUGH:
                node.exc = function
        return node
