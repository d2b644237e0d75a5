"""Tells how a torture goes: a bar for each part, one summary, all figures as JSON."""

import json
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from sim.torture.content import PHASES
from sim.torture.damage import Toll
from sim.torture.lives import Life
from sim.torture.states import Tally

_FAULTS_SHOWN = 20
_ANY = "any part"


@dataclass
class Figures:
    """Everything that was counted."""

    states: Tally = field(default_factory=Tally)
    lives: list[Life] = field(default_factory=list)
    toll: Toll = field(default_factory=Toll)
    whole: bool = True
    """Whether the torture came to its end."""
    began: float = field(default_factory=time.monotonic)

    @property
    def faults(self) -> list[str]:
        """Each thing that went wrong, and where."""
        lived = [f"{life.fate}: {'; '.join(life.faults)}" for life in self.lives if life.faults]
        return [*self.states.faults, *lived, *self.toll.faults]

    @property
    def bricked(self) -> int:
        """How many states and lives ended otherwise than they must."""
        wrong = sum(1 for life in self.lives if life.faults)
        return self.states.bricked + wrong + self.toll.bricked

    def json(self) -> dict[str, Any]:
        """Return the figures as plain values."""
        ends = Counter(life.end for life in self.lives)
        kinds = Counter(life.fate.failure for life in self.lives for _ in range(life.cuts))
        met: dict[str, Counter[str]] = {}
        for life in self.lives:
            if life.cuts:
                met.setdefault(life.fate.failure, Counter())[life.fate.phase or _ANY] += 1
        return {
            "whole": self.whole,
            "seconds": round(time.monotonic() - self.began, 1),
            "changes": self.states.changes,
            "states": {
                "checked": self.states.states,
                "of_second_cuts": len(self.states.second),
                "booted": len(self.states.booted),
                "by_phase": {p: n for p in PHASES if (n := self.states.by_phase.get(p))},
            },
            "lives": {
                "lived": len(self.lives),
                "finished": sum(1 for life in self.lives if not life.faults),
                "failures": dict(kinds),
                "first_met_in": {kind: dict(phases) for kind, phases in met.items()},
                "ends": dict(ends),
            },
            "damage": self.toll.json(),
            "bricked": self.bricked,
            "faults": self.faults[:_FAULTS_SHOWN],
        }


class Teller:
    """Shows progress and the summary on a terminal."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False)

    @contextmanager
    def bar(self, words: str) -> Iterator["Bar"]:
        """Show a bar while a part goes on."""
        columns = (TextColumn("{task.description:<34}"), BarColumn(), MofNCompleteColumn())
        with Progress(*columns, TimeElapsedColumn(), console=self._console) as progress:
            yield Bar(progress, words)

    def say(self, words: str) -> None:
        """Say a line."""
        self._console.print(escape(words))

    def summary(self, figures: Figures, json_file: Path | None) -> None:
        """Tell the figures, and write them."""
        found = figures.json()
        states, lives = found["states"], found["lives"]
        rows = ", ".join(f"{phase} {count}" for phase, count in states["by_phase"].items())
        self.say(f"\n{found['changes']} changes of the flash; states: {rows}")
        self.say(
            f"states checked on the file system: {states['checked']}"
            f" ({states['of_second_cuts']} of second cuts); booted in the VM: {states['booted']};"
            f" finished the update: {lives['finished']} of {lives['lived']}"
        )
        if lives["failures"]:
            self.say("failures lived through: " + _counted(lives["failures"]))
        for kind, phases in lives["first_met_in"].items():
            self.say(f"  {kind}: " + ", ".join(f"{phase} {n}" for phase, n in phases.items()))
        if figures.toll.tried:
            self.say(f"damaged blocks: {figures.toll.words()}")
        for fault in found["faults"]:
            self.say(f"  {fault[:600]}")
        self.say(f"bricked: {found['bricked']} ({found['seconds']:.0f} s)")
        if json_file:
            json_file.write_text(json.dumps(found, indent=2) + "\n")


class Bar:
    """One part's progress."""

    def __init__(self, progress: Progress, words: str) -> None:
        self._progress = progress
        self._task = progress.add_task(words, total=None)
        self._tenths = 0

    def at(self, done: int, total: int, words: str = "") -> None:
        """Move on."""
        self._progress.update(self._task, completed=done, total=total)
        if words:
            self._progress.update(self._task, description=words)
        tenths = 10 * done // max(1, total)
        if tenths > self._tenths and not self._progress.console.is_terminal:
            self._progress.console.print(escape(f"{words}, {done} of {total}".lstrip(", ")))
            self._tenths = tenths  # in a log a bar is drawn only once


def _counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {word}" for word, count in sorted(counts.items()))
