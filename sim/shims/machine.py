"""The emulated chip: resets, watchdog, clock, pins and buses under MicroPython's names."""

import struct

import utime
from umachine import idle

import _host
import _rtc
from _buses import I2C, UART, SoftI2C
from _gpio import ADC, PWM, Pin

PWRON_RESET = 1
HARD_RESET = 2
WDT_RESET = 3
DEEPSLEEP_RESET = 4
SOFT_RESET = 5
SLEEP = 2
DEEPSLEEP = 4

_HARD, _SOFT, _SLEEPING = range(3)
_MEMORY_BYTES = 2048
_MEMORY_PIECE = 240
_EINVAL = 22

_cause = PWRON_RESET  # these two are set from the host's word when the node starts
_id = b""


def reset() -> None:
    """Reset the chip: nothing of the program runs after this."""
    _host.halt(_host.RESET, bytes((_HARD,)))


def soft_reset() -> None:
    """Leave the program; the REPL's host restarts the interpreter."""
    raise SystemExit


def deepsleep(time_ms: int = 0) -> None:
    """Sleep without memory, then reset; without a time for ever."""
    _host.halt(_host.RESET, struct.pack("<BI", _SLEEPING, time_ms))


def lightsleep(time_ms: int = 0) -> None:
    """Sleep with memory."""
    utime.sleep_ms(time_ms)


def reset_cause() -> int:
    """Why the chip started: one of the *_RESET constants."""
    return _cause


def unique_id() -> bytes:
    """The chip's id: on an ESP32 its station MAC."""
    return _id


def freq(hertz: int | None = None) -> int:
    """CPU clock; taken, and of no effect."""
    return hertz or 160_000_000


def disable_irq() -> int:
    """No interrupts here."""
    return 0


def enable_irq(state: int) -> None:
    """No interrupts here."""


class WDT:
    """The watchdog: the host's timer; it survives soft resets and cannot be switched off."""

    def __init__(self, id: int = 0, timeout: int = 5000) -> None:
        if id:
            raise ValueError("WDT(%d) doesn't exist" % id)
        if timeout <= 0:
            raise ValueError("WDT timeout too short")
        _host.ask(_host.WATCHDOG, struct.pack("<I", timeout))

    def feed(self) -> None:
        """Begin the time-out anew."""
        _host.ask(_host.WATCHDOG)


class RTC:
    """The clock that runs on over resets, and 2048 bytes beside it."""

    def __init__(self, id: int = 0) -> None:
        if id:
            raise ValueError("RTC doesn't exist")

    def datetime(self, value: tuple | None = None) -> tuple | None:
        """Get or set (year, month, day, weekday, hour, minute, second, microsecond)."""
        if value is None:
            us = _rtc.now_us()
            year, month, day, hour, minute, second, weekday = utime.gmtime(us // 1_000_000)[:7]
            return (year, month, day, weekday, hour, minute, second, us % 1_000_000)
        year, month, day, _, hour, minute, second, us = value
        at = utime.mktime((year, month, day, hour, minute, second, 0, 0))  # the VM runs in UTC
        _rtc.set_us(int(at) * 1_000_000 + us)
        return None

    def init(self, value: tuple) -> None:
        """Set, as `datetime`."""
        self.datetime(value)

    def memory(self, data: bytes | None = None) -> bytes | None:
        """Get or set what is kept over resets, lost without power; 2048 bytes at most."""
        if data is None:
            return self._read()
        if len(data) > _MEMORY_BYTES:
            raise ValueError("buffer too long")
        for at in range(0, len(data) or 1, _MEMORY_PIECE):
            head = struct.pack("<BHH", 1, at, len(data))
            _host.ask(_host.RTC_MEMORY, head + bytes(data[at : at + _MEMORY_PIECE]))
        return None

    def _read(self) -> bytes:
        data = b""
        while True:
            piece = _host.ask(_host.RTC_MEMORY, struct.pack("<BH", 0, len(data)))
            if not len(piece):
                return data
            data += piece
