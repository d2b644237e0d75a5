"""TUF metadata as a node reads it: length, hash, syntax and types; canonical JSON; dates.

Specification 1.0.3x, sections 4.2 (formats) and 4.3 to 4.6 (the roles). Nothing here trusts
anything: that is ota.core.tuf. Every function raises BadFormat, BadLength or BadHash.
"""

import json
from binascii import hexlify
from hashlib import sha256

from ota.core import limits
from ota.core.errors import BadFormat, BadHash, BadLength

_CAPS = {
    "root": limits.ROOT_BYTES,
    "timestamp": limits.TIMESTAMP_BYTES,
    "snapshot": limits.SNAPSHOT_BYTES,
    "targets": limits.TARGETS_BYTES,
}
# Where the numbers of a date stand, how many digits, and what follows them.
_DATE = ((0, 4, "-"), (5, 2, "-"), (8, 2, "T"), (11, 2, ":"), (14, 2, ":"), (17, 2, "Z"))
_DAYS_BEFORE = (0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334)


def read(file, role: str, told: dict) -> tuple[dict, list]:  # noqa: ANN001
    """Read metadata of a role; return (the signed object, the signatures).

    file: binary, seekable; told: what the metadata above says of it, {} if nothing. Length,
    hash and the number of objects are checked before anything is parsed.
    """
    file.seek(0)
    length = containers = 0
    wanted = hash_told(told) if "hashes" in told else ""
    sum_ = hasher(wanted)
    # Small files are parsed from memory: the node's json.load reads byte by byte.
    piece = start = file.read(limits.METADATA_WHOLE_BYTES)
    while piece:
        length += len(piece)
        containers += piece.count(b"[") + piece.count(b"{")
        sum_.update(piece)
        if length > _CAPS[role]:
            raise BadLength("%s: more than %d bytes" % (role, _CAPS[role]))
        piece = file.read(512)
    if told.get("length", length) != length:
        raise BadLength("%s: %d bytes, %s expected" % (role, length, told["length"]))
    if wanted and wanted != hexlify(sum_.digest()).decode():
        raise BadHash("%s: other bytes than told" % role)
    if containers > limits.METADATA_CONTAINERS:
        raise BadFormat("%s: too many objects" % role)
    file.seek(0)
    try:
        value = json.loads(start) if length == len(start) else json.load(file)
    except (ValueError, RuntimeError):
        raise BadFormat("%s: not JSON" % role)
    if type(value) is not dict or type(value.get("signatures")) is not list:
        raise BadFormat("%s: no signatures" % role)
    return _checked(member(value, "signed"), role), value["signatures"]


def _checked(signed: dict, role: str) -> dict:
    """Check what all roles have in common (section 4.3)."""
    if signed.get("_type") != role:
        raise BadFormat("%s: type %s" % (role, signed.get("_type")))
    spec = signed.get("spec_version")
    if type(spec) is not str or not spec.startswith("1."):
        raise BadFormat("%s: specification %s" % (role, spec))
    integer(signed, "version", 1)
    seconds(signed.get("expires"))
    return signed


def checked_root(signed: dict) -> dict:
    """Return a root's signed object, having found keys and the four roles in it."""
    if signed.get("consistent_snapshot") is not True:
        raise BadFormat("root: consistent snapshots expected")
    member(signed, "keys")
    for name in _CAPS:
        role(signed, name)
    return signed


def role(delegator: dict, name: str) -> tuple[int, list[str]]:
    """Return (threshold, key ids) that a delegator names for a role."""
    found = member(member(delegator, "roles"), name)
    ids = found.get("keyids")
    if type(ids) is not list or any(type(i) is not str for i in ids) or len(set(ids)) != len(ids):
        raise BadFormat("key ids of %s" % name)
    return integer(found, "threshold", 1), ids


def hash_told(told: dict) -> str:
    """Return the hash, in hex, that metadata tells of a file: SHA-256, or SHA-512 if alone."""
    hashes = member(told, "hashes")
    found = hashes.get("sha256") or hashes.get("sha512")
    if type(found) is not str or len(found) not in (64, 128):
        raise BadFormat("neither SHA-256 nor SHA-512")
    return found


