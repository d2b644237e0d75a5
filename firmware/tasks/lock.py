"""The console's lock: what is typed comes to no prompt until a technician's key has signed.

Runs where the config names keys (startup.keys; decisions/0008). A line, which any control
character ends, is answered by one of the log, each kind at most once a second:

    unlock                  challenge ID NONCE: for one answer, within a minute
    answer KEY SIGNATURE    opened by NAME, and the firmware stops; or refused
    anything else           locked to NAMES

KEY: the first eight digits of the public key's x; SIGNATURE: ECDSA over P-256 with SHA-256, DER
in hex, of TEXT with ID and NONCE. Each answer doubles the wait for the next challenge, up to 64 s.
"""

import asyncio
import select
import sys
from binascii import hexlify, unhexlify
from hashlib import sha256

TEXT = b"lamppost console 1\n%s\n%s\n"
_NONCE_BYTES = 16
_CHALLENGE_S = 60
_WAIT_BITS = 6
_LOOK_S = 0.2
_TURN_BYTES = 512  # read in one go; an ESP32 keeps 260 and drops the rest
_LINE_BYTES = 168


async def run(node) -> None:
    """Listen until somebody opens the console: KeyboardInterrupt, as Ctrl-C would."""
    lock = Lock(node.id, sys.modules["startup"].keys, node.random)
    poll = select.poll()
    poll.register(sys.stdin, select.POLLIN)
    byte = bytearray(1)
    while True:
        await asyncio.sleep(_LOOK_S)
        left = _TURN_BYTES
        while left and poll.poll(0) and sys.stdin.buffer.readinto(byte):
            left -= 1
            if not lock.take(byte[0]):
                continue
            lock.said = ""
            try:
                for _ in lock.hear(node.clock.uptime_s()):
                    await asyncio.sleep(0)
            except Exception as error:  # no memory: whatever it is, it opens nothing
                lock.said = "refused: %s" % type(error).__name__
            if lock.opened:
                node.console.error("lock", lock.said)  # kept on flash, for whoever asks later
                raise KeyboardInterrupt(lock.opened)
            if lock.said:
                node.console.info("lock", lock.said)


class Lock:
    """Takes what is typed and judges it; `said` is the answer, `opened` whose key was right."""

    def __init__(self, id_: str, keys: dict, random) -> None:
        self._id = id_.encode()
        self._keys = keys
        self._random = random
        self._line = bytearray(_LINE_BYTES)
        self._size = 0
        self._nonce = b""
        self._told_s = self._asked_s = self._until_s = self._again_s = self._tries = 0
        self.said = self.opened = ""

    def take(self, byte: int) -> bool:
        """Take a byte; say whether it ends a line. A line that is too long loses its end."""
        if byte < 32:
            return True
        if self._size < _LINE_BYTES:
            self._line[self._size] = byte
            self._size += 1
        return False

    def hear(self, now_s: int):
        """Judge the line, in slices: a generator of None; now_s: uptime."""
        line = bytes(self._line[: self._size]).split(b" ")
        self._size = 0
        if self._nonce and line[0] == b"answer" and len(line) == 3:
            yield from self._judge(line[1], line[2], now_s)
        elif line[0] != b"unlock":
            if now_s >= self._told_s:
                self._told_s = now_s + 1
                self.said = "locked to " + (", ".join(sorted(self._keys)) or "nobody")
        elif now_s >= self._asked_s:
            self._asked_s = now_s + 1
            if now_s < self._again_s:
                self.said = "wait %d s" % (self._again_s - now_s)
            else:
                self._nonce = hexlify(self._random(_NONCE_BYTES))
                self._until_s = now_s + _CHALLENGE_S
                self.said = (b"challenge %s %s" % (self._id, self._nonce)).decode()

    def _judge(self, mark: bytes, signature: bytes, now_s: int):  # noqa: ANN202 - a generator
        subject = TEXT % (self._id, self._nonce)
        self._nonce = b""
        self.said = "refused"
        if now_s >= self._until_s:
            return
        self._tries = min(self._tries + 1, _WAIT_BITS)
        self._again_s = now_s + (1 << self._tries)
        for name in self._keys:
            if self._keys[name][2:10].encode() != mark:
                continue
            from ota.core import p256

            try:
                key, signature = unhexlify(self._keys[name]), unhexlify(signature)
            except ValueError:
                return
            if (yield from p256.verify(key, sha256(subject).digest(), signature)):
                self.opened = name
                self.said = "opened by " + name
                return
