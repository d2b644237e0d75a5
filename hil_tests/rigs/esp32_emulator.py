"""The stock ESP32 image in a QEMU that has the chip and a Wi-Fi for it.

LAMPPOST_QEMU names the binary (a fork with the machine `esp32-picsimlab`), LAMPPOST_QEMU_BIOS its
folder of ROM images, LAMPPOST_ESP32_IMAGE an official MicroPython .bin. The node reaches this
machine's loopback as 10.0.2.2; its one access point is PICSimLabWifi, open. Its PMS5003 is the
emulated part of sim.hardware on UART 1, byte for byte; other parts are not modelled there.
"""

import os
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hil_tests.rigs.around import Air, Network, TimeServer
from hil_tests.rigs.bridge import Bridge, received, sent
from hil_tests.rigs.console import Console
from hil_tests.rigs.rig import Unavailable
from sim.city import City
from sim.clock import Clock
from sim.hardware.pms5003 import Pms5003
from sim.office import SERVER_NAME

_VARIABLES = ("LAMPPOST_QEMU", "LAMPPOST_QEMU_BIOS", "LAMPPOST_ESP32_IMAGE")
_MAC = bytes.fromhex("100100c40a24")  # the emulated chip's own
_HOST = "10.0.2.2"
_WIFI = {"ssid": "PICSimLabWifi", "password": ""}
_PARTS = {
    "air": {"driver": "pms5003", "uart": 1, "tx": 17, "rx": 16},
    "lamp": {"driver": "lamp", "pin": 25},
    "ambient": {"driver": "ambient", "pin": 34, "lux_full_scale": 2000},
}
_STREAMS = {"pm1": "air", "pm25": "air", "pm10": "air", "lamp_level": "lamp"}
# The interrupt watchdog takes a host that pauses for a third of a second for a hung chip.
_NO_TIMER_WATCHDOGS = "driver=timer.esp32.timg,property=wdt_disable,value=true"
_NO_WIFI = "the access point is part of this chip's model, and always in reach"
_FRAME_S = 1.0
_LOOK_S = 0.05
_CONNECT_S = 20


class Esp32Emulator:
    """QEMU and the stock image, as the environment names them."""

    name = "esp32-emulator"
    patience = 40.0  # flash is slow there, and on a busy machine ten times slower
    board = "esp32"
    window_s = 14

    def __init__(self) -> None:
        self.nodes: dict[str, Esp32Node] = {}
        missing = [name for name in _VARIABLES if not os.environ.get(name)]
        if missing:
            raise Unavailable(f"no ESP32 emulator: set {', '.join(missing)}")
        self._qemu, self._bios, self._image = (Path(os.environ[name]) for name in _VARIABLES)
        for path in (self._qemu, self._bios, self._image):
            if not path.exists():
                raise Unavailable(f"no ESP32 emulator: {path} does not exist")

    def micropython(self) -> bytes:
        """Return the official .bin that its nodes run."""
        return self._image.read_bytes()

    def node(
        self, city: City, name: str, version: str, folder: Path, flash: str = "4MB", **fields: Any
    ) -> "Esp32Node":
        """Make a node; its image is the official one, with our table and file systems."""
        assert city.proxy is not None, "the city must be serving"
        network, clock = Network(city.proxy.target, _NO_WIFI), TimeServer()
        wanted: dict[str, Any] = {
            "sample_s": 2,  # every second is too often for a host that is busy
            "wifi": _WIFI,
            "server": {"address": _HOST, "port": network.port, "name": SERVER_NAME},
            "time_servers": [{"host": _HOST, "port": clock.port}],
            "parts": _PARTS,
            "streams": {
                stream: {"part": part, "purpose": "air quality", "retention_days": 365}
                for stream, part in _STREAMS.items()
            },
            **fields,
        }
        image, _ = city.image(name, version, _MAC, runtime=self._image, flash=flash, **wanted)
        around = Around(network, clock, Air(city.world.at(city.place)))
        made = Esp32Node(image, self._command(image), around, folder / f"{name}.log")
        self.nodes[name] = made
        return made

    def cpu_s(self, node: "Esp32Node") -> float | None:
        """CPU seconds of the emulator since power-on: an idle chip takes next to none."""
        return node.cpu_s

    def _command(self, flash: Path) -> list[str]:
        return [
            *(str(self._qemu), "-L", str(self._bios), "-machine", "esp32-picsimlab"),
            *("-drive", f"file={flash},if=mtd,format=raw", "-nic", "user,model=esp32_wifi"),
            *("-global", _NO_TIMER_WATCHDOGS, "-display", "none", "-monitor", "none"),
        ]


