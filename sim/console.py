"""A node's serial port: a PTY that outlives the VM, and the log of all that came over it.

mpremote, ampy and people connect to `path`. While nobody is connected output goes to the log
alone; a client that stops reading loses output after a second, as on a wire.
"""

import contextlib
import errno
import os
import re
import select
import termios
import time
import tty
from collections.abc import Callable
from pathlib import Path

from sim.loop import Loop, Timer

RAW = b"raw REPL; CTRL-B to exit\r\n"
SOFT_REBOOT = b"MPY: soft reboot\r\n"
_FRIENDLY = b'Type "help()" for more information.\r\n'
_BANNER = b"MicroPython "
_READ = 65536
HISTORY_BYTES = 1 << 20
_WAITING_BYTES = 1 << 16
_RETRY_S = 0.002
_PATIENCE_S = 1.0
_LOOK_S = 0.05
_LONE_NEWLINE = re.compile(rb"(?<!\r)\n")


class Console:
    """The outer end; `typed` gets what comes in, `choke(True)` asks the VM for a pause.

    The latest `history_bytes` of output are kept in memory (up to twice as many, at times).
    """

    def __init__(
        self,
        loop: Loop,
        log: Path | None,
        typed: Callable[[bytes], None],
        choke: Callable[[bool], None],
        history_bytes: int = HISTORY_BYTES,
    ) -> None:
        self._loop = loop
        self._typed = typed
        self._choke = choke
        self._history_bytes = history_bytes
        self._log = log.open("ab", buffering=0) if log else None
        self._master, slave = os.openpty()
        tty.setraw(slave)
        self.path = os.ttyname(slave)
        os.close(slave)
        os.set_blocking(self._master, False)
        self._look = select.poll()
        self._look.register(self._master, 0)
        self._text = bytearray()
        self._dropped = 0
        self._last = b""
        self._held: bytes | None = None
        self._waiting = b""
        self._since = 0.0
        self._retry: Timer | None = None
        self._connected = False
        self._closed = False
        self.raw = False
        self.bytes_only = False
        self._expected: list[tuple[bytes, int, Callable[[], None]]] = []
        self._watch()

    @property
    def text(self) -> str:
        """The latest output as text."""
        return self._text.decode(errors="replace")

    @property
    def connected(self) -> bool:
        """Somebody has the port open."""
        return self._connected

    @property
    def length(self) -> int:
        """Bytes of output ever; `since` takes such a mark."""
        return self._dropped + len(self._text)

    def since(self, mark: int) -> str:
        """Return the output after `mark` (an earlier `length`)."""
        return self._text[max(0, mark - self._dropped) :].decode(errors="replace")

    def lines(self, mark: int) -> tuple[str, int]:
        """Return the whole lines after `mark`, and the mark behind them."""
        begin = max(0, mark - self._dropped)
        end = self._text.rfind(b"\n") + 1
        if end <= begin:
            return "", mark
        return self._text[begin:end].decode(errors="replace"), self._dropped + end

    def show(self, data: bytes) -> None:
        """Take output of the VM: to the log and to whoever is connected."""
        joined = self._last + data
        raw, friendly = joined.rfind(RAW), joined.rfind(_FRIENDLY)
        if raw >= 0 or friendly >= 0:
            self.raw = raw > friendly
        self._last = joined[-len(_FRIENDLY) :]
        if self._held is None:
            self._emit(data)
            return
        self._held += data
        end = self._held.find(RAW)
        if end >= 0:
            begin = self._held.rfind(_BANNER, 0, end)
            data = self._held[: max(0, begin)] + self._held[end:]
            self._held = None
            self._emit(data)

    def once(self, text: str, call: Callable[[], None]) -> None:
        """Call, within the loop's thread, when the output from now on has shown `text`.

        Nothing that the VM asks for after its next reset comes before that.
        """
        self._expected.append((text.encode(), self.length, call))

    def expect_raw(self) -> None:
        """Hide the friendly prompt that the VM shows before it is switched to the raw one."""
        self._held = b""

    def reset(self) -> None:
        """Forget the state of the VM before: the next one starts at the friendly prompt."""
        if self._held:
            self._emit(self._held)
        self._held, self._last, self.raw = None, b"", False

    def close(self) -> None:
        """Take the port away."""
        self._closed = True
        if self._connected:
            self._loop.remove(self._master)
        os.close(self._master)
        if self._log:
            self._log.close()

    def _emit(self, data: bytes) -> None:
        if not self.bytes_only:  # as a board prints
            before = b"\r" if self._text.endswith(b"\r") else b""
            data = _LONE_NEWLINE.sub(b"\r\n", before + data)[len(before) :]
        self._text += data
        self._meet()
        if len(self._text) > 2 * self._history_bytes:
            self._dropped += len(self._text) - self._history_bytes
            del self._text[: -self._history_bytes]
        if self._log:
            self._log.write(data)
        if self._connected:
            self._waiting += data
            self._send()

    def _meet(self) -> None:
        for expected in list(self._expected):
            text, mark, call = expected
            if self._text.find(text, max(0, mark - self._dropped)) >= 0:
                self._expected.remove(expected)
                call()

    def _send(self) -> None:
        """Give the client what it takes; the rest soon, or never when it does not read."""
        if self._closed or not self._connected:
            return
        try:
            sent = os.write(self._master, self._waiting) if self._waiting else 0
        except BlockingIOError:
            sent = 0
        now = time.monotonic()
        if sent or not self._since:
            self._since = now
        self._waiting = self._waiting[sent:]
        if now - self._since > _PATIENCE_S:
            self._waiting = b""
        if not self._waiting:
            self._since = 0.0
        self._choke(len(self._waiting) > _WAITING_BYTES)
        if self._waiting and (self._retry is None or self._retry.call is None):
            self._retry = self._loop.later(_RETRY_S, self._again)

    def _again(self) -> None:
        self._retry = None
        self._send()

    def _watch(self) -> None:
        """Look whether somebody has opened the port: a PTY tells only by ceasing to hang up."""
        if self._closed:
            return
        if any(event & select.POLLHUP for _, event in self._look.poll(0)):
            self._loop.later(_LOOK_S, self._watch)
            return
        self._connected = True
        self._loop.add(self._master, self._ready)

    def _ready(self) -> None:
        try:
            data = os.read(self._master, _READ)
        except BlockingIOError:
            return
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            self._disconnect()
            return
        self._typed(data)

    def _disconnect(self) -> None:
        self._loop.remove(self._master)
        self._connected = False
        self._waiting, self._since = b"", 0.0
        with contextlib.suppress(termios.error):  # what nobody read is not for the next client
            termios.tcflush(self._master, termios.TCIOFLUSH)
        self._choke(False)
        self._watch()
