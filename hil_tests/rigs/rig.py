"""What a test asks of a rig: a node made of a flash image, power, reset, and its console."""

from pathlib import Path
from typing import Any, Protocol

from sim.city import City


class Console(Protocol):
    """All that came over the serial port."""

    @property
    def text(self) -> str:
        """The text so far."""

    @property
    def length(self) -> int:
        """Its length, a mark for `since`."""

    def since(self, mark: int) -> str:
        """Return the text after a mark."""


class HilNode(Protocol):
    """A node on the rig; power_off keeps its flash."""

    @property
    def id(self) -> str:
        """EUI-64 of the MAC, 16 hex digits."""

    @property
    def console(self) -> Console:
        """Its serial port, as seen since it was made."""

    def power_on(self) -> None:
        """Switch it on."""

    def power_off(self) -> None:
        """Cut its power."""

    def press_reset(self) -> None:
        """Start it anew."""

    def wait_text(self, text: str, deadline_s: float, since: int = 0) -> None:
        """Wait until the console says `text` after the mark; DeadlineError."""

    def close(self) -> None:
        """Give everything back."""


class Rig(Protocol):
    """Where nodes stand. `patience`: how much longer than an emulated node all may take."""

    name: str
    patience: float
    window_s: int

    def node(
        self, city: City, name: str, version: str, folder: Path, flash: str = "4MB"
    ) -> HilNode:
        """Make a node with a release in both slots, off; `folder` is for its files."""

    def micropython(self) -> bytes:
        """Return the official .bin that its nodes run."""

    def cpu_s(self, node: Any) -> float | None:
        """CPU seconds that a node's machine has taken since power-on, None: not known here."""


class Unavailable(Exception):  # noqa: N818 - a reason to skip, no fault
    """This machine has no such rig; the message says what is missing."""