class MachineConsole(Console):
    """The machine's console: nothing more comes once its process has ended."""

    def __init__(self, log: Path, gone: Callable[[], bool]) -> None:
        super().__init__(log)
        self._gone = gone

    def ended(self) -> str:
        """Say so."""
        return "the emulator ended" if self._gone() else ""


@dataclass(frozen=True)
class Around:
    """What stands around one chip."""

    network: Network
    clock: TimeServer
    air: Air


class Esp32Node:
    """One emulated chip; without power there is no process. Its lamp's pin is not modelled."""

    lamp = None

    def __init__(self, flash: Path, command: list[str], around: Around, log: Path) -> None:
        self.flash_path = flash
        self.id = (_MAC[:3] + b"\xff\xfe" + _MAC[3:]).hex()
        self.network, self.clock, self.stimulus = around.network, around.clock, around.air
        self.console = MachineConsole(log, self._ended)
        self._command = command
        self._part = Pms5003(Clock(), around.air, period_s=_FRAME_S)
        self._bridge = Bridge(self.console.show)
        self._sockets = tempfile.TemporaryDirectory(prefix="esp32-")
        self._process: subprocess.Popen[bytes] | None = None
        self._lines: list[threading.Thread] = []

    def power_on(self) -> None:
        """Start the machine: a power-on reset."""
        paths = [Path(self._sockets.name) / name for name in ("console", "uart1")]
        serial = [
            word for path in paths for word in ("-serial", f"unix:{path},server=on,wait=off")
        ]
        self._process = subprocess.Popen(
            [*self._command, *serial], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        for path, serve in zip(paths, (self._listen, self._speak), strict=True):
            thread = threading.Thread(target=serve, args=(self._process, path), daemon=True)
            thread.start()
            self._lines.append(thread)

    def power_off(self) -> None:
        """Kill the machine; flash and its journal stay as they are."""
        if self._process:
            self._process.kill()
            self._process.wait()
        self._process = None
        while self._lines:
            self._lines.pop().join()

    def press_reset(self) -> None:
        """Start it anew; the machine's own reset line hangs."""
        self.power_off()
        self.power_on()

    @property
    def port(self) -> str:
        """Where its serial port is, as pyserial writes it; the rig listens too."""
        return self._bridge.url

    @property
    def pid(self) -> int | None:
        """The machine's process; None without power."""
        return self._process.pid if self._process else None

    @property
    def cpu_s(self) -> float | None:
        """User and system time of the machine's process; None without power."""
        if self._process is None:
            return None
        words = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")

    def wait_text(self, text: str, deadline_s: float, since: int = 0) -> None:
        """Wait until the console says `text` after the mark."""
        self.console.wait_text(text, deadline_s, since)

    def close(self) -> None:
        """Switch off and forget the sockets."""
        self.power_off()
        self._sockets.cleanup()
        self._bridge.close()
        self.network.close()
        self.clock.close()

    def _ended(self) -> bool:
        return self._process is not None and self._process.poll() is not None

    def _listen(self, process: "subprocess.Popen[bytes]", path: Path) -> None:
        with _connected(process, path) as line:
            self._bridge.serve(line)

    def _speak(self, process: "subprocess.Popen[bytes]", path: Path) -> None:
        with _connected(process, path) as line:
            line.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
            line.settimeout(_LOOK_S)
            while process.poll() is None:
                sent(line, self._part.uart_read())  # what the chip does not take in time is lost
                self._part.uart_write(received(line))


def _connected(process: "subprocess.Popen[bytes]", path: Path) -> socket.socket:
    """Return a connection to a socket of the machine, which takes a moment to be there."""
    end = time.monotonic() + _CONNECT_S
    line = socket.socket(socket.AF_UNIX)
    while process.poll() is None and time.monotonic() < end:
        try:
            line.connect(str(path))
        except OSError:
            time.sleep(_LOOK_S)
        else:
            break
    return line
