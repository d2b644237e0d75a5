"""Overwrites single blocks of either file system, and looks what a node makes of what is left.

A cut is a promise of the flash, damage is not: a block may be lost whatever was done to it. A node
must then run a release whole, or say that it has none and keep the light on; what the technician
has to put right by cable is counted, and so is data that stood on the block.
"""

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sim.hardware.flash import BLOCK_BYTES
from sim.torture import pool
from sim.torture.boots import Starter
from sim.torture.content import read
from sim.torture.journal import State
from sim.torture.runs import Recording

KINDS = ("ones", "zeros", "random", "neighbour")
_FAULTS_KEPT = 20


@dataclass(frozen=True)
class Blow:
    """One block of a partition at a point of a recorded run, and what is written over it."""

    recording: int
    change: int
    partition: str
    block: int
    kind: str


@dataclass
class Toll:
    """What came of blows: counts by partition and verdict; `bricked`: none of those allowed.

    Verdicts: "runs" (a whole release), "rescue" (both slots gone: it says so, the light burns,
    the rescue begins), "cable" (`vfs` itself is gone: the light burns, the cable has to help).
    """

    ends: Counter[tuple[str, str]] = field(default_factory=Counter)
    crashed: int = 0
    bricked: int = 0
    faults: list[str] = field(default_factory=list)

    @property
    def tried(self) -> int:
        """How many blocks were damaged."""
        return sum(self.ends.values())

    def add(self, other: "Toll") -> None:
        """Add what others found."""
        self.ends += other.ends
        self.crashed += other.crashed
        self.bricked += other.bricked
        self.faults = (self.faults + other.faults)[:_FAULTS_KEPT]

    def words(self) -> str:
        """Return the counts for people."""
        each = [f"{part} {end} {count}" for (part, end), count in sorted(self.ends.items())]
        return f"{self.tried}: {', '.join(each)}; the VM itself crashed: {self.crashed}"

    def json(self) -> dict[str, Any]:
        """Return the counts as plain values."""
        found: dict[str, Any] = {"tried": self.tried, "vm_crashed": self.crashed}
        for (part, end), count in sorted(self.ends.items()):
            found.setdefault(part, {})[end] = count
        return found


def blows(recordings: Sequence[Recording], count: int, seed: int) -> list[Blow]:
    """Choose `count` blows, of blocks that are in use: an empty one's damage is none."""
    chance = random.Random(f"{seed} damage")  # noqa: S311
    began = [_used(recording.image) for recording in recordings]
    places = [State(recording.image).partitions for recording in recordings]
    found = []
    for _ in range(count):
        number = chance.randrange(len(recordings))
        changes = recordings[number].changes
        change = chance.randrange(len(changes) + 1)
        partition = chance.choice(("vfs", "data", "data", "data"))
        offset, size = places[number][partition]
        used = began[number] | {
            each.address // BLOCK_BYTES for each in changes[:change] if each.data
        }
        first, last = offset // BLOCK_BYTES, (offset + size) // BLOCK_BYTES
        block = chance.choice(sorted(b for b in used if first <= b < last))
        found.append(Blow(number, change, partition, block, chance.choice(KINDS)))
    return sorted(found, key=lambda blow: (blow.recording, blow.change))


def _used(image: bytes) -> set[int]:
    """Return the blocks that are not blank."""
    blocks = range(len(image) // BLOCK_BYTES)
    return {b for b in blocks if image[b * BLOCK_BYTES : (b + 1) * BLOCK_BYTES].strip(b"\xff")}


def strike(
    recordings: Sequence[Recording], wanted: Sequence[Blow], workers: int, folder: Path
) -> Iterator[tuple[int, int, Toll]]:
    """Yield (blows done, of how many, what came of the last ones)."""
    size = 10
    parts = [(tuple(wanted[at : at + size]),) for at in range(0, len(wanted), size)]
    return pool.spread(_strike, parts, recordings, workers, folder)


class Anvil:
    """Starts a node from damaged states of one recording."""

    def __init__(self, recording: Recording, folder: Path) -> None:
        self._recording = recording
        config = read(State(recording.image)).vfs["etc/config.json"]
        self._starter = Starter(folder, recording.image, recording.mac, config)

    def strike(self, blow: Blow) -> Toll:
        """Damage a block and start."""
        state = State(self._recording.image)
        for change in self._recording.changes[: blow.change]:
            state.apply(change)
        state.put(blow.block * BLOCK_BYTES, _content(state, blow))
        verdict, fault, crashed = self._starter.survive(state)
        toll = Toll(Counter({(blow.partition, verdict): 1}), int(crashed))
        if fault:
            toll.bricked = 1
            toll.faults.append(f"{self._recording.run.name} {blow}: {fault}")
        return toll


def _content(state: State, blow: Blow) -> bytes:
    if blow.kind == "neighbour":
        near = blow.block + (1 if (blow.block + 1) * BLOCK_BYTES < len(state.image) else -1)
        return bytes(state.image[near * BLOCK_BYTES : (near + 1) * BLOCK_BYTES])
    if blow.kind == "random":
        return random.Random(str(blow)).randbytes(BLOCK_BYTES)  # noqa: S311
    return (b"\xff" if blow.kind == "ones" else b"\0") * BLOCK_BYTES


def _strike(wanted: tuple[Blow, ...]) -> Toll:
    toll = Toll()
    for blow in wanted:
        toll.add(pool.tool(Anvil, blow.recording).strike(blow))
    return toll
