"""LittleFS2 volumes at MicroPython's parameters, and what files cost on them.

The parameters are the defaults of MicroPython's VfsLfs2 (extmod/vfs_lfs.c, vfs_lfsx.c): read and
program 32 bytes, cache four times that, lookahead 32, block_cycles 100. A volume made here has
the same superblock as one made by `vfs.VfsLfs2.mkfs`, and the same input gives the same bytes.
"""

from collections.abc import Mapping
from posixpath import dirname
from typing import Any

from ota.build.boards import BLOCK_BYTES, DATA_BYTES
from ota.build.errors import BuildError

_PARAMETERS = {
    "read_size": 32,
    "prog_size": 32,
    "cache_size": 128,
    "lookahead_size": 32,
    "block_cycles": 100,
    "block_size": BLOCK_BYTES,
}
# Small files lie in their directory, up to the cache of whoever wrote them: the boot code mounts
# `data` with longer reads than the defaults (firmware/root/startup.py).
_READING = {**_PARAMETERS, "cache_size": BLOCK_BYTES}
_INLINE_BYTES = 100  # what certainly stays within its directory
_FILLER = "~"
_NOSPC = -28
_ERASED = b"\xff" * BLOCK_BYTES


class _Memory:
    """A volume's bytes, as littlefs-python asks for them: its own class is at twice the time."""

    def __init__(self, buffer: bytearray) -> None:
        self.buffer = buffer
        self.in_size = len(buffer)

    def read(self, _: Any, block: int, offset: int, size: int) -> bytearray:
        start = block * BLOCK_BYTES + offset
        return self.buffer[start : start + size]

    def prog(self, _: Any, block: int, offset: int, data: bytes) -> int:
        start = block * BLOCK_BYTES + offset
        self.buffer[start : start + len(data)] = data
        return 0

    def erase(self, _: Any, block: int) -> int:
        return self.prog(None, block, 0, _ERASED)

    def sync(self, _: Any) -> int:
        return 0


def pack(files: Mapping[str, bytes], size: int) -> bytes:
    """Return a volume of `size` bytes that holds `files` (path without leading slash → content).

    Each directory stands in both of its blocks, so that one that is lost costs no directory: a
    single lost one keeps a whole volume from mounting. BuildError when the files do not fit.
    """
    fs = _volume(files, size)
    _doubled(fs)
    return bytes(fs.context.buffer)


def unpack(volume: bytes) -> dict[str, bytes]:
    """Return path → content of every file in a volume; BuildError when it does not mount."""
    littlefs = _littlefs()
    fs = _on(_Memory(bytearray(volume)), _READING)
    try:
        fs.mount()
    except littlefs.LittleFSError as error:
        raise BuildError(f"this is no LittleFS volume: {error}") from error
    files = {}
    for folder, _, names in fs.walk("/"):
        for name in names:
            path = f"{folder.strip('/')}/{name}".lstrip("/")
            with fs.open(path, "rb") as file:
                files[path] = bytes(file.read())
    return files


def blocks(files: Mapping[str, bytes]) -> int:
    """Return the blocks that `files` take on the data partition, beyond those of an empty one.

    Counted by writing them to a real volume: a file takes at least a block unless LittleFS
    inlines it into its directory (at most 128 bytes), a directory takes two and splits as it
    grows.
    """
    return used(files, DATA_BYTES) - used({}, DATA_BYTES)


def used(files: Mapping[str, bytes], size: int) -> int:
    """Return the blocks in use on a volume of `size` bytes that holds `files`."""
    return int(_volume(files, size).used_block_count)


def _volume(files: Mapping[str, bytes], size: int) -> Any:
    littlefs = _littlefs()
    fs = _on(_Memory(bytearray(b"\xff" * size)), _PARAMETERS)
    fs.format()
    fs.mount()
    try:
        for path, content in sorted(files.items()):
            if dirname(path):
                fs.makedirs(dirname(path), exist_ok=True)
            with fs.open(path, "wb") as file:
                file.write(content)
    except (littlefs.LittleFSError, OSError) as error:
        if getattr(error, "code", None) != _NOSPC:
            raise
        total = sum(len(content) for content in files.values())
        raise BuildError(
            f"{len(files)} files of {total} bytes do not fit a file system of {size} bytes"
        ) from error
    return fs


def _on(memory: _Memory, parameters: Mapping[str, int]) -> Any:
    count = memory.in_size // BLOCK_BYTES
    return _littlefs().LittleFS(context=memory, mount=False, block_count=count, **parameters)


def _doubled(fs: Any) -> None:
    """Have LittleFS write each directory anew into its second block, which a new one has blank.

    It does so when the first one's log is full: of a file that comes and goes. Both hold all else.
    """
    folders = ["/"]
    for folder, names, _ in fs.walk("/"):
        folders += [f"{folder.rstrip('/')}/{name}" for name in names]
    for folder in sorted(folders):
        before = _revisions(fs)
        while _revisions(fs) == before:
            with fs.open(f"{folder.rstrip('/')}/{_FILLER}", "wb") as file:
                file.write(bytes(_INLINE_BYTES))
            fs.remove(f"{folder.rstrip('/')}/{_FILLER}")


def _revisions(fs: Any) -> list[bytes]:
    """Return how the blocks begin: those of directories with their revision, 32 bits."""
    return [bytes(fs.context.buffer[byte::BLOCK_BYTES]) for byte in range(4)]


def _littlefs() -> Any:
    try:
        import littlefs  # noqa: PLC0415 - comes with the extra `field`, the bare server lives without
    except ImportError as error:
        raise BuildError("littlefs-python is missing: pip install 'lamppost[field]'") from error
    return littlefs
