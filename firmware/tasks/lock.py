"""The console's lock: what is typed comes to no prompt until a technician's key has signed.

Runs where the config names keys (startup.keys; decisions/0008). A line, which any control
character ends, is answered by one of the log:

    unlock                  challenge ID NONCE: for one answer, within a minute
    answer KEY SIGNATURE    opened by NAME, and the firmware stops; or refused
    anything else           locked to NAMES

The first and the last are said once a second at most. unlock makes a desk (unlocking.py), which
is there while its challenge waits for an answer, and never during an update, whose heap has no
room for it: busy with an update.
"""

import asyncio
import select
import sys

from firmware.tasks import measuring
from firmware.tasks.loading import let_go

_LOOK_S = 0.2
_TURN_BYTES = 512  # read in one go; an ESP32 keeps 260 and drops the rest
_LINE_BYTES = 168


async def run(node) -> None:
    """Listen until somebody opens the console: KeyboardInterrupt, as Ctrl-C would."""
    lock = Lock(sys.modules["startup"].keys)
    poll = select.poll()
    poll.register(sys.stdin, select.POLLIN)
    byte = bytearray(1)
    while True:
        await asyncio.sleep(_LOOK_S)
        lock.look(node.clock.uptime_s())
        left = _TURN_BYTES
        while left and poll.poll(0) and sys.stdin.buffer.readinto(byte):
            left -= 1
            try:
                said = lock.hear(byte[0], node)
                if lock.desk and lock.desk.answer:
                    await lock.desk.judge(node)
            except Exception as error:  # no memory, no flash: whatever it is, it opens nothing
                lock.close()
                said = "refused: %s" % type(error).__name__
            if said:
                node.console.info("lock", said)


class Lock:
    """Takes what is typed, and answers it; desk: unlocking.Desk, None while nobody wants in."""

    def __init__(self, keys: dict) -> None:
        self._keys = keys
        self._line = bytearray()
        self._told_s = self._asked_s = 0
        self.desk = None

    def look(self, now_s: int) -> None:
        """Close the desk once its challenge is over; now_s: uptime."""
        if self.desk and now_s >= self.desk.until_s:
            self.close()

    def close(self) -> None:
        """Have the desk out of the heap."""
        self.desk = None
        let_go("firmware.tasks.unlocking")

    def hear(self, byte: int, node) -> str:
        """Take a byte; say what the line that it ends is to be answered with, "" for nothing.

        A line that is too long loses its end.
        """
        if byte >= 32:
            if len(self._line) < _LINE_BYTES:
                self._line.append(byte)
            return ""
        now_s = node.clock.uptime_s()
        line, self._line = self._line, bytearray()
        self.look(now_s)
        if line == b"unlock":
            return self._asked(now_s, node)
        if self.desk and line.startswith(b"answer "):
            return self.desk.hear(bytes(line))
        if now_s < self._told_s:
            return ""
        self._told_s = now_s + 1
        return "locked to " + (", ".join(sorted(self._keys)) or "nobody")

    def _asked(self, now_s: int, node) -> str:
        if now_s < self._asked_s:
            return ""
        self._asked_s = now_s + 1
        if node.errand == measuring.UPDATE:
            return "busy with an update"
        if not self.desk:
            from firmware.tasks import unlocking

            self.desk = unlocking.Desk(self._keys, node, now_s)
        return self.desk.challenge
