"""Makes a file of an older one and a patch: what has not changed is not fetched (decisions/0013).

A patch is a row of segments: begin, length (of a part of the older file), size (of what the
segment makes), packed, each u16, big-endian; then so many packed bytes of raw deflate, whose
window begins with that part. A stored block puts it there: DeflateIO takes no dictionary.

A patch proves nothing: what it makes has the signed hash, or is thrown away and the whole file
fetched instead. Loaded for a manifest, and beside ota.device.stage.
"""

import struct
from binascii import hexlify
from hashlib import sha256

from ota.core import limits, manifest
from ota.core.errors import BadFormat, RepositoryError, ServerError, TooLong
from ota.device import files

_PATCH = "/new.p"
_JOINED = "/new.z"


async def get(client, data: str, url: str, old: str, new: str, wanted: tuple) -> int:  # noqa: ANN001
    """Make `new` of `old` with the patch at `url`; return the bytes fetched, 0 if that failed.

    client: http.Client; data: "/data"; wanted: (size, SHA-256 in hex, most bytes of patch).
    NetworkError, ServerError when the server cannot say now; OSError from the flash.
    """
    size, digest, most = wanted
    try:
        with open(data + _PATCH, "wb") as sink:
            n = await client.download(url, sink.write, most)
        if await _apply(data, old, new, size) == digest:
            return n
    except (RepositoryError, TooLong):
        pass  # no patch of ours, or none worth it
    except ServerError as error:
        if error.status >= 429:
            raise
    except OSError as error:  # the older file cannot be read: the server has the new one
        if error.errno == files.NO_SPACE:
            raise
    finally:
        files.remove(data + _PATCH)
    return 0


async def file(client, data: str, active: str, path: str, wanted: tuple) -> int:  # noqa: ANN001
    """Make DATA/new of the file at that path in the slot at `active`; otherwise like `get`."""
    old = ""
    with open(active + "/manifest.jsonl", "rb") as lines:
        lines.readline()
        for known, _, digest, _ in manifest.entries(lines):
            if known == path:
                old = digest
    if not old:
        return 0
    url = "/files/%s.%s" % (wanted[1], old)
    return await get(client, data, url, active + "/" + path, data + "/new", wanted)


async def _apply(data: str, old: str, new: str, size: int) -> str:
    """Write the new file; return its SHA-256 in hex. BadFormat when the patch is none."""
    from deflate import RAW, DeflateIO

    sum_ = sha256()
    with open(data + _PATCH, "rb") as patch, open(old, "rb") as older, open(new, "wb") as sink:
        while size > 0:
            head = patch.read(8)
            if len(head) != 8:
                raise BadFormat("patch: cut short")
            begin, length, count, packed = struct.unpack(">HHHH", head)
            if not 0 < count <= size:
                raise BadFormat("patch: makes too much")
            older.seek(begin)
            with open(data + _JOINED, "wb") as joined:
                joined.write(struct.pack("<BHH", 0, length, length ^ 0xFFFF))
                await _pass(older, length, joined.write)
                await _pass(patch, packed, joined.write)
            with open(data + _JOINED, "rb") as joined:
                try:
                    plain = DeflateIO(joined, RAW, limits.WINDOW_BITS)
                    await _pass(plain, length, len)
                    await _pass(plain, count, sink.write, sum_.update)
                except (OSError, EOFError, ValueError):
                    raise BadFormat("patch: deflate is corrupt")
            size -= count
        if patch.read(1):
            raise BadFormat("patch: makes too much")
    return hexlify(sum_.digest()).decode()


async def _pass(source, count: int, *sinks) -> None:  # noqa: ANN001, ANN002 - file, callables
    """Hand `count` bytes of a file to each sink, piece by piece."""
    piece = memoryview(bytearray(min(count, 256)))
    while count > 0:
        n = source.readinto(piece[: min(count, 256)])
        if not n:
            raise BadFormat("patch: cut short")
        for sink in sinks:
            sink(piece[:n])
        count -= n
    await files.pause(0)
