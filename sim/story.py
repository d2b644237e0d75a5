"""How a demonstration tells itself: chapters, a line an event, verdicts, tables."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn
from rich.table import Table

_NAME_CHARS = 12
_WORDS = "what was counted"


@dataclass
class Check:
    """A verdict and what it was given for."""

    holds: bool
    words: str


class Story:
    """Chapters, events beneath them, and verdicts by name; `began` is on time.monotonic."""

    def __init__(self, title: str, chapters: int, console: Console | None = None) -> None:
        self.verdicts: dict[str, Check] = {}
        self.began = time.monotonic()
        self._console = console or Console(highlight=False)
        self._chapters = chapters
        self._number = 0
        self._progress: Progress | None = None
        self._console.print(f"\n[bold]{escape(title)}[/bold]")

    @property
    def seconds(self) -> float:
        """Seconds since the story began."""
        return time.monotonic() - self.began

    @property
    def checks(self) -> dict[str, bool]:
        """Every verdict by name."""
        return {name: check.holds for name, check in self.verdicts.items()}

    @property
    def ok(self) -> bool:
        """Whether every check held, and there was one."""
        return bool(self.verdicts) and all(self.checks.values())

    @contextmanager
    def chapter(self, title: str) -> Iterator[None]:
        """Tell one chapter; a bar shows what goes on while it runs, where there is a terminal."""
        self._number += 1
        self._console.print(f"\n[bold]{self._number}/{self._chapters} {escape(title)}[/bold]")
        with Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[of]}"),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        ) as self._progress:
            self._task = self._progress.add_task("", total=None, of="")
            yield
        self._progress = None

    def doing(self, what: str, done: int = 0, total: int | None = None) -> None:
        """Show what is going on, with a bar where the end is known."""
        if self._progress is not None:
            self._progress.update(
                self._task,
                description=what,
                completed=done,
                total=total,
                of="" if total is None else f"{done}/{total}",
            )

    def tell(self, who: str, text: str) -> None:
        """Tell an event: when, who, what."""
        self._line("cyan", who, text)

    def check(self, name: str, holds: bool, words: str) -> None:
        """Give a verdict; once false, a name stays false."""
        before = self.verdicts.get(name)
        if before is None or before.holds:
            self.verdicts[name] = Check(holds, words)
        self._line("green" if holds else "bold red", "ok" if holds else "NO", words)

    def table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Print a table."""
        table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
        for column in columns:
            table.add_column(column, no_wrap=column != _WORDS)
        for row in rows:
            table.add_row(*map(escape, row))
        self._console.print(table)

    def end(self) -> None:
        """Print the table of checks and the verdict of the whole."""
        rows = [
            ("yes" if check.holds else "NO", name, check.words)
            for name, check in self.verdicts.items()
        ]
        self.table("Checks", ("held", "check", _WORDS), rows)
        held, colour = sum(self.checks.values()), "green" if self.ok else "bold red"
        verdict = f"{held} of {len(self.verdicts)} checks held, in {self.seconds:.0f} s"
        self._console.print(f"[{colour}]{verdict}[/{colour}]")

    def print(self, text: str) -> None:
        """Print a line as it is."""
        self._console.print(text, markup=False, soft_wrap=True)

    def _line(self, colour: str, who: str, text: str) -> None:
        when = f"[dim]{self.seconds:6.1f} s[/dim]"
        name = f"[{colour}]{escape(who):<{_NAME_CHARS}}[/{colour}]"
        self._console.print(f"{when}  {name} {escape(text)}", soft_wrap=True)
