"""The manifest of a release: JSON Lines, a header and one line a file, sorted by path.

    {"version": "1.1.0", "board": "esp32", "floor": "1.0.0", "runtime": "1.27.0", ...}
    ["firmware/main.mpy", size, "SHA-256 of the plain file, hex", zsize]

The manifest is a TUF target: its bytes are signed, so these checks guard against a publisher's
mistake, and keep a path from leaving the slot. Unknown header keys are ignored, and so are
further members of a file line (append-only).
"""

import json

from ota.core import limits, versions
from ota.core.errors import BadFormat, BadLength, Rollback, Unsuited

_ROOTS = ("firmware/", "ota/core/", "ota/device/")
_RUNTIME = "runtime.jsonl"  # see ota.core.runtime
_PATH_CHARS = "abcdefghijklmnopqrstuvwxyz0123456789_.-/"
_HEX = "0123456789abcdef"


def header(line: bytes) -> dict:
    """Parse and check the first line; BadFormat names the key that is wrong.

    version, floor: semantic; board: str; runtime: semantic, the least MicroPython; built: unix
    seconds; min_level: least light level at night in percent. micropython: the one that comes
    with the release, "" when none does.
    """
    value = _json(line)
    if type(value) is not dict:
        raise BadFormat("manifest: header is not an object")
    for name in ("version", "floor", "runtime"):
        versions.key(value.get(name))
    if type(value.get("board")) is not str or not value["board"]:
        raise BadFormat("manifest: board")
    for name, most in (("built", 1 << 40), ("min_level", 100)):
        if type(value.get(name)) is not int or not 0 <= value[name] <= most:
            raise BadFormat("manifest: %s" % name)
    if versions.key(value["version"]) < versions.key(value["floor"]):
        raise BadFormat("manifest: version below its own floor")
    comes = value.setdefault("micropython", "")
    if comes and versions.key(comes) < versions.key(value["runtime"]):
        raise BadFormat("manifest: brings less than it needs")
    return value


def suited(head: dict, board: str, version: str, runtime: str, floor: str) -> None:
    """Raise unless the release is for this board and runtime, as offered, not below the floor.

    runtime: the node's MicroPython, "1.27.0", or what a node with two app partitions will have;
    floor: the highest security floor seen so far.
    """
    if head["board"] != board:
        raise Unsuited("release for board %s" % head["board"])
    if head["version"] != version:
        raise Unsuited("release is %s, not %s" % (head["version"], version))
    if versions.key(head["runtime"]) > versions.key(runtime):
        raise Unsuited("release needs MicroPython %s" % head["runtime"])
    if versions.key(version) < versions.key(floor):
        raise Rollback("%s is below the security floor %s" % (version, floor))


def entry(line: bytes, after: str = "") -> tuple[str, int, str, int]:
    """Parse and check a file line: (path, size, SHA-256 in hex, deflated size).

    Paths must ascend: pass the one before as `after`; so none can come twice.
    """
    value = _json(line)
    if type(value) is not list or len(value) < 4:
        raise BadFormat("manifest: a file line has four members")
    path, size, digest, zsize = value[:4]
    if type(path) is not str or not _good(path):
        raise BadFormat("manifest: path %r" % path)
    if path <= after:
        raise BadFormat("manifest: %s is out of order" % path)
    if type(digest) is not str or len(digest) != 64 or digest.strip(_HEX):
        raise BadFormat("manifest: SHA-256 of %s" % path)
    for number in (size, zsize):
        if type(number) is not int or not 0 <= number <= limits.FILE_BYTES:
            raise BadLength("manifest: size of %s" % path)
    return path, size, digest, zsize


def entries(file):  # noqa: ANN001, ANN201 - a binary file; a generator of entry()'s tuples
    """Yield each file of a manifest; file: binary, at the beginning of the second line."""
    after = ""
    count = total = 0
    while True:
        line = file.readline(limits.MANIFEST_LINE_BYTES + 1)
        if not line:
            break
        found = entry(line, after)
        after = found[0]
        count += 1
        total += found[1]
        if count > limits.MANIFEST_FILES or total > limits.SLOT_BYTES:
            raise BadLength("manifest: more than a slot holds")
        yield found
    if not count:
        raise BadFormat("manifest: no files")


def whole(file) -> dict:  # noqa: ANN001 - a binary file, at its beginning
    """Check a manifest from header to last line; return its header."""
    head = header(file.readline(limits.MANIFEST_LINE_BYTES + 1))
    for _ in entries(file):
        pass
    return head


def _json(line: bytes) -> object:
    if len(line) > limits.MANIFEST_LINE_BYTES or line[-1:] != b"\n":
        raise BadFormat("manifest: line cut short or too long")
    try:
        return json.loads(line)
    except (ValueError, RuntimeError):
        raise BadFormat("manifest: line is not JSON")


def _good(path: str) -> bool:
    """Say whether a path is relative, plain, and within what a release may bring."""
    if path == _RUNTIME:
        return True
    if len(path) > limits.PATH_CHARS or path.strip(_PATH_CHARS) or not path.startswith(_ROOTS):
        return False
    return all(part and part[0] != "." for part in path.split("/"))
