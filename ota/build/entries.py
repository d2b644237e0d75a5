"""A file as it travels: deflated with a 4 KB window, under the SHA-256 of its plain bytes."""

import hashlib
import zlib
from dataclasses import dataclass, field

from ota.build.errors import BuildError
from ota.core import limits


@dataclass(frozen=True)
class Entry:
    """One file of a release: its path in the slot, plain bytes and how they travel."""

    path: str
    plain: bytes
    deflated: bytes = field(repr=False)

    @property
    def sha256(self) -> str:
        """The SHA-256 of the plain bytes, hex: the file's name on the wire."""
        return hashlib.sha256(self.plain).hexdigest()


def packed(path: str, plain: bytes) -> Entry:
    """Return a file, deflated."""
    return Entry(path, plain, deflate(plain))


def deflate(plain: bytes) -> bytes:
    """Return plain bytes as a zlib stream whose header says a 4 KB window."""
    packer = zlib.compressobj(9, zlib.DEFLATED, limits.WINDOW_BITS)
    return packer.compress(plain) + packer.flush()


def checked(line: tuple[str, int, str, int], deflated: bytes) -> Entry:
    """Return a file of a manifest's line; BuildError unless it inflates to what that names."""
    path, size, sha256, zsize = line
    if len(deflated) != zsize:
        raise BuildError(f"{path}: {len(deflated)} deflated bytes, the manifest says {zsize}")
    try:
        inflater = zlib.decompressobj(limits.WINDOW_BITS)
        plain = inflater.decompress(deflated, limits.FILE_BYTES + 1)
    except zlib.error as error:
        raise BuildError(f"{path}: {error}") from error
    if not inflater.eof or inflater.unused_data:
        raise BuildError(f"{path}: its stream does not end with its last byte")
    if len(plain) != size or hashlib.sha256(plain).hexdigest() != sha256:
        raise BuildError(f"{path}: size or hash is not what the manifest says")
    return Entry(path, plain, deflated)
