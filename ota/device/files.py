"""Files on the node's flash: whole or not at all, read in small pieces."""

import os
from binascii import hexlify
from hashlib import sha256

from ota.core.errors import FlashFull, NodeError, OtaError
from ota.device.slices import pause

NO_SPACE = 28  # ENOSPC, which the node's errno module does not name
_PIECE_BYTES = 512
_PIECES_A_TURN = 8


def replace(new: str, path: str) -> None:
    """Put a file, written and closed, in another's place; atomic on LittleFS."""
    if hasattr(os, "sync"):
        os.sync()
    os.rename(new, path)


def write(path: str, data: bytes) -> None:
    """Replace a small file whole."""
    with open(path + ".new", "wb") as file:
        file.write(data)
    replace(path + ".new", path)


def read(path: str, limit: int) -> bytes | None:
    """Read at most `limit` bytes of a file; None when there is none."""
    try:
        with open(path, "rb") as file:
            return file.read(limit)
    except OSError:
        return None


def remove(path: str) -> None:
    """Remove a file, if there is one."""
    try:
        os.remove(path)
    except OSError:
        pass  # there was none; a flash that fails says so at the next write


def make_folders(path: str) -> None:
    """Make the folders above a path, as far as they are missing."""
    at = path.find("/", 1)
    while at > 0:
        try:
            os.stat(path[:at])
        except OSError:
            os.mkdir(path[:at])
        at = path.find("/", at + 1)


async def matches(path: str, size: int, digest: str, sum_=None) -> bool:  # noqa: ANN001
    """Say whether a file is there with that size and hash (hex): SHA-256, unless sum_ is given."""
    try:
        if os.stat(path)[6] != size:
            return False
        with open(path, "rb") as file:
            return await copy(file, None, size, sum_) == digest
    except OSError:
        return False


async def copy(source, sink, size: int, sum_=None) -> str:  # noqa: ANN001 - binary files
    """Copy from source to sink (None: nowhere) up to its end; return the hash in hex.

    sum_: a hash object, SHA-256 when there is none.
    Stops after the first piece beyond `size` bytes; returns "" unless there were just so many.
    """
    piece = memoryview(bytearray(_PIECE_BYTES))
    sum_ = sum_ or sha256()
    turn = 0
    while size >= 0:
        n = source.readinto(piece)
        if not n:
            break
        size -= n
        sum_.update(piece[:n])
        if sink:
            sink.write(piece[:n])
        turn += 1
        if turn % _PIECES_A_TURN == 0:
            await pause(0)
    return hexlify(sum_.digest()).decode() if size == 0 else ""


def wrapped(error: OSError) -> OtaError:
    """Turn what a file operation raised into an error of ours."""
    if error.errno == NO_SPACE:
        return FlashFull("no blocks left")
    return NodeError("flash: errno %s" % error.errno)
