"""Goes through every state of a recorded run: reads it, and starts a node from it.

Work is cut into stretches of changes that are done in processes of their own; what comes back is
small. A state that was met before is not looked at again.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sim.torture import pool
from sim.torture.boots import Starter
from sim.torture.content import PHASES, Content, UnreadableError, faults, phase, read
from sim.torture.journal import Change, State, torn
from sim.torture.runs import Recording

STRETCH = 12
_WHOLE = "after"
_FAULTS_KEPT = 20


@dataclass(frozen=True)
class Depth:
    """How much is looked at.

    phases: only changes of these; every: of the states only each so-maniest, by chance;
    second: the share of starts in whose recovery the power is cut again at each change;
    again: the share of those second states that are started from as well.
    """

    phases: frozenset[str] = frozenset(PHASES)
    every: int = 1
    second: float = 0.25
    again: float = 0.1
    seed: int = 1


@dataclass
class Tally:
    """What came of it: distinct states by digest, those started from, what was found wrong."""

    seen: set[bytes] = field(default_factory=set)
    second: set[bytes] = field(default_factory=set)
    booted: set[bytes] = field(default_factory=set)
    by_phase: dict[str, int] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    bricked: int = 0
    changes: int = 0
    phases: dict[tuple[str, int], str] = field(default_factory=dict)
    """What each change belongs to, by its run's name and its number in it, from 0."""

    def add(self, other: "Tally") -> None:
        """Add what another stretch found."""
        self.seen |= other.seen
        self.second |= other.second
        self.booted |= other.booted
        for name, count in other.by_phase.items():
            self.by_phase[name] = self.by_phase.get(name, 0) + count
        self.faults = (self.faults + other.faults)[:_FAULTS_KEPT]
        self.bricked += other.bricked
        self.changes += other.changes
        self.phases |= other.phases

    @property
    def states(self) -> int:
        """Distinct states that were read."""
        return len(self.seen | self.second)


def go_through(
    recordings: Sequence[Recording], depth: Depth, workers: int, folder: Path
) -> Iterator[tuple[int, int, Tally]]:
    """Yield (stretches done, of how many, what the last one found)."""
    stretches = [
        (depth, number, start)
        for number, recording in enumerate(recordings)
        for start in range(0, len(recording.changes), STRETCH)
    ]
    return pool.spread(_stretch, stretches, recordings, workers, folder)


class Walk:
    """A walk through the changes of one recording."""

    def __init__(self, recording: Recording, depth: Depth, folder: Path) -> None:
        self._recording = recording
        self._depth = depth
        self.state = State(recording.image)
        config = read(self.state).vfs["etc/config.json"]
        self._starter = Starter(folder, recording.image, recording.mac, config)
        self._known: set[bytes] = set()

    def stretch(self, start: int, stop: int) -> Tally:
        """Look at the states that the changes from `start` on lead to, and may leave."""
        changes = self._recording.changes
        self.state = State(self._recording.image)
        for change in changes[:start]:
            self.state.apply(change)
        tally = Tally()
        before = read(self.state)
        for index in range(start, min(stop, len(changes))):
            before = self._change(index, changes[index], before, tally)
        return tally

    def close(self) -> None:
        """End the node."""
        self._starter.close()

    def _change(self, index: int, change: Change, before: Content, tally: Tally) -> Content:
        undone = self.state.apply(change)
        after = read(self.state)
        at = self.state.label(change.address)
        name = phase(before, after) if at in ("vfs", "data") else "micropython"
        tally.phases[self._recording.run.name, index] = name
        if name not in self._depth.phases:
            return after
        tally.changes += 1
        place = f"{self._recording.run.name} {index} ({name})"
        if not self._passes(f"{place} {_WHOLE}"):
            self._look(f"{place} {_WHOLE}", name, after, (after,), tally)
        self.state.put(change.address, undone)
        for tear in torn(self.state, change, f"{self._depth.seed} {index}"):
            if self._passes(f"{place} {tear}"):
                continue
            try:
                content = read(self.state)
            except UnreadableError as error:
                _fail(tally, f"{place} {tear}", [str(error)])
                continue
            self._look(f"{place} {tear}", name, content, (before, after), tally)
        self.state.apply(change)
        return after

    def _passes(self, place: str) -> bool:
        """Say whether a state is none of the sample, or was looked at before."""
        chance = random.Random(f"{self._depth.seed} {place} sample")  # noqa: S311
        return bool(chance.randrange(self._depth.every)) or self.state.digest in self._known

    def _look(
        self, place: str, name: str, content: Content, allowed: tuple[Content, ...], tally: Tally
    ) -> None:
        """Read a state, start from it; what a torn change leaves is what was or what will be."""
        depth, facts, digest = self._depth, self._recording.facts, self.state.digest
        chance = random.Random(f"{depth.seed} {place}")  # noqa: S311
        self._known.add(digest)
        tally.seen.add(digest)
        tally.by_phase[name] = tally.by_phase.get(name, 0) + 1
        found = faults(content, facts)
        if content not in allowed:
            found.append("files are neither those before the change nor those after it")
        start = self._starter.start(self.state, content, facts)
        tally.booted.add(digest)
        if found or start.faults:
            _fail(tally, place, [*found, *start.faults])
        if chance.random() < depth.second:
            self._second(place, start.changes, tally, chance)

    def _second(
        self, place: str, changes: tuple[Change, ...], tally: Tally, chance: random.Random
    ) -> None:
        """Cut the power again at each change that the recovery made."""
        undo = []
        for number, change in enumerate(changes):
            for tear in torn(self.state, change, place):
                self._second_look(f"{place}, then {number} {tear}", tally, chance)
            undo.append((change.address, self.state.apply(change)))
            self._second_look(f"{place}, then {number} {_WHOLE}", tally, chance)
        for address, content in reversed(undo):
            self.state.put(address, content)

    def _second_look(self, place: str, tally: Tally, chance: random.Random) -> None:
        digest, facts = self.state.digest, self._recording.facts
        if digest in self._known:
            return
        self._known.add(digest)
        tally.second.add(digest)
        try:
            content = read(self.state)
            found = faults(content, facts)
        except UnreadableError as error:
            _fail(tally, place, [str(error)])
            return
        if chance.random() < self._depth.again:
            tally.booted.add(digest)
            found += self._starter.start(self.state, content, facts).faults
        if found:
            _fail(tally, place, found)


def _fail(tally: Tally, place: str, found: Sequence[str]) -> None:
    tally.bricked += 1
    tally.faults.append(f"{place}: {'; '.join(found)}")


def _stretch(depth: Depth, number: int, start: int) -> Tally:
    walk = pool.tool(Walk, number, depth)
    return walk.stretch(start, start + STRETCH)
