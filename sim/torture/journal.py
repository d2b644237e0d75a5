"""A flash replayed from its journal: every state it went through, and those it might have left.

One run of a node is recorded (`Flash.keep_journal`); replaying its changes on a copy of the flash
it began with gives what the power would have left between two of them, and `tear` what it may
leave within one, without running anything again. States that are equal are one (`State.digest`).
"""

import random
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b

from sim.hardware.flash import BLOCK_BYTES, TABLE, table

_HEAD = "<II"
_ONES = b"\xff" * BLOCK_BYTES
_TABLE_END = TABLE + 0xC00

WRITE_TEARS = ("half", "last", "weak", "bits")
ERASE_TEARS = ("half", "weak")
"""What is left of a change that was cut short.

Of a write `half`: its first half; `last`: all but the last byte; `weak`: every bit that was to be
cleared is or is not, by chance; `bits`: a single bit is not. Of an erase `half`: the first half of
the block is ones; `weak`: every bit that was to become one is or is not.
"""


@dataclass(frozen=True)
class Change:
    """One change of the flash: `data` was to be written at `address`; None: a block was erased."""

    address: int
    data: bytes | None

    @property
    def tears(self) -> tuple[str, ...]:
        """The ways in which it may be cut short."""
        return ERASE_TEARS if self.data is None else WRITE_TEARS


def parse(journal: bytes) -> list[Change]:
    """Return the changes of a journal as the VM wrote it (sim/hardware/flash.py)."""
    changes = []
    at = 0
    while at < len(journal):
        address, size = struct.unpack_from(_HEAD, journal, at)
        at += struct.calcsize(_HEAD)
        changes.append(Change(address, journal[at : at + size] if size else None))
        at += size
    return changes


class State:
    """A whole flash that changes are made to; `digests`: of its blocks."""

    def __init__(self, image: bytes) -> None:
        self.image = bytearray(image)
        self.partitions = table(image[TABLE:_TABLE_END])
        self.digests: list[bytes] = [
            self._digest(block) for block in range(len(image) // BLOCK_BYTES)
        ]

    @property
    def digest(self) -> bytes:
        """What tells this state from others, 16 bytes."""
        return blake2b(b"".join(self.digests), digest_size=16).digest()

    def partition(self, label: str) -> bytes:
        """Return the content of a partition."""
        offset, size = self.partitions[label]
        return bytes(self.image[offset : offset + size])

    def label(self, address: int) -> str:
        """Name the partition at an address, "" where there is none."""
        for name, (offset, size) in self.partitions.items():
            if offset <= address < offset + size:
                return name
        return ""

    def put(self, address: int, content: bytes) -> bytes:
        """Overwrite bytes; return what was there."""
        end = address + len(content)
        before = bytes(self.image[address:end])
        self.image[address:end] = content
        for block in range(address // BLOCK_BYTES, (end - 1) // BLOCK_BYTES + 1):
            self.digests[block] = self._digest(block)
        return before

    def apply(self, change: Change, tear: str = "", chance: random.Random | None = None) -> bytes:
        """Make a change, whole unless a tear is named; return what was there (see `put`).

        As on NOR flash a write only clears bits.
        """
        size = BLOCK_BYTES if change.data is None else len(change.data)
        before = bytes(self.image[change.address : change.address + size])
        after = _ONES if change.data is None else _and(before, change.data)
        if tear:
            after = _torn(before, after, tear, chance or random.Random(0))  # noqa: S311
        return self.put(change.address, after)

    def _digest(self, block: int) -> bytes:
        content = self.image[block * BLOCK_BYTES : (block + 1) * BLOCK_BYTES]
        return blake2b(content, digest_size=16).digest()


def torn(state: State, change: Change, seed: str) -> Iterator[str]:
    """Leave `state` as each tear of its next change would, one after the other; then as it was."""
    for tear in change.tears:
        before = state.apply(change, tear, random.Random(f"{seed} {tear}"))  # noqa: S311
        yield tear
        state.put(change.address, before)


def _and(old: bytes, new: bytes) -> bytes:
    both = int.from_bytes(old, "little") & int.from_bytes(new, "little")
    return both.to_bytes(len(old), "little")


def _torn(before: bytes, after: bytes, tear: str, chance: random.Random) -> bytes:
    size = len(before)
    if tear == "half":
        return after[: size // 2] + before[size // 2 :]
    if tear == "last":
        return after[: size - 1] + before[size - 1 :]
    changed = int.from_bytes(before, "little") ^ int.from_bytes(after, "little")
    kept = changed & chance.getrandbits(8 * size) if tear == "weak" else _one_of(changed, chance)
    return (int.from_bytes(after, "little") ^ kept).to_bytes(size, "little")


def _one_of(bits: int, chance: random.Random) -> int:
    """Choose one of the bits that are set, 0 when none is."""
    places = [place for place in range(bits.bit_length()) if bits >> place & 1]
    return 1 << chance.choice(places) if places else 0
