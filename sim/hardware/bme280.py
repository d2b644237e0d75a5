"""Bosch BME280 at its registers (Bosch Sensortec, BST-BME280-DS002, sections 4.2.2, 5.3, 5.4).

The raw values it gives are found by inverting the datasheet's compensation with the part's own
calibration constants, so that a right driver reads what the air is like, to the part's resolution.
"""

import struct
from collections.abc import Callable

from sim.hardware.parts import Air, Nack, Time

CHIP_ID = 0x60
_ID, _RESET, _CTRL_HUM, _STATUS, _CTRL_MEAS, _CONFIG, _DATA = (
    0xD0,
    0xE0,
    0xF2,
    0xF3,
    0xF4,
    0xF5,
    0xF7,
)
_RESET_WORD = 0xB6
_SKIPPED = b"\x80\x00\x00\x80\x00\x00\x80\x00"  # 5.4.7: what a skipped channel reads as
_MEASURING = 0x08
_FORCED = (1, 2)
_NORMAL = 3
_STANDBY_S = (0.0005, 0.0625, 0.125, 0.25, 0.5, 1.0, 0.01, 0.02)  # 5.4.6, t_sb
_OVERSAMPLING = (0, 1, 2, 4, 8, 16, 16, 16)

# Calibration of one real part: dig_T1…T3, dig_P1…P9, dig_H1…H6 (4.2.2, table 16).
_T = (28485, 26735, 50)
_P = (36738, -10635, 3024, 6980, -4, -7, 9900, -10230, 4285)
_H = (75, 361, 0, 328, 50, 30)


def _calibration() -> dict[int, int]:
    low = struct.pack("<HhhHhhhhhhhh", *_T, *_P) + bytes((0, _H[0]))
    high = struct.pack("<hB", _H[1], _H[2]) + bytes(
        (
            _H[3] >> 4 & 0xFF,
            (_H[3] & 0x0F) | (_H[4] & 0x0F) << 4,
            _H[4] >> 4 & 0xFF,
            _H[5] & 0xFF,
        )
    )
    return {0x88 + i: byte for i, byte in enumerate(low)} | {
        0xE1 + i: byte for i, byte in enumerate(high)
    }


def t_fine(raw: int) -> float:
    """Fine temperature of a raw value (appendix 8.1)."""
    first = (raw / 16384.0 - _T[0] / 1024.0) * _T[1]
    second = (raw / 131072.0 - _T[0] / 8192.0) ** 2 * _T[2]
    return first + second


def celsius(raw: int) -> float:
    """Temperature of a raw value."""
    return t_fine(raw) / 5120.0


def pascal(raw: int, fine: float) -> float:
    """Pressure of a raw value at a fine temperature (appendix 8.1)."""
    one = fine / 2.0 - 64000.0
    two = one * one * _P[5] / 32768.0 + one * _P[4] * 2.0
    two = two / 4.0 + _P[3] * 65536.0
    one = (_P[2] * one * one / 524288.0 + _P[1] * one) / 524288.0
    one = (1.0 + one / 32768.0) * _P[0]
    value = (1048576.0 - raw - two / 4096.0) * 6250.0 / one
    return value + (_P[8] * value * value / 2147483648.0 + value * _P[7] / 32768.0 + _P[6]) / 16.0


def percent(raw: int, fine: float) -> float:
    """Relative humidity of a raw value at a fine temperature (appendix 8.1), not yet clamped."""
    base = fine - 76800.0
    value = (raw - (_H[3] * 64.0 + _H[4] / 16384.0 * base)) * (
        _H[1] / 65536.0 * (1.0 + _H[5] / 67108864.0 * base * (1.0 + _H[2] / 67108864.0 * base))
    )
    return value * (1.0 - _H[0] * value / 524288.0)


def _inverse(value: float, of: Callable[[int], float], top: int) -> int:
    """Return the raw value in 0…top whose compensation comes nearest to `value`."""
    rising = of(top) > of(0)
    low, high = 0, top
    while low < high:
        middle = (low + high) // 2
        if (of(middle) < value) == rising:
            low = middle + 1
        else:
            high = middle
    return min((max(0, low - 1), low), key=lambda raw: abs(of(raw) - value))


