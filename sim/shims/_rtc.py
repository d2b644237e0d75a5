"""The chip's RTC: an offset to the host's clock, which the host keeps over resets."""

import struct

import utime

import _host

offset_us = 0


def now_us() -> int:
    """Microseconds since 1970."""
    return utime.time_ns() // 1000 + offset_us


def set_us(value: int) -> None:
    """Set the clock and let the host remember it."""
    global offset_us
    offset_us = value - utime.time_ns() // 1000
    _host.ask(_host.RTC, struct.pack("<q", offset_us))
