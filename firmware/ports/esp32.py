"""The ESP32 port: stock MicroPython 1.27 or newer on ESP32, -C3, -S3 (see ports/__init__.py)."""

import gc
import os
import sys
import time

import esp32
import machine

from firmware.ports import chip, common

Storage = common.Storage
Watchdog = chip.Watchdog
Reset = chip.Reset
random = os.urandom

_EPOCH_S = 946684800 if time.gmtime(0)[0] == 2000 else 0


class Clock(common.Clock):
    """Over the tick counter and the RTC, which survives resets but not power cuts."""

    def __init__(self) -> None:
        super().__init__(time.ticks_ms, time.time() + _EPOCH_S, _set_rtc)


def _set_rtc(unix_s: int) -> None:
    year, month, day, hour, minute, second, weekday = time.gmtime(unix_s - _EPOCH_S)[:7]
    machine.RTC().datetime((year, month, day, weekday, hour, minute, second, 0))


class Network(chip.Network):
    """The station interface."""

    def __init__(self) -> None:
        super().__init__(random)


class Memory(common.Memory):
    """The GC heap and the IDF heap, which live off the same RAM."""

    def claim(self, tx: int, rx: int, more: int) -> int:
        """Take the heap's second segment; see ports/segment.py."""
        from firmware.ports import segment

        gained, self.buffer = segment.claim(tx, rx, common.BUFFER_BYTES, more)
        del segment
        sys.modules.pop("firmware.ports.segment")
        del sys.modules["firmware.ports"].segment  # pyright: ignore[reportAttributeAccessIssue]
        gc.collect()
        return gained

    def figures(self) -> dict:
        """Measure free bytes: the GC heap's own, the IDF heap's and its largest block."""
        while True:
            free, largest = _idf()
            both = gc.mem_free()  # it counts the largest IDF block as if it were ours
            if _idf()[1] == largest:  # no packet came or went meanwhile
                return {"heap_free": both - largest, "idf_free": free, "idf_largest": largest}


def _idf() -> tuple:
    regions = esp32.idf_heap_info(esp32.HEAP_DATA)
    return sum([r[1] for r in regions]), max([r[2] for r in regions])
