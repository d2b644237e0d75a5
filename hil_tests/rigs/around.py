"""What stands around a node on a rig: its way to the server, its time server, its air.

Each node has its own, so that what happens to one happens to no other. A rig that cannot do
something skips the test that asks for it, and says why.
"""

import time
from typing import NoReturn

import pytest

from sim.faults import Faults, Proxy
from sim.hardware.wifi import Wifi
from sim.sntp import SntpServer
from sim.world import Spot


class Network:
    """A proxy in front of the server and, where the rig has it in hand, the access point."""

    def __init__(
        self, target: tuple[str, int], no_wifi: str = "", host: str = "127.0.0.1"
    ) -> None:
        self._proxy = Proxy(target, host=host)
        self._no_wifi = no_wifi
        self.port = self._proxy.port
        self.wifi: Wifi | None = None

    def cut(self) -> None:
        """End all connections and let none begin, until `restore`."""
        self._proxy.faults.refuse = True
        self._proxy.cut()

    def restore(self) -> None:
        """Let everything pass."""
        self._proxy.faults = Faults()

    def drop(self) -> None:
        """Reset the connections that are open; new ones pass."""
        self._proxy.cut()

    def lose_wifi(self) -> None:
        """Take the access point away, and with it every packet."""
        self._access_point().in_reach = False
        self.cut()

    def find_wifi(self) -> None:
        """Bring the access point back."""
        self._access_point().in_reach = True
        self.restore()

    def close(self) -> None:
        """Give the port back."""
        self._proxy.close()

    def _access_point(self) -> Wifi:
        if self.wifi is None:
            skip(self._no_wifi)
        return self.wifi


class TimeServer:
    """The only time server that the node knows: tells the truth, a lie, or nothing."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        self._server = SntpServer(host=host)
        self.port = self._server.port

    @property
    def answered(self) -> int:
        """Requests that were answered."""
        return self._server.answered

    def tell_truth(self) -> None:
        """Tell this machine's time."""
        self._server.offset_s, self._server.silent = 0.0, False

    def tell(self, unix_s: float) -> None:
        """Tell that it is `unix_s` now."""
        self._server.offset_s, self._server.silent = unix_s - time.time(), False

    def be_silent(self) -> None:
        """Answer nothing."""
        self._server.silent = True

    def close(self) -> None:
        """Give the port back."""
        self._server.close()


class Air:
    """The air at one place, particles as told: what the node's PMS5003 measures."""

    def __init__(self, spot: Spot) -> None:
        self._spot = spot
        self._particles: tuple[float, float, float] | None = None

    def set(self, pm1: float, pm25: float, pm10: float) -> None:
        """Hold particles at these µg/m³."""
        self._particles = (pm1, pm25, pm10)

    def release(self) -> None:
        """Let the city's weather be again."""
        self._particles = None

    def particles(self, at: float) -> tuple[float, float, float]:
        """PM1, PM2.5 and PM10 in µg/m³."""
        return self._particles or self._spot.particles(at)

    def temperature(self, at: float) -> float:
        """Degrees Celsius."""
        return self._spot.temperature(at)

    def humidity(self, at: float) -> float:
        """Relative humidity in %."""
        return self._spot.humidity(at)

    def pressure(self, at: float) -> float:
        """Pascal."""
        return self._spot.pressure(at)

    def illuminance(self, at: float) -> float:
        """Lux."""
        return self._spot.illuminance(at)


def skip(why: str) -> NoReturn:
    """Skip the test that asks for what this rig cannot do."""
    pytest.skip(why)
