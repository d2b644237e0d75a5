"""A board on a cable, as the bench file describes it.

A node's image is written at the first `power_on`: until then it is a file that may be changed. No
real board has been seen by this rig yet: it is tested with an emulated node behind the port, and
programs that print and do what esptool and uhubctl do (tests/journeys/test_hil_board.py).
"""

from pathlib import Path
from typing import Any

from hil_tests.rigs import power
from hil_tests.rigs.around import Network, TimeServer, skip
from hil_tests.rigs.bench import Place
from hil_tests.rigs.console import NoLines, SerialConsole
from hil_tests.rigs.flasher import Esptool, is_there, require_flash
from hil_tests.rigs.rig import BenchError
from ota.field.flash import Chip
from sim.city import City
from sim.office import SERVER_NAME

_NO_WIFI = "the access point of the bench is not in this machine's hand"


class BoardRig:
    """One board of the bench; it stands for one node after the other."""

    name = "board"
    window_s = 14

    def __init__(self, place: Place) -> None:
        self._place = place
        self._flasher = Esptool(place)
        self._node: BoardNode | None = None
        self.nodes: dict[str, BoardNode] = {}
        self.patience = place.patience
        self.board = place.board.name

    def micropython(self) -> bytes:
        """Return the official .bin that the bench file names."""
        return self._place.image.read_bytes()

    def node(
        self, city: City, name: str, version: str, folder: Path, flash: str = "4MB", **fields: Any
    ) -> "BoardNode":
        """Make the board's next node; what was on it is gone once that is switched on."""
        assert city.proxy is not None, "the city must be serving"
        place = self._place
        if self._node and not self._node.closed:
            skip(f"one board stands here ({place.name}), this test wants another")
        place.power.on()
        chip = self._flasher.chip()
        require_flash(chip, flash, place)
        network = Network(city.proxy.target, _NO_WIFI, place.host)
        clock = TimeServer(place.host)
        wanted: dict[str, Any] = {
            "wifi": dict(place.wifi),
            "server": {"address": place.host, "port": network.port, "name": SERVER_NAME},
            "time_servers": [{"host": place.host, "port": clock.port}],
            **place.config,
            **fields,
        }
        mac = bytes.fromhex(chip.mac.replace(":", ""))
        image, _ = city.image(name, version, mac, runtime=place.image, flash=flash, **wanted)
        console = SerialConsole(place.port, folder / f"{name}.log")
        made = BoardNode(place, chip, self._flasher, image, console, network, clock)
        self.nodes[name] = self._node = made
        return made

    def cpu_s(self, node: "BoardNode") -> None:
        """Say nothing: a chip does not tell."""


class RealAir:
    """What a real sensor breathes: nobody's to decide."""

    def set(self, pm1: float, pm25: float, pm10: float) -> None:  # noqa: ARG002 - as in Air
        """Skip the test that wants it to be otherwise."""
        skip("the air at a board is what it is")

    def release(self) -> None:
        """Do nothing."""


class BoardNode:
    """The node that the board is from its first `power_on` to `close`."""

    lamp = None
    pid = None

    def __init__(
        self,
        place: Place,
        chip: Chip,
        flasher: Esptool,
        image: Path,
        console: SerialConsole,
        network: Network,
        clock: TimeServer,
    ) -> None:
        self.id = chip.id
        self.console = console
        self.port = console.url
        self.network, self.clock, self.stimulus = network, clock, RealAir()
        self.closed = False
        self._place = place
        self._flasher = flasher
        self._image: Path | None = image
        self._on = False

    @property
    def flash_path(self) -> Path | None:
        """The image, until it is written; then the flash is no file."""
        return self._image

    def power_on(self) -> None:
        """Switch it on, the first time with its image; where nothing switches it: reset it."""
        if self._on:
            return
        if self._image:
            self._flasher.write(self._image)
            self._image = None
            if self._place.power.cuts:
                self._place.power.off()  # it has started by itself, unheard
                power.drain()
        self.console.open()
        self._on = True
        if is_there(self._place.port):
            self.console.await_port()  # to hear it from its first word on
        if self._place.power.cuts:
            self._place.power.on()
            return
        try:
            self.console.reset()
        except NoLines as error:
            raise BenchError(
                f"board {self._place.name}: nothing here starts it: {error}"
            ) from error

    def power_off(self) -> None:
        """Cut its power; a test of a board without a switch is skipped."""
        self._place.power.off()
        self._on = False

    def press_reset(self) -> None:
        """Reset it by its port's control lines; where there are none, by its power."""
        try:
            self.console.reset()
        except NoLines:
            power.cycle(self._place.power)

    def wait_text(self, text: str, deadline_s: float, since: int = 0) -> None:
        """Wait until the console says `text` after the mark."""
        self.console.wait_text(text, deadline_s, since)

    def close(self) -> None:
        """Let go of the port; switched off where that can be done."""
        if self.closed:
            return
        self.closed = True
        self.console.close()
        if self._place.power.cuts:
            self._place.power.off()
        self.network.close()
        self.clock.close()
