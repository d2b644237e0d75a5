"""Plantower PMS5003, PMSA003, PMS7003 in active mode: particulate matter over a UART, 9600 8N1.

A frame is 32 bytes, big-endian: 42 4D 00 1C, then 16-bit words: PM1, PM2.5, PM10 in ug/m3 with
CF=1 (4, 6, 8) and under atmospheric conditions (10, 12, 14), counts (16-26), version (28), error
(29), sum of bytes 0-29 (30). One comes every 0.2 to 2.3 s.
"""

import asyncio
import struct

from firmware.core.errors import FrameError, PartError

FRAME_BYTES = 32
DEADLINE_MS = 4000
# A receive buffer this full may have overrun, and then holds the oldest frames, not the newest.
STALE_BYTES = 224

_POLL_MS = 50
_HEAD = b"\x42\x4d\x00\x1c"


def parse(frame: bytes) -> dict:
    """Return {stream: ug/m3} of one frame (atmospheric values); FrameError if it is not sound."""
    if len(frame) != FRAME_BYTES or frame[:4] != _HEAD:
        raise FrameError("no Plantower frame")
    if sum(frame[:30]) != frame[30] << 8 | frame[31]:
        raise FrameError("checksum")
    if frame[29]:
        raise FrameError("part reports error %d" % frame[29])
    pm1, pm25, pm10 = struct.unpack(">HHH", frame[10:16])
    return {"pm1": pm1, "pm25": pm25, "pm10": pm10}


class PMS5003:
    """The part on `uart`. `faults` counts silences and unsound frames."""

    streams = ("pm1", "pm25", "pm10")

    def __init__(self, uart) -> None:  # noqa: ANN001 - as in machine
        self._uart = uart
        self._rest = b""
        self.faults = 0

    async def read(self) -> dict:
        """Return the newest frame's values; PartError if none comes within DEADLINE_MS."""
        if self._uart.any() >= STALE_BYTES:
            self._uart.read()
            self._rest = b""
        seen = self.faults
        for _ in range(DEADLINE_MS // _POLL_MS):
            values = self.feed(self._uart.read() or b"")
            if values is not None:
                return values
            await asyncio.sleep(_POLL_MS / 1000)
        if self.faults != seen:
            raise FrameError("no sound frame")
        self.faults += 1
        raise PartError("silent")

    def feed(self, data: bytes) -> dict | None:
        """Take received bytes; return the values of the last sound frame that they complete."""
        newest = None
        rest = self._rest + data
        while True:
            start = rest.find(_HEAD[:1])
            rest = rest[start:] if start >= 0 else b""
            head = rest[:4]
            if head != _HEAD[: len(head)]:
                rest = rest[1:]  # noise between frames
            elif len(rest) < FRAME_BYTES:
                self._rest = rest
                return newest
            else:
                try:
                    newest = parse(rest[:FRAME_BYTES])
                    rest = rest[FRAME_BYTES:]
                except FrameError:
                    self.faults += 1
                    rest = rest[1:]  # cut short, perhaps: the next frame may begin inside
