"""The list of blocks of a MicroPython that a release brings, JSON Lines, a file of the slot.

    {"version": "1.28.0", "size": 1702528}
    ["SHA-256 of the block's plain bytes, hex", zsize]

A block is `BLOCK_BYTES` of the app image (the last one what is left), each deflated by itself,
under its hash beside the release's files. The manifest names this list like any other file, so
the signature of the targets role covers every block. Further members are ignored (append-only).
"""

import json

from ota.core import limits, versions
from ota.core.errors import BadFormat, BadLength

NAME = "runtime.jsonl"
BLOCK_BYTES = 32768
_LINE_BYTES = 128
_HEX = "0123456789abcdef"


def header(line: bytes) -> tuple[str, int]:
    """Parse and check the first line: (MicroPython's version, bytes of the app image)."""
    value = _json(line)
    if type(value) is not dict or type(value.get("size")) is not int:
        raise BadFormat("runtime: header")
    versions.key(value.get("version"))
    if not 0 < value["size"] <= limits.APP_BYTES:
        raise BadLength("runtime: %d bytes" % value["size"])
    return value["version"], value["size"]


def blocks(lines):  # noqa: ANN001, ANN201 - a binary file; a generator
    """Yield each block of a list, from its first line on: (size, SHA-256 in hex, deflated size).

    RepositoryError when anything is wrong with it, blocks too few or too many included.
    """
    _, left = header(lines.readline(_LINE_BYTES + 1))
    while left:
        value = _json(lines.readline(_LINE_BYTES + 1))
        if type(value) is not list or len(value) < 2:
            raise BadFormat("runtime: a block has two members")
        digest, zsize = value[:2]
        if type(digest) is not str or len(digest) != 64 or digest.strip(_HEX):
            raise BadFormat("runtime: SHA-256 of a block")
        if type(zsize) is not int or not 0 < zsize <= limits.FILE_BYTES:
            raise BadLength("runtime: size of a block")
        size = min(left, BLOCK_BYTES)
        left -= size
        yield size, digest, zsize
    if lines.readline(1):
        raise BadFormat("runtime: more blocks than its size has")


def _json(line: bytes) -> object:
    if len(line) > _LINE_BYTES or line[-1:] != b"\n":
        raise BadFormat("runtime: line cut short or too long")
    try:
        return json.loads(line)
    except (ValueError, RuntimeError):
        raise BadFormat("runtime: line is not JSON")
