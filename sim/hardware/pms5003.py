"""Plantower PMS5003 at its serial line (Plantower, "PMS5003 series data manual", V2.3).

Says a frame of 32 bytes every 2.3 s in active mode, or one per read command in passive mode;
sleeps and wakes on command. Faults are set by name on `fault`.
"""

import random
import struct

from sim.hardware.parts import Air, Time

PERIOD_S = 2.3
FAULTS = ("bad_checksum", "cut_short", "silent", "garbage")

_START = b"BM"
_COMMANDS = {
    bytes.fromhex("424de100000170"): "passive",
    bytes.fromhex("424de100010171"): "active",
    bytes.fromhex("424de200000171"): "read",
    bytes.fromhex("424de400000173"): "sleep",
    bytes.fromhex("424de400010174"): "wake",
}
_COMMAND_BYTES = 7
_BACKLOG = 8  # frames that a listener who was away still gets; older ones are gone
_FACTORY = 0.75  # atmospheric values are lower than CF=1 ones in dense air
_VERSION, _ERROR = 0x97, 0x00


class Pms5003:
    """One sensor; `period_s` is the time between frames by its clock."""

    baudrate = 9600

    def __init__(self, clock: Time, air: Air, *, period_s: float = PERIOD_S) -> None:
        self._clock = clock
        self._air = air
        self._period_s = period_s
        self._said = clock.now()
        self._heard = b""
        self._answers = b""
        self._noise = random.Random(0)  # noqa: S311 - line noise, not secrets
        self.mode = "active"
        self.asleep = False
        self.fault: str | None = None
        self.frames = 0

    def due(self) -> float | None:
        """When the next frame of active mode is complete."""
        if self.asleep or self.mode == "passive":
            return None
        return self._said + self._period_s

    def uart_read(self) -> bytes:
        """Give the frames that have become due, and answers to commands."""
        now = self._clock.now()
        said, self._answers = self._answers, b""
        if self.asleep or self.mode == "passive":
            self._said = now
            return said
        missed = int((now - self._said) / self._period_s)
        self._said += missed * self._period_s
        for back in range(min(missed, _BACKLOG) - 1, -1, -1):
            said += self._spoken(self._said - back * self._period_s)
        return said

    def uart_write(self, data: bytes) -> None:
        """Obey commands; what is none is dropped byte by byte."""
        self._heard += data
        while (at := self._heard.find(_START)) >= 0:
            word = self._heard[at : at + _COMMAND_BYTES]
            if len(word) < _COMMAND_BYTES:
                self._heard = self._heard[at:]
                return
            command = _COMMANDS.get(word)
            self._heard = self._heard[at + (_COMMAND_BYTES if command else 1) :]
            if command:
                self._obey(command)
        self._heard = self._heard[-1:] if self._heard.endswith(_START[:1]) else b""

    def _obey(self, command: str) -> None:
        now = self._clock.now()
        if command == "sleep":
            self.asleep = True
        elif command == "wake":
            self.asleep, self._said = False, now
        elif self.asleep:
            return
        elif command == "read":
            self._answers += self._spoken(now) if self.mode == "passive" else b""
        else:
            self.mode, self._said = command, now

    def _spoken(self, at: float) -> bytes:
        if self.fault == "silent":
            return b""
        self.frames += 1
        frame = self.frame(at)
        if self.fault == "bad_checksum":
            return frame[:-1] + bytes([frame[-1] ^ 0x5A])
        if self.fault == "cut_short":
            return frame[: self._noise.randrange(3, len(frame))]
        if self.fault == "garbage":
            return self._noise.randbytes(self._noise.randrange(1, 40)) + frame
        return frame

    def frame(self, at: float) -> bytes:
        """Return the frame that tells of the air at a unix time."""
        pm1, pm25, pm10 = self._air.particles(at)
        atmospheric = [_word(value) for value in (pm1, pm25, pm10)]
        factory = [_word(value if value < 30 else value / _FACTORY) for value in (pm1, pm25, pm10)]
        counts = [_word(pm25 * share) for share in (180, 52, 8.5, 0.9, 0.25)]
        counts.append(_word(max(0.0, pm10 - pm25) * 0.08))
        body = _START + struct.pack(
            ">H12HBB", 28, *factory, *atmospheric, *counts, _VERSION, _ERROR
        )
        return body + struct.pack(">H", sum(body) & 0xFFFF)


def _word(value: float) -> int:
    return max(0, min(0xFFFF, round(value)))