def hasher(wanted: str):  # noqa: ANN201 - a hash object
    """Make what computes a hash such as this one, in hex: the length tells which."""
    if len(wanted) != 128:
        return sha256()
    try:
        from ota.core.sha512 import Sha512
    except ImportError:
        raise BadHash("no SHA-512 here")
    return Sha512()


def digest(value: object) -> bytes:
    """SHA-256 of the canonical JSON of a value."""
    sum_ = sha256()
    canonical(value, sum_.update)
    return sum_.digest()


def canonical(value: object, update) -> None:  # noqa: ANN001 - a callable
    """Feed update with the canonical JSON of a value (section 4.2; securesystemslib's form)."""
    try:
        _canonical(value, update, limits.METADATA_DEPTH)
    except UnicodeError:
        raise BadFormat("metadata holds half a surrogate pair")


def _canonical(value, update, depth: int) -> None:  # noqa: ANN001
    kind = type(value)
    if kind is str:
        update(b'"')
        update(value.replace("\\", "\\\\").replace('"', '\\"').encode())
        update(b'"')
    elif kind is int:
        update(str(value).encode())
    elif value is None or kind is bool:
        update({None: b"null", True: b"true", False: b"false"}[value])
    elif depth == 0:
        raise BadFormat("metadata nested too deeply")
    elif kind is list:
        mark = b"["
        for item in value:
            update(mark)
            _canonical(item, update, depth - 1)
            mark = b","
        update(b"]" if value else b"[]")
    elif kind is dict and all(type(name) is str for name in value):
        mark = b"{"
        for name in sorted(value):
            update(mark)
            _canonical(name, update, depth)
            update(b":")
            _canonical(value[name], update, depth - 1)
            mark = b","
        update(b"}" if value else b"{}")
    else:
        raise BadFormat("metadata holds a %s" % kind.__name__)


def meta(signed: dict, name: str) -> dict:
    """Return what timestamp or snapshot tell of a file: version, maybe length and hashes."""
    told = member(member(signed, "meta"), name)
    integer(told, "version", 1)
    if "length" in told:
        integer(told, "length", 1)
    if "hashes" in told:
        hash_told(told)
    return told


def target(signed: dict, path: str) -> tuple[int, str] | None:
    """Return (length, hash in hex) of a target, None when this targets role does not list it."""
    if path not in signed["targets"]:
        return None
    found = member(signed["targets"], path)
    return integer(found, "length", 0), hash_told(found)


def member(parent: dict, name: str) -> dict:
    """Return the member of that name, which must be an object."""
    value = parent.get(name)
    if type(value) is not dict:
        raise BadFormat("%s: object expected" % name)
    return value


def integer(parent: dict, name: str, least: int) -> int:
    """Return the member of that name, which must be an integer (and no boolean)."""
    value = parent.get(name)
    if type(value) is not int or value < least:
        raise BadFormat("%s: integer of at least %d expected" % (name, least))
    return value


def seconds(text: object) -> int:
    """Return unix seconds of YYYY-MM-DDTHH:MM:SSZ (section 4.2.1), in integers."""
    numbers: list[int] = []
    if type(text) is str and len(text) == 20:
        for at, size, mark in _DATE:
            part = text[at : at + size]
            if not part.strip("0123456789") and text[at + size] == mark:
                numbers.append(int(part))
    if len(numbers) != 6:
        raise BadFormat("date expected: %s" % text)
    year, month, day, hour, minute, second = numbers
    if not (year and 0 < month < 13 and 0 < day < 32):
        raise BadFormat("date expected: %s" % text)
    if hour > 23 or minute > 59 or second > 60:
        raise BadFormat("time expected: %s" % text)
    before = year - 1
    days = before * 365 + before // 4 - before // 100 + before // 400 - 719162
    days += _DAYS_BEFORE[month - 1] + day - 1
    if month > 2 and year % 4 == 0 and (year % 100 or year % 400 == 0):
        days += 1
    return ((days * 24 + hour) * 60 + minute) * 60 + second
