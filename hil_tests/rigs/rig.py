"""What a test asks of a rig: a node made of a flash image, power, reset, and its console."""

from pathlib import Path
from typing import Any, Protocol

import pytest

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


class Network(Protocol):
    """A node's way to the server; what a rig cannot do skips the test, with the reason."""

    def cut(self) -> None:
        """End all connections and let none begin, until `restore`."""

    def restore(self) -> None:
        """Let everything pass."""

    def drop(self) -> None:
        """Reset the connections that are open; new ones pass."""

    def lose_wifi(self) -> None:
        """Take the access point away, and with it every packet."""

    def find_wifi(self) -> None:
        """Bring the access point back."""


class TimeServer(Protocol):
    """The only time server that a node knows."""

    def tell_truth(self) -> None:
        """Tell this machine's time."""

    def tell(self, unix_s: float) -> None:
        """Tell that it is `unix_s` now."""

    def be_silent(self) -> None:
        """Answer nothing."""


class Air(Protocol):
    """What a node's PMS5003 measures."""

    def set(self, pm1: float, pm25: float, pm10: float) -> None:
        """Hold particles at these µg/m³."""

    def release(self) -> None:
        """Let the city's weather be again."""


class Lamp(Protocol):
    """A lamp that the rig sees."""

    @property
    def dark_s(self) -> float:
        """Seconds with mains in which light was wanted and there was none."""


class HilNode(Protocol):
    """A node on the rig; power_off keeps its flash."""

    network: Network
    clock: TimeServer
    stimulus: Air
    lamp: Lamp | None
    """None where the rig cannot see it."""

    @property
    def port(self) -> str:
        """What mpremote and `lamppost node` connect to."""

    @property
    def flash_path(self) -> Path | None:
        """The file that is its flash; None where there is none (see `flash_of`)."""

    @property
    def pid(self) -> int | None:
        """The process of its machine, None without power or on a board."""

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
    """Where nodes stand. `patience`: how much longer than an emulated node all may take;
    `board`: what releases are built for (ota/boards.py).
    """

    name: str
    board: str
    nodes: dict[str, HilNode]
    """Those that the present module's tests made, by name."""
    patience: float
    window_s: int

    def node(
        self, city: City, name: str, version: str, folder: Path, flash: str = "4MB", **fields: Any
    ) -> HilNode:
        """Make a node with a release in both slots, off; `folder` is for its files.

        `fields`: of its configuration, beside those that are the rig's.
        """

    def micropython(self) -> bytes:
        """Return the official .bin that its nodes run."""

    def cpu_s(self, node: Any) -> float | None:
        """CPU seconds that a node's machine has taken since power-on, None: not known here."""


def flash_of(node: HilNode) -> Path:
    """Return the file that is a node's flash; where there is none, the test is skipped."""
    if node.flash_path is None:
        pytest.skip("the flash of this rig's nodes is no file: what lies on it cannot be read")
    return node.flash_path


class BenchError(Exception):
    """The bench file is not clear, or not true; the message says where."""


class Unavailable(Exception):  # noqa: N818 - a reason to skip, no fault
    """This machine has no such rig; the message says what is missing."""
