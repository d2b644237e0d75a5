"""The port for MicroPython on unix: the emulated node, whose chip is a set of shims (see sim/).

Tests run it on CPython too, without a chip: there it has files, clock, memory and random numbers.
"""

import gc
import os
import time

from firmware.ports import common

try:
    import machine

    from firmware.ports import chip
except ImportError:  # no chip: a test
    machine = chip = None

try:
    from time import ticks_ms  # pyright: ignore[reportAssignmentType]
except ImportError:  # CPython

    def ticks_ms() -> int:
        """Count milliseconds."""
        return int(time.monotonic() * 1000)  # pyright: ignore[reportAttributeAccessIssue]


random = os.urandom


class Storage(common.Storage):
    """Files by absolute path."""

    def list(self, path: str) -> list:
        """Name the files in a folder, sorted."""
        if hasattr(os, "ilistdir"):
            return super().list(path)
        try:  # CPython
            found = [each.name for each in os.scandir(self._root + path) if each.is_file()]  # pyright: ignore[reportAttributeAccessIssue]
        except OSError:
            return []
        return sorted(found)


class Clock(common.Clock):
    """Over the tick counter and the emulated RTC; the host's clock where there is none."""

    def __init__(self) -> None:
        super().__init__(ticks_ms, int(time.time()), _set_rtc)


def _set_rtc(unix_s: int) -> None:
    if machine and hasattr(machine, "RTC"):
        year, month, day, hour, minute, second, weekday = time.gmtime(unix_s)[:7]
        machine.RTC().datetime((year, month, day, weekday, hour, minute, second, 0))


if chip:
    Watchdog = chip.Watchdog
    Reset = chip.Reset

    class Network(chip.Network):
        """The emulated station interface."""

        def __init__(self) -> None:
            super().__init__(random)


class Memory(common.Memory):
    """One heap, of a size given at the start: nothing to claim."""

    def claim(self, tx: int, rx: int, more: int) -> int:  # noqa: ARG002 the interface's
        """Gain nothing but the buffer."""
        self.buffer = bytearray(common.BUFFER_BYTES)
        return 0

    def figures(self) -> dict:
        """Measure the free bytes of the heap; none where the runtime does not count."""
        return {"heap_free": gc.mem_free()} if hasattr(gc, "mem_free") else {}
