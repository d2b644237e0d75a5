"""Fills the idle slot with a release: keeps what is right, copies, downloads the rest.

The manifest waits in the slot as `manifest.new`. `manifest.jsonl` is removed first and written
last, by renaming: a slot without it is not whole, and the boot code does not start it. Each file
is written beside the slot, hashed and renamed into it; what was fetched for it goes only then, so
no power cut has a whole file fetched twice.
"""

import errno
import os

from ota.core import limits, manifest
from ota.core.errors import BadFormat, BadHash, BadLength, RepositoryError
from ota.device import files

_MANIFEST = "/manifest.jsonl"
WAITING = "/manifest.new"
_NEW = "/new"
_PACKED = "/new.z"


async def fill(client, data: str, idle: str, active: str, patch=None) -> tuple[int, int]:  # noqa: ANN001
    """Make the slot at `idle` hold the files of its waiting manifest; `seal` makes it whole.

    client: http.Client; data: "/data"; idle, active: folders of the slots; patch: the module
    ota.device.patch, None to fetch whole files only. Returns (files, bytes) fetched. Raises
    RepositoryError, NetworkError, ServerError; OSError from the flash.
    """
    files.remove(idle + _MANIFEST)
    await _sweep(idle)
    count = total = 0
    with open(idle + WAITING, "rb") as lines:
        lines.readline()
        for path, size, digest, zsize in manifest.entries(lines):
            place = idle + "/" + path
            if await files.matches(place, size, digest):
                continue
            new = data + _NEW
            if not await _copy(active, size, digest, new):
                fetched = 0
                if patch:
                    wanted = size, digest, zsize // 2
                    fetched = await patch.file(client, data, active, path, wanted)
                fetched = fetched or await get(client, data, size, digest, zsize)
                count += fetched > 0
                total += fetched
            files.make_folders(place)
            files.replace(new, place)
            files.remove(data + _PACKED)
    return count, total


def seal(idle: str) -> None:
    """Make a slot whole whose files are all there."""
    files.replace(idle + WAITING, idle + _MANIFEST)


def clean(data: str, idle: str) -> None:
    """Remove what an update that ended left beside the slots' files."""
    for path in (data + _NEW, data + _PACKED, idle + WAITING, idle + WAITING + ".part"):
        files.remove(path)


async def _sweep(idle: str) -> None:
    """Remove what the release does not bring, before anything is written."""
    wanted: set[str] = set()
    with open(idle + WAITING, "rb") as lines:
        lines.readline()
        for found in manifest.entries(lines):
            wanted.add(found[0])
    folders = [""]
    while folders:
        folder = folders.pop()
        for name in os.listdir(idle + "/" + folder):
            path = folder + name
            if os.stat(idle + "/" + path)[0] & 0x4000:
                folders.append(path + "/")
            elif path not in wanted and path != WAITING[1:]:
                os.remove(idle + "/" + path)
        await files.pause(0)


async def _copy(active: str, size: int, digest: str, new: str) -> bool:
    """Copy a file of that SHA-256 from the active slot, wherever it lies there; False if none."""
    try:
        path = _place_of(digest, active)
        if not path:
            return False
        with open(path, "rb") as source, open(new, "wb") as sink:
            return await files.copy(source, sink, size) == digest
    except OSError as error:
        if error.errno == files.NO_SPACE:
            raise
        return False  # unreadable there: the server has it


def _place_of(digest: str, slot: str) -> str:
    """Find a file by its SHA-256 in a slot's manifest; return its path, "" when none has it."""
    with open(slot + _MANIFEST, "rb") as lines:
        lines.readline()
        for path, _, found, _ in manifest.entries(lines):
            if found == digest:
                return slot + "/" + path
    return ""


async def get(client, data: str, size: int, digest: str, zsize: int, place=None) -> int:  # noqa: ANN001
    """Get a file, deflated, and inflate it to DATA/new; return the bytes that were fetched.

    place: opened as `with place:`, written instead. None are fetched when it lies there whole
    since the power went.
    """
    packed = data + _PACKED
    try:
        if os.stat(packed)[6] == zsize:
            await _inflate(data, size, digest, place)
            return 0
    except (RepositoryError, OSError):
        pass  # there is none, or another file's
    with open(packed, "wb") as sink:
        n = await client.download("/files/" + digest, sink.write, zsize)
    if n != zsize:
        raise BadLength("%s: %d bytes, %d expected" % (digest[:16], n, zsize))
    await _inflate(data, size, digest, place)
    if place:
        files.remove(packed)
    return n


async def _inflate(data: str, size: int, digest: str, place) -> None:  # noqa: ANN001
    """Inflate DATA/new.z to its place, never beyond the signed size."""
    from deflate import ZLIB, DeflateIO

    try:
        with open(data + _PACKED, "rb") as source, place or open(data + _NEW, "wb") as sink:
            plain = DeflateIO(source, ZLIB, limits.WINDOW_BITS)
            found = await files.copy(plain, sink, size)
    except (EOFError, ValueError):
        raise BadFormat("%s: deflate is cut short" % digest[:16])
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        raise BadFormat("%s: deflate is corrupt" % digest[:16])
    if not found:
        raise BadLength("%s: not the %d bytes signed" % (digest[:16], size))
    if found != digest:
        raise BadHash("%s: other bytes than signed" % digest[:16])