class Bme280:
    """One sensor; set `fault` to "nack" and it does not answer any more."""

    def __init__(self, clock: Time, air: Air) -> None:
        self._clock = clock
        self._air = air
        self._fixed = _calibration()
        self.fault: str | None = None
        self._power_on()

    def _power_on(self) -> None:
        self._pointer = 0
        self._hum = self._hum_taken = self._meas = self._config = 0
        self._done_at = 0.0
        self._data = _SKIPPED

    def i2c_write(self, data: bytes) -> None:
        """Set the register pointer and write pairs (6.2.1: register, value, register, value…)."""
        self._answer()
        if not data:
            return
        self._pointer = data[0]
        for register, value in zip(data[0::2], data[1::2], strict=False):
            self._write(register, value)

    def i2c_read(self, n: int) -> bytes:
        """Read from the pointer on, which counts up."""
        self._answer()
        self._refresh()
        data = bytes(self._register(self._pointer + i) for i in range(n))
        self._pointer = (self._pointer + n) & 0xFF
        return data

    def _answer(self) -> None:
        if self.fault == "nack":
            raise Nack

    def _write(self, register: int, value: int) -> None:
        if register == _RESET and value == _RESET_WORD:
            self._power_on()
        elif register == _CTRL_HUM:
            self._hum = value  # 5.4.3: takes effect with the next write to ctrl_meas
        elif register == _CONFIG:
            self._config = value
        elif register == _CTRL_MEAS:
            self._meas, self._hum_taken = value, self._hum
            self._done_at = self._clock.now() + self._measure_s()

    def _register(self, register: int) -> int:
        live = {
            _ID: CHIP_ID,
            _CTRL_HUM: self._hum,
            _STATUS: _MEASURING if self._measuring() else 0,
            _CTRL_MEAS: self._meas,
            _CONFIG: self._config,
        }
        if _DATA <= register < _DATA + len(self._data):
            return self._data[register - _DATA]
        return live.get(register, self._fixed.get(register, 0))

    def _channels(self) -> tuple[int, int, int]:
        """Oversampling of temperature, pressure and humidity; 0 skips."""
        return (
            _OVERSAMPLING[self._meas >> 5],
            _OVERSAMPLING[self._meas >> 2 & 7],
            _OVERSAMPLING[self._hum_taken & 7],
        )

    def _measure_s(self) -> float:
        """Longest time of one measurement (9.1)."""
        temperature, pressure, humidity = self._channels()
        ms = 1.25 + 2.3 * temperature
        ms += 2.3 * pressure + 0.575 if pressure else 0.0
        ms += 2.3 * humidity + 0.575 if humidity else 0.0
        return ms / 1000

    def _measuring(self) -> bool:
        if self._meas & 3 == 0:
            return False
        if self._meas & 3 != _NORMAL:
            return self._clock.now() < self._done_at
        cycle = self._measure_s() + _STANDBY_S[self._config >> 5]
        began = self._done_at - self._measure_s()
        return (self._clock.now() - began) % cycle < self._measure_s()

    def _refresh(self) -> None:
        """Bring the data registers up to date with what has been measured by now."""
        now = self._clock.now()
        mode = self._meas & 3
        if mode == 0 or now < self._done_at:
            return
        at = self._done_at if mode in _FORCED else now
        self._data = self._measure(at)
        if mode in _FORCED:
            self._meas &= ~3  # 3.3.3: back to sleep

    def _measure(self, at: float) -> bytes:
        temperature, pressure, humidity = self._channels()
        raw_t = _inverse(self._air.temperature(at), celsius, 0xFFFFF)
        fine = t_fine(raw_t)
        raw_p = _inverse(self._air.pressure(at), lambda raw: pascal(raw, fine), 0xFFFFF)
        raw_h = _inverse(self._air.humidity(at), lambda raw: percent(raw, fine), 0xFFFF)
        raw_t = raw_t if temperature else 0x80000
        raw_p = raw_p if pressure and temperature else 0x80000
        raw_h = raw_h if humidity and temperature else 0x8000
        return (
            (raw_p << 4).to_bytes(3, "big")
            + (raw_t << 4).to_bytes(3, "big")
            + (raw_h.to_bytes(2, "big"))
        )
