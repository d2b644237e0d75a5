"""How a running fleet shows itself: one line that lives, or now and then a line in a pipe."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.status import Status

from sim.fleet import Figures

_PIPE_S = 10.0
_MB = 1e6


class Live:
    """Tells how a fleet is made and what its figures are, until its `end`."""

    def __init__(self) -> None:
        self._console = Console(highlight=False)
        self._status: Status | None = None
        self._told: Figures | None = None
        self._due = 0.0

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Keep the line alive where there is a terminal."""
        if not self._console.is_terminal:
            yield
            return
        with Status("", console=self._console) as self._status:
            yield
        self._status = None

    def say(self, text: str) -> None:
        """Print a line that stays."""
        self._console.print(text, markup=False, soft_wrap=True)

    def making(self, done: int, total: int) -> None:
        """Tell how many nodes have their flash."""
        text = f"registered and given flash: {done} of {total} nodes"
        if self._status:
            self._status.update(text)
        elif done == total:
            self.say(text)

    def figures(self, figures: Figures) -> None:
        """Tell figures: at once in a terminal, each ten seconds elsewhere."""
        if self._status:
            self._status.update(line(figures, "\n           "))  # two lines fit 80 columns
        elif figures.seconds >= self._due:
            self._due = figures.seconds + _PIPE_S
            self.end(figures)

    def end(self, figures: Figures) -> None:
        """Tell figures in a line that stays, once."""
        if figures is not self._told:
            self._told = figures
            self.say(line(figures))


def line(figures: Figures, between: str = "; ") -> str:
    """Return figures for people: how the nodes are, `between`, what they cost."""
    each = figures.memory_bytes / max(1, figures.nodes) / _MB
    return (
        f"{figures.seconds:5.0f} s  {figures.up} of {figures.nodes} up,"
        f" {figures.enrolled} enrolled, {figures.windows_sent} windows sent{between}"
        f"{figures.memory_bytes / _MB:.0f} MB ({each:.1f} a node), {figures.cores:.2f} cores;"
        f" {figures.sent_bytes / _MB:.2f} MB sent, {figures.received_bytes / _MB:.2f} received"
    )
