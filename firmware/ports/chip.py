"""What both ports do through `machine` and `network`: the chip's own, or the emulated node's."""

import asyncio

import machine
import network

from firmware.ports import common

_CABLE_MS = 600_000
_CAUSES = (
    ("HARD_RESET", "hard"),
    ("WDT_RESET", "watchdog"),
    ("DEEPSLEEP_RESET", "deep_sleep"),
    ("SOFT_RESET", "soft"),
)


class Network:
    """The station interface."""

    def __init__(self, random) -> None:
        self._wlan = network.WLAN(network.WLAN.IF_STA)
        self._names = common.Names(random)
        self.udp = common.udp

    def start(self) -> None:
        """Switch the radio on."""
        self._wlan.active(True)

    async def up(self, config: dict, timeout_s: int = 20) -> bool:
        """Join the access point of the config."""
        if self._wlan.isconnected():
            return True
        wifi = config["wifi"]
        self.start()
        self._wlan.disconnect()
        self._wlan.connect(wifi["ssid"], wifi.get("password") or None)
        for _ in range(timeout_s * 5):
            if self._wlan.isconnected():
                return True
            await asyncio.sleep(0.2)
        return False

    @property
    def is_up(self) -> bool:
        """Say whether the station has joined and has an address."""
        return self._wlan.isconnected()

    @property
    def mac(self) -> bytes:
        """Give the station's MAC address."""
        return self._wlan.config("mac")

    @property
    def rssi(self) -> int | None:
        """Measure the access point's signal in dBm."""
        try:
            return self._wlan.status("rssi")
        except (OSError, ValueError):
            return None

    async def resolve(self, host: str) -> str:
        """Look a host name up."""
        return await self._names.resolve(host, self._wlan.ifconfig()[3])


class Watchdog:
    """The hardware watchdog; it panics the chip, and cannot be switched off."""

    def __init__(self, timeout_ms: int) -> None:
        self._wdt = machine.WDT(timeout=timeout_ms)

    def feed(self) -> None:
        """Prove life."""
        self._wdt.feed()

    def relax(self) -> None:
        """Give a session on the cable ten minutes."""
        self._wdt = machine.WDT(timeout=_CABLE_MS)


class Reset:
    """Why the chip started, and how it starts again."""

    def cause(self) -> str:
        """Name the reset cause; a brown-out reads as power_on, a panic as hard."""
        found = machine.reset_cause()
        for name, word in _CAUSES:
            if getattr(machine, name, None) == found:
                return word
        return "power_on"

    def reset(self) -> None:
        """Reset the chip."""
        machine.reset()
