"""The built-in `time`, with a wall clock that the chip's RTC keeps: unset after power-on."""

import utime
from utime import *

import _rtc


def time() -> int:
    """Whole seconds since 1970 (the epoch of the unix port) by the chip's RTC."""
    return _rtc.now_us() // 1_000_000


def time_ns() -> int:
    """Nanoseconds since 1970 by the chip's RTC."""
    return _rtc.now_us() * 1000


def gmtime(seconds: int | None = None) -> tuple:
    """Date and time of `seconds`, by default of now."""
    return utime.gmtime(time() if seconds is None else seconds)[:8]  # unix adds a ninth


localtime = gmtime
