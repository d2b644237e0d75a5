"""Patches from one file to another, as ota/device/patch.py applies them, and where they lie.

Beside each file of a release lies, as NEW.OLD, what makes it of the file at the same path in any
other listed release of its board, where that is worth it; likewise beside its manifest.

Segments of begin, length, size, packed (u16, big-endian) and raw deflate whose dictionary is the
older file's part [begin, begin + length). Nothing of it is trusted by anybody: what a node makes
of a patch has to have the signed hash.
"""

import hashlib
import struct
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path

from fleet import atomic
from fleet.releases.bundle import entries_of
from ota.core import limits

_SEGMENT = struct.Struct(">HHHH")
_WINDOW = (1 << limits.WINDOW_BITS) - 262  # zlib's MIN_LOOKAHEAD: how far it looks back
_WHOLE = _WINDOW  # an older file up to this is a dictionary as it is
_PART = _WINDOW // 2
_TRIES = 32  # places of the older file that are tried for each part of the new one
_OFFSET_MAX = 0xFFFF


def make(old: bytes, new: bytes) -> bytes:
    """Return the patch that makes `new` of `old`; both at most 65,535 bytes."""
    if len(old) <= _WHOLE and len(new) <= _OFFSET_MAX:
        return _segment(old, 0, len(old), new)
    parts = (new[at : at + _PART] for at in range(0, len(new), _PART))
    return b"".join(_best(old, at * _PART, part, len(new)) for at, part in enumerate(parts))


def _best(old: bytes, at: int, part: bytes, size: int) -> bytes:
    """Return the shortest segment for a part of the new file, which lies there at `at`."""
    near = {at, at + len(old) - size}  # where it lay unless something before, or after, changed
    begins = {*near, *range(0, len(old), max(_PART // 8, len(old) // _TRIES))}
    return min((_segment(old, begin, _PART, part) for begin in _within(begins, len(old))), key=len)


def _within(begins: Iterable[int], size: int) -> list[int]:
    return sorted({min(max(begin, 0), max(size - _PART, 0)) for begin in begins})


def _segment(old: bytes, begin: int, length: int, part: bytes) -> bytes:
    dictionary = old[begin : begin + length]
    packer = zlib.compressobj(9, zlib.DEFLATED, -limits.WINDOW_BITS, 9, zdict=dictionary)
    packed = packer.compress(part) + packer.flush()
    return _SEGMENT.pack(begin, len(dictionary), len(part), len(packed)) + packed


def store(files: Path, new: Path, others: Iterable[Path]) -> None:
    """Make what is missing between a release and each of the others, both ways.

    files: the folder of deflated files. new, others: manifests, as served.
    """
    mine = _Release(files, new)
    for path in others:
        other = _Release(files, path)
        for older, newer in ((other, mine), (mine, other)):
            _between(files, older, newer)


class _Release:
    """A manifest and which files it names: SHA-256 by path in the slot."""

    def __init__(self, files: Path, manifest: Path) -> None:
        self.path = manifest
        self.data = manifest.read_bytes()
        self.sha256 = hashlib.sha256(self.data).hexdigest()
        self.files: Mapping[str, str] = {each.path: each.sha256 for each in entries_of(self.data)}
        self._folder = files

    def plain(self, sha256: str) -> bytes:
        """Return a file's plain bytes."""
        return zlib.decompress((self._folder / sha256).read_bytes(), limits.WINDOW_BITS)


def _between(files: Path, older: _Release, newer: _Release) -> None:
    path = newer.path.with_name(f"{newer.path.name}.{older.sha256}")
    if not path.exists() and newer.sha256 != older.sha256:
        _keep(path, make(older.data, newer.data), len(newer.data))
    for name, sha256 in newer.files.items():
        before = older.files.get(name, sha256)
        path = files / f"{sha256}.{before}"
        if before != sha256 and not path.exists():
            try:
                patch = make(older.plain(before), newer.plain(sha256))
                _keep(path, patch, (files / sha256).stat().st_size)
            except (zlib.error, OSError):
                continue  # a damaged or missing file: nodes refuse it, an upload shall mend it


def _keep(path: Path, patch: bytes, whole: int) -> None:
    """Keep a patch that a node takes: of at most half of what it saves."""
    if 2 * len(patch) <= whole:
        atomic.write(path, patch)
