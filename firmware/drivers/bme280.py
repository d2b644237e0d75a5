"""Bosch BME280: temperature, pressure and relative humidity over I2C (BST-BME280-DS002).

Each read is one measurement in forced mode (§3.3.3), compensated with the datasheet's integer
formulas (§4.2.3, pressure with 64 bits): integers give the same value on every board, where
32-bit floats would lose a pascal.
"""

import asyncio
import struct

from firmware.core.errors import FrameError, PartError

CHIP_ID = 0x60

_POLL_MS = 5
_POLLS = 40
_UPDATING, _MEASURING = 0x01, 0x08  # bits of the status register F3


class BME280:
    """The part at `address` (0x76 or 0x77) on `i2c`. `faults` counts failed reads."""

    streams = ("temperature", "humidity", "pressure")

    def __init__(self, i2c, address: int = 0x76) -> None:  # noqa: ANN001 - as in machine
        self._i2c = i2c
        self._address = address
        self._calibration = None
        self.faults = 0

    async def read(self) -> dict:
        """Measure once: temperature in Cel, humidity in %RH, pressure in Pa."""
        try:
            if self._calibration is None:
                self._calibration = await self._start()
            return compensate(self._calibration, await self._measure())
        except OSError as error:
            self._lost()
            raise PartError("no answer: " + str(error))
        except PartError:
            self._lost()
            raise

    def _lost(self) -> None:
        self.faults += 1
        self._calibration = None  # it may come back as another specimen

    def _load(self, register: int, length: int) -> bytes:
        return self._i2c.readfrom_mem(self._address, register, length)

    def _store(self, register: int, value: int) -> None:
        self._i2c.writeto_mem(self._address, register, bytes((value,)))

    async def _wait(self, bit: int) -> None:
        for _ in range(_POLLS):
            if not self._load(0xF3, 1)[0] & bit:
                return
            await asyncio.sleep(_POLL_MS / 1000)
        raise PartError("busy for %d ms" % (_POLLS * _POLL_MS))

    async def _start(self) -> tuple:
        found = self._load(0xD0, 1)[0]
        if found != CHIP_ID:
            raise PartError("chip id %02x, not a BME280's" % found)
        self._store(0xE0, 0xB6)  # reset
        await asyncio.sleep(_POLL_MS / 1000)
        await self._wait(_UPDATING)
        return calibration(self._load(0x88, 26), self._load(0xE1, 7))

    async def _measure(self) -> bytes:
        self._store(0xF2, 0x01)  # humidity, one sample; takes effect with the next write (§5.4.3)
        self._store(0xF4, 0x25)  # temperature and pressure, one sample each, forced mode
        await asyncio.sleep(2 * _POLL_MS / 1000)  # 9.3 ms at most (§9.1)
        await self._wait(_MEASURING)
        return self._load(0xF7, 8)


def calibration(low: bytes, high: bytes) -> tuple:
    """Return T1-T3, P1-P9, H1-H6 from registers 88-A1 and E1-E7 (§4.2.2)."""
    t_and_p = struct.unpack("<HhhHhhhhhhhh", low[:24])
    h2, h3, e4, e5, e6, h6 = struct.unpack("<hBbBbb", high)
    # H4 and H5 are signed 12 bits and share E5; the high byte carries the sign.
    humidity = (low[25], h2, h3, e4 * 16 | e5 & 15, e6 * 16 | e5 >> 4, h6)
    return t_and_p + humidity


def compensate(trim: tuple, data: bytes) -> dict:
    """Return the readings of registers F7-FE; FrameError for skipped or stuck values (§5.4.7)."""
    raw_p = data[0] << 12 | data[1] << 4 | data[2] >> 4
    raw_t = data[3] << 12 | data[4] << 4 | data[5] >> 4
    raw_h = data[6] << 8 | data[7]
    if raw_p in (0, 0x80000, 0xFFFFF) or raw_t in (0, 0x80000, 0xFFFFF):
        raise FrameError("pressure or temperature was not measured")
    if raw_h in (0, 0x8000, 0xFFFF):
        raise FrameError("humidity was not measured")
    fine = _fine_temperature(trim, raw_t)
    return {
        "temperature": (fine * 5 + 128 >> 8) / 100,
        "humidity": _humidity(trim, raw_h, fine) / 1024,
        "pressure": _pressure(trim, raw_p, fine) / 256,
    }


def _fine_temperature(trim: tuple, raw: int) -> int:
    """Return t_fine: 1/5120 of a degree."""
    t1, t2, t3 = trim[:3]
    linear = ((raw >> 3) - (t1 << 1)) * t2 >> 11
    offset = (raw >> 4) - t1
    return linear + ((offset * offset >> 12) * t3 >> 14)


def _pressure(trim: tuple, raw: int, fine: int) -> int:
    """Return the pressure in 1/256 Pa."""
    p1, p2, p3, p4, p5, p6, p7, p8, p9 = trim[3:12]
    x = fine - 128000
    offset = x * x * p6 + (x * p5 << 17) + (p4 << 35)
    scale = (x * x * p3 >> 8) + (x * p2 << 12)
    scale = ((1 << 47) + scale) * p1 >> 33
    if scale == 0:
        raise FrameError("calibration is empty")
    p = ((1048576 - raw << 31) - offset) * 3125 // scale
    p += (p9 * (p >> 13) * (p >> 13) >> 25) + (p8 * p >> 19)
    return (p >> 8) + (p7 << 4)


def _humidity(trim: tuple, raw: int, fine: int) -> int:
    """Return the relative humidity in 1/1024 %."""
    h1, h2, h3, h4, h5, h6 = trim[12:]
    x = fine - 76800
    gain = ((x * h6 >> 10) * ((x * h3 >> 11) + 32768) >> 10) + 2097152
    x = ((raw << 14) - (h4 << 20) - h5 * x + 16384 >> 15) * (gain * h2 + 8192 >> 14)
    x -= ((x >> 15) * (x >> 15) >> 7) * h1 >> 4
    return min(max(x, 0), 419430400) >> 12
