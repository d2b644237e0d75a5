"""Puts the MicroPython that a release brings into the app partition that does not run.

Loaded at the end of an update, and only where there are two app partitions (ESP-IDF, "Over The
Air Updates"; ota/decisions/0014). What lies in the partition is the state: a block that is right
is not written again, so a power cut costs one block. Nothing is started here. The slot's file
`app` says which partition it is to run on, and the boot code and the boot record see to the rest.
"""

from ota.core import runtime
from ota.core.errors import NodeError
from ota.device import files, stage

_SECTOR = 4096
_TELL_BYTES = 262144
_ERASE = 6  # of Partition.ioctl
_APP = "/app"


async def fill(client, data: str, idle: str, say) -> int:  # noqa: ANN001 - http.Client
    """Have the MicroPython of the release in `idle` on flash, and note there where it is.

    say: takes a line for the log. Returns the bytes fetched. A release that brings none is to run
    on what runs now. Raises RepositoryError, NetworkError, ServerError; OSError from the flash.
    """
    from esp32 import Partition

    here = Partition(Partition.RUNNING)  # pyright: ignore[reportArgumentType] - a number, too
    fetched = 0
    try:
        lines = open(idle + "/" + runtime.NAME, "rb")
    except OSError:
        lines = None
    if lines:
        with lines:
            if not await _holds(here, lines):
                here = here.get_next_update()
                lines.seek(0)
                fetched = await _write(client, data, here, lines, say)
    files.write(idle + _APP, here.info()[4].encode())
    return fetched


async def _holds(part, lines) -> bool:  # noqa: ANN001 - esp32.Partition, a binary file
    """Say whether a partition holds all blocks of a list."""
    at = 0
    for size, digest, _ in runtime.blocks(lines):
        if await files.copy(_Area(part, at, size), None, size) != digest:
            return False
        at += size
    return True


async def _write(client, data: str, part, lines, say) -> int:  # noqa: ANN001
    """Write the blocks that a partition lacks; return the bytes fetched."""
    at = fetched = 0
    for size, digest, zsize in runtime.blocks(lines):
        place = _Area(part, at, size)
        if await files.copy(place, None, size) != digest:
            fetched += await stage.get(client, data, size, digest, zsize, place)
            if await files.copy(_Area(part, at, size), None, size) != digest:
                raise NodeError("app partition: a block does not stay as it was written")
        at += size
        if at % _TELL_BYTES < size:
            say("MicroPython: %d KB are in their place" % (at // 1024))
    return fetched


class _Area:
    """A stretch of a partition from a sector's beginning on, as a file; opened, it is written."""

    def __init__(self, part, at: int, size: int) -> None:  # noqa: ANN001 - esp32.Partition
        self._part = part
        self._first = self._at = at
        self._end = at + size

    def __enter__(self):  # noqa: ANN204 - itself
        self._at = self._first
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def readinto(self, piece) -> int:  # noqa: ANN001 - memoryview
        n = min(len(piece), self._end - self._at)
        if n:
            self._part.readblocks(self._at // _SECTOR, piece[:n], self._at % _SECTOR)
            self._at += n
        return n

    def write(self, piece) -> None:  # noqa: ANN001 - memoryview
        while piece:
            if self._at >= self._end:
                return  # more than was signed: the hash will say so
            within = self._at % _SECTOR
            if not within:
                self._part.ioctl(_ERASE, self._at // _SECTOR)
            n = min(len(piece), _SECTOR - within, self._end - self._at)
            self._part.writeblocks(self._at // _SECTOR, piece[:n], within)
            self._at += n
            piece = piece[n:]
