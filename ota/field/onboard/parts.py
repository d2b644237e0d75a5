"""The parts of a node, read once by the slot's own drivers, with the bytes that came from them.

Put in front of a program that imports from it (ota/field/session.py).
"""

import asyncio
from binascii import hexlify

import machine

from telling import ask, read

_WATCHDOG_MS = 600_000
_READ_S = 6
_FRAME = 32


class Tap:
    """Stands between a driver and its bus, and keeps what came over it last."""

    def __init__(self, bus) -> None:  # noqa: ANN001 - as in machine
        self._bus = bus
        self.raw = None

    def __getattr__(self, name: str):  # noqa: ANN204 - whatever the bus has
        return getattr(self._bus, name)

    def readfrom_mem(self, address: int, register: int, count: int) -> bytes:
        """Read registers of an I2C part."""
        data = self._bus.readfrom_mem(address, register, count)
        self.raw = hexlify(data).decode()
        return data

    def read(self, *count: int) -> bytes | None:
        """Read what a UART has received."""
        data = self._bus.read(*count)
        if data:
            self.raw = ((self.raw or "") + hexlify(data).decode())[-2 * _FRAME :]
        return data

    def read_u16(self) -> int:
        """Read an ADC."""
        self.raw = self._bus.read_u16()
        return self.raw


def driver(part: dict) -> tuple:
    """Make a part's driver, its bus tapped: (driver, tap)."""
    kind = part["driver"]
    if kind == "pms5003":
        from firmware.drivers.pms5003 import PMS5003

        uart = machine.UART(part["uart"], baudrate=9600, tx=part["tx"], rx=part["rx"])
        tap = Tap(uart)
        return PMS5003(tap), tap
    if kind == "bme280":
        from firmware.drivers.bme280 import BME280

        pins = machine.Pin(part["scl"]), machine.Pin(part["sda"])
        tap = Tap(machine.I2C(part["i2c"], scl=pins[0], sda=pins[1]))
        return BME280(tap, part.get("address", 0x76)), tap
    if kind == "ambient":
        from firmware.drivers.ambient import Ambient

        tap = Tap(machine.ADC(machine.Pin(part["pin"]), atten=machine.ADC.ATTN_11DB))
        return Ambient(tap, part["lux_full_scale"]), tap
    raise ValueError("this version of `lamppost node` does not know the driver " + kind)


def reading(part: dict) -> dict:
    """Read a part once: its values, and the bytes that they were made of."""
    if part["driver"] == "lamp":
        return {"driver": "lamp", "values": {}, "raw": None, "fault": "", "driven": False}
    told = {"driver": part["driver"], "values": {}, "raw": None, "fault": ""}
    tap = None
    try:
        made, tap = driver(part)
        told["values"] = asyncio.run(asyncio.wait_for(made.read(), _READ_S))
    except Exception as error:
        told["fault"] = "%s: %s" % (type(error).__name__, error)
    if tap:
        told["raw"] = tap.raw
    return told


def parts() -> None:
    """Read every part of the configuration that is in force."""
    from firmware.core import config as rules

    found = None
    for path in ("/etc/config.json", "/data/config.json"):
        try:
            found = rules.parse(read(path) or b"")
            break
        except Exception:  # noqa: S112 - said elsewhere; the last valid one is in force
            continue
    for name, part in (found["parts"] if found else {}).items():
        machine.WDT(timeout=_WATCHDOG_MS)
        ask("part " + name, reading, part)
