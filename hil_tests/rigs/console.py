"""What a node says on its serial port, collected; a board's port, listened to by a thread."""

import codecs
import contextlib
import socket
import threading
import time
from functools import partial
from pathlib import Path
from typing import Any

from hil_tests.rigs.bridge import Bridge
from ota.build.errors import FieldError
from ota.field import logs
from sim.errors import DeadlineError

_LOOK_S = 0.05
_READ = 4096
_AWAY_S = 0.1  # between two looks for a port that is not there
_OPEN_S = 10.0  # USB has found its devices by then
_RESET_S = 0.1
# What pySerial raises when a port goes away amid a call (a SerialException is an OSError); a
# TypeError when it is just being closed.
_GONE = (OSError, ValueError, TypeError)


class Console:
    """The text of a serial port; `log` has its bytes as they came."""

    def __init__(self, log: Path) -> None:
        self.log = log
        self._lock = threading.Lock()
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._text = ""

    def show(self, data: bytes) -> None:
        """Take what came."""
        with self._lock, self.log.open("ab") as log:
            log.write(data)
            self._text += self._decoder.decode(data).replace("\r", "")

    @property
    def text(self) -> str:
        """The text so far."""
        return self._text

    @property
    def length(self) -> int:
        """Its length."""
        return len(self._text)

    def since(self, mark: int) -> str:
        """Return the text after a mark."""
        return self._text[mark:]

    def wait_text(self, text: str, deadline_s: float, since: int = 0) -> None:
        """Wait until there is `text` after the mark; DeadlineError (a report has what it said)."""
        end = time.monotonic() + deadline_s
        while text not in self.since(since):
            if why := self.ended():
                raise DeadlineError(f"waited for {text!r}: {why}")
            if time.monotonic() > end:
                raise DeadlineError(f"waited {deadline_s:g} s for {text!r}{self.state()}")
            time.sleep(_LOOK_S)

    def ended(self) -> str:
        """Say why nothing more will come, "" while something may."""
        return ""

    def state(self) -> str:
        """Say what is to be known besides, for an error."""
        return ""


class NoLines(Exception):  # noqa: N818 - a port of another kind, no fault
    """The port has no control lines, so no reset."""


class SerialConsole(Console):
    """A serial port as pySerial names it, listened to from `open` to `close`.

    A port that goes away, as a board's USB does with its power, is looked for until it is back.
    What is said in between, and in the moment until it is found again, is lost. At `url` a client
    speaks on it while it is listened to.
    """

    def __init__(self, port: str, log: Path) -> None:
        super().__init__(log)
        self.port = port
        self._bridge = Bridge(self.show)
        self.url = self._bridge.url
        self._near, self._far = socket.socketpair()
        self._line: Any = None
        self._found = threading.Event()
        self._over = threading.Event()
        self._away = "it has not been opened"
        works = (self._listen, self._speak, partial(self._bridge.serve, self._far))
        self._threads = [threading.Thread(target=work, daemon=True) for work in works]
        self._opened = False

    def open(self) -> None:
        """Begin to listen; once is enough."""
        if not self._opened:
            self._opened = True
            for thread in self._threads:
                thread.start()

    def close(self) -> None:
        """Let go of the port for good; what was heard is kept."""
        if self._over.is_set():
            return
        self._over.set()
        self._near.shutdown(socket.SHUT_RDWR)
        if self._opened:
            for thread in self._threads:
                thread.join()
        self._bridge.close()
        self._near.close()
        self._far.close()

    def await_port(self, deadline_s: float = _OPEN_S) -> None:
        """Wait until the port is there; DeadlineError says why it is not."""
        if not self._found.wait(deadline_s):
            raise DeadlineError(f"{self.port} has not come within {deadline_s:g} s: {self._away}")

    def reset(self) -> None:
        """Pull EN low by RTS, as the reset circuit of boards has it; NoLines where there is none.

        RTS low with DTR high: EN; DTR low with RTS high: BOOT; both alike: neither.
        """
        self.await_port()
        if self.port.startswith("socket:"):
            raise NoLines(f"{self.port}: a plain socket has no control lines")
        try:
            self._line.dtr = False
            self._line.rts = True
            time.sleep(_RESET_S)
            self._line.rts = False
        except _GONE as error:
            raise NoLines(f"{self.port}: no control lines: {error}") from error

    def state(self) -> str:
        """Say so where the port is away."""
        return "" if self._found.is_set() else f"; {self.port} is away: {self._away}"

    def _listen(self) -> None:
        while not self._over.is_set():
            try:
                self._line = logs.listening(self.port)
            except FieldError as error:
                self._away = error.message
                self._over.wait(_AWAY_S)
                continue
            self._found.set()
            try:
                while not self._over.is_set():
                    if data := self._line.read(max(1, self._line.in_waiting)):
                        self._near.sendall(data)
            except _GONE as error:
                self._away = f"gone: {error}"
            finally:
                self._found.clear()
                with contextlib.suppress(*_GONE):
                    self._line.close()

    def _speak(self) -> None:
        """Pass on what a client types; what comes while the port is away is lost."""
        while typed := self._near.recv(_READ):
            if self._found.is_set():
                with contextlib.suppress(*_GONE):
                    self._line.write(typed)
