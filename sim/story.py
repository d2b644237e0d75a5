"""How a demonstration tells itself: steps with a verdict, in a terminal or a pipe."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn


class Story:
    """Steps, what is told beneath them, and checks by name; `checks` holds every verdict."""

    def __init__(self, title: str, steps: int) -> None:
        self.checks: dict[str, bool] = {}
        self.began = time.monotonic()
        self._console = Console(highlight=False)
        self._steps = steps
        self._number = 0
        self._progress: Progress | None = None
        self._console.print(f"\n[bold]{title}[/bold]\n")

    @property
    def seconds(self) -> float:
        """Seconds since the story began."""
        return time.monotonic() - self.began

    @property
    def ok(self) -> bool:
        """Whether every check held, and there was one."""
        return bool(self.checks) and all(self.checks.values())

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Tell one step: what goes on while it runs, then how long it took."""
        self._number += 1
        began = time.monotonic()
        label = f"[bold]{self._number}[/bold]/{self._steps} {title}"
        self._console.print(label)
        with Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            TimeElapsedColumn(),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        ) as self._progress:
            self._task = self._progress.add_task("", total=None)
            yield
        self._progress = None
        self._console.print(f"    [dim]{time.monotonic() - began:.1f} s[/dim]")

    def doing(self, what: str, done: float | None = None, total: float | None = None) -> None:
        """Show what is going on, with a bar where the end is known."""
        if self._progress is not None:
            self._progress.update(
                self._task, description=f"   {what}", completed=done, total=total
            )

    def tell(self, text: str) -> None:
        """Add a line beneath the step."""
        self._console.print(f"    {text}", markup=False, soft_wrap=True)

    def check(self, name: str, holds: bool, words: str) -> None:
        """Give a verdict; once false, a name stays false."""
        self.checks[name] = holds and self.checks.get(name, True)
        sign, colour = ("ok ", "green") if holds else ("NO ", "red")
        self._console.print(f"    [{colour}]{sign}[/{colour}] {escape(words)}", soft_wrap=True)

    def end(self) -> None:
        """Tell the verdict of the whole."""
        held = sum(self.checks.values())
        colour = "green" if self.ok else "red"
        self._console.print(
            f"\n[{colour}]{held} of {len(self.checks)} checks held[/{colour}]"
            f" in {self.seconds:.0f} s"
        )
        for name, holds in self.checks.items():
            if not holds:
                self._console.print(f"    [red]failed: {name}[/red]")

    def print(self, text: str) -> None:
        """Print a line as it is."""
        self._console.print(text, markup=False, soft_wrap=True)
