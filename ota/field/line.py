"""A serial port that is read for a while and no longer, and hears a node start anew."""

import math
import time
from typing import Any

# What a chip's own boot code, or ours, says once a start.
STARTS = (b"rst:0x", b"ESP-ROM:", b"boot: slot ", b"main: release ")
_START_BYTES = max(map(len, STARTS)) - 1


class LateError(Exception):
    """The time for all of it is up; no fault of the port."""


class Line:
    """The port as mpremote reads it, which waits for ever where a node is never silent.

    What is read after `until` (of time.monotonic) is a LateError; `starts` counts what was read
    of a chip's starts.
    """

    def __init__(self, port: Any) -> None:
        self.port = port
        self._tail = b""
        self.until = math.inf
        self.starts = 0

    def read(self, size: int = 1) -> bytes:
        """Read up to `size` bytes."""
        self._check()
        data = bytes(self.port.read(size))
        text = self._tail + data
        for each in STARTS:
            self.starts += text.count(each) - self._tail.count(each)
        self._tail = text[-_START_BYTES:]
        return data

    def inWaiting(self) -> int:  # noqa: N802 - as pySerial and mpremote name it
        """Count what has come."""
        self._check()
        return int(self.port.in_waiting)

    def _check(self) -> None:
        if time.monotonic() > self.until:
            raise LateError("no prompt in time")

    def __getattr__(self, name: str) -> Any:
        return getattr(self.port, name)
