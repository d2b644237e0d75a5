"""A node's flash in one file, its operations counted and its power cut where asked.

The VM itself works on the file; it shares a control page with the host (u32 little-endian unless
said otherwise):

    0   armed (0 or 1)          4  kind (u8: 0 read, 1 erase, 2 write, 3 erase or write)
    5   where (u8: 0 before, 1 within, 2 after)      8  operations left until the cut
    6   keep a journal (u8: 0 or 1)
    16  reads      20  erases      24  writes      28  app that runs, where there is more than one
    64  erases of each 4 KiB block, and behind these the journal: for each erase and write its
        address, its length (0: an erase of a block) and its data

Before an operation the VM counts it; at the operation that was asked for it does none of it
(before), half of it (within: half of an erased block is ones, half of the data is written) or all
(after), tells the host over the channel and waits for the end.
"""

import mmap
import os
import struct
from dataclasses import dataclass
from pathlib import Path

from sim.errors import FlashError

BLOCK_BYTES = 4096
TABLE = 0x8000
_TABLE_BYTES = 0xC00
_MAGIC = b"\xaa\x50"
_ENTRY = "<HBBII16sI"
_KINDS = ("read", "erase", "write", "change")
_WHERE = ("before", "within", "after")
_JOURNAL = 6
_COUNTS = 16
_WEAR = 64


def table(raw: bytes) -> dict[str, tuple[int, int]]:
    """Return (offset, size) by label from the bytes of a partition table."""
    found = {}
    size = struct.calcsize(_ENTRY)
    for at in range(0, len(raw), size):
        if raw[at : at + 2] != _MAGIC:
            break
        _, _, _, offset, length, label, _ = struct.unpack_from(_ENTRY, raw, at)
        found[label.rstrip(b"\0").decode()] = (offset, length)
    return found


@dataclass(frozen=True)
class Counts:
    """Operations of a flash since its file was opened."""

    reads: int
    erases: int
    writes: int


class Flash:
    """The flash file of one node, open as long as the node exists."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = path.stat().st_size
        if self.size % BLOCK_BYTES or self.size <= TABLE:
            raise FlashError(f"{path}: {self.size} bytes are no flash of whole 4 KiB blocks")
        self.fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        self.page_fd = os.memfd_create("flash-control")
        os.ftruncate(self.page_fd, _WEAR + 4 * (self.size // BLOCK_BYTES))
        self._page = mmap.mmap(self.page_fd, 0)
        self.partitions = table(os.pread(self.fd, _TABLE_BYTES, TABLE))
        if "vfs" not in self.partitions:
            self.close()
            raise FlashError(f"{path}: no partition vfs in the table at {TABLE:#x}")

    @property
    def counts(self) -> Counts:
        """Operations so far."""
        return Counts(*struct.unpack_from("<III", self._page, _COUNTS))

    @property
    def wear(self) -> list[int]:
        """Erases of each block."""
        return list(struct.unpack_from(f"<{self.size // BLOCK_BYTES}I", self._page, _WEAR))

    def arm(self, n: int, kind: str, where: str) -> None:
        """Let the power fail at the n-th operation from now of a kind ("change": erase or write).

        ValueError for words that are none, and for n below 1.
        """
        if n < 1:
            raise ValueError(f"n must be at least 1, is {n}")
        self._page[8:12] = struct.pack("<I", n)
        self._page[4:6] = bytes((_KINDS.index(kind), _WHERE.index(where)))
        self._page[0:4] = struct.pack("<I", 1)

    def disarm(self) -> None:
        """Let the power be."""
        self._page[0:4] = bytes(4)

    @property
    def armed(self) -> bool:
        """Whether a cut is asked for that has not come yet."""
        return self._page[0] != 0

    def keep_journal(self, *, on: bool = True) -> None:
        """Keep from now on every erase and write, with what was to be written; forget the old."""
        if on:
            os.ftruncate(self.page_fd, len(self._page))
        self._page[_JOURNAL] = on

    @property
    def journal(self) -> bytes:
        """Everything that was kept, as it lies on the control page."""
        end = os.fstat(self.page_fd).st_size
        return os.pread(self.page_fd, end - len(self._page), len(self._page))

    def read(self, partition: str) -> bytes:
        """Return the content of a partition."""
        offset, size = self.partitions[partition]
        return os.pread(self.fd, size, offset)

    def write(self, partition: str, at: int, data: bytes) -> None:
        """Overwrite bytes of a partition behind the node's back (damage, for tests)."""
        offset, size = self.partitions[partition]
        if at + len(data) > size:
            raise ValueError(f"{at + len(data)} is beyond the {size} bytes of {partition}")
        os.pwrite(self.fd, data, offset + at)

    def close(self) -> None:
        """Close the files."""
        if not self._page.closed:
            self._page.close()
            os.close(self.fd)
            os.close(self.page_fd)
