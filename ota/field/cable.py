"""The cable to a node: its raw REPL, a program run there, and the lines that it prints.

mpremote's transport does the REPL; what passes while a program runs is read here. A port is a
serial device, a PTY, `socket://host:port` or `rfc2217://host:port`, as pySerial takes them.
"""

import contextlib
import io
import math
import struct
import time
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Self

import serial
from mpremote.transport import TransportError
from mpremote.transport_serial import SerialTransport

from ota.build.errors import printable
from ota.field import faults, lock
from ota.field.faults import BAUD, GONE, READ_S, CableError
from ota.field.line import LateError, Line

_TRIES = 3
_PROMPT_S = 6
_BOOT_S = 20  # of the boot code, which hashes the slot
_REACH_S = 60.0  # to come to the prompt, whatever the node does
_PROGRAM_S = 3600.0  # of a program, however much it says: an update of MicroPython takes minutes
_EOF = b"\x04"
_FRIENDLY = b">>> "
_LOOK_S = 1.0
_KNOCKS = 2  # a console's lock says once a second that it is locked
_KNOCK_S = 1.3
_STOP = b"\r\x03\x01"  # Ctrl-C, then Ctrl-A: the raw REPL
_PROMPT = b"raw REPL; CTRL-B to exit\r\n>"
_PAUSE_S = 0.5
_HEARD_BYTES = 1 << 14
_LINE_MAX = 1 << 16
# What pySerial and mpremote raise when a port fails; a short read becomes a struct.error there.
_FAULTS = (OSError, TransportError, serial.SerialException, struct.error, ValueError)


class _SilentError(CableError):
    """What was waited for has not come."""


class Cable:
    """A node's serial port, opened for this process alone; a context manager that closes it.

    key: opens a console that is locked; without one, LockedError comes of whatever needs it.
    """

    def __init__(self, port: str, key: lock.Technician | None = None) -> None:
        self.port = port
        self._key = key
        self._met = False
        try:
            self._transport: Any = SerialTransport(port, baudrate=BAUD, timeout=READ_S)
        except _FAULTS as error:
            raise faults.unopened(port) from error
        self._line = self._transport.serial = Line(self._transport.serial)
        self._read = b""

    def catch(self, wait_s: float) -> None:
        """Interrupt what runs, over and over, until MicroPython answers: it may be rebooting.

        CableError tells what the port said instead.
        """
        until = time.monotonic() + wait_s
        heard = b""
        try:
            while _PROMPT not in heard:
                if time.monotonic() > until:
                    raise faults.unanswered(self.port, heard)
                self._transport.serial.write(_STOP)
                pause = time.monotonic() + _PAUSE_S
                while time.monotonic() < pause and _PROMPT not in heard:
                    heard = (heard + self._more())[-_HEARD_BYTES:]
                    if self._opened(heard):
                        heard = b""
                        break
            self._met = True
            while self._more() and time.monotonic() < until:
                pass  # what was typed too often has been answered
        except _FAULTS as error:
            raise CableError(f"{self.port}{GONE}") from error

    def run(self, program: str, *, fresh: bool = True) -> None:
        """Stop what runs on the node, start it softly, and have it run `program`.

        fresh: False leaves out the start; what an earlier program defined is still there.
        """
        fault: BaseException | None = None
        self._read, self._line.starts = b"", 0
        self._line.until = time.monotonic() + _REACH_S
        try:
            for _ in range(_TRIES):
                try:
                    self._begin(program, fresh)
                except (LateError, *_FAULTS) as error:
                    fault, self._met = error, False
                else:
                    return
        finally:
            self._line.until = math.inf
        raise CableError(self._unreached(fault)) from fault

    def _begin(self, program: str, fresh: bool) -> None:
        if not self._met:
            self.unlock(_STOP, _PROMPT)
            self._met = True
        with contextlib.redirect_stdout(io.StringIO()):  # mpremote prints what it read
            self._transport.enter_raw_repl(soft_reset=False, timeout_overall=_PROMPT_S)
            if fresh:
                self._transport.enter_raw_repl(timeout_overall=_BOOT_S)
            self._transport.exec_raw_no_follow(program)

    def _unreached(self, fault: BaseException | None) -> str:
        if self._line.starts > 1:
            return f"{self.port}: {faults.RESTLESS}"
        if isinstance(fault, OSError):
            return f"{self.port}{GONE}"
        return (
            f"{self.port}: no MicroPython prompt answers ({fault}): is the node powered, and is"
            " this its port?"
        )

    def unlock(self, knock: bytes = b"\r", mark: bytes = _FRIENDLY) -> str | None:
        """Open the console if it is locked; return whose key did, None when it is not.

        knock: what is typed to hear of it; mark: what is heard only of an open one. A firmware
        that runs, and is not locked, is not disturbed by a mere end of line.
        """
        heard, began, starts = b"", time.monotonic(), self._line.starts
        wait_s = _KNOCKS * _KNOCK_S
        try:
            while time.monotonic() < began + wait_s:
                self._transport.serial.write(knock)
                until = time.monotonic() + _KNOCK_S
                while time.monotonic() < until:
                    heard += self._more()
                    if mark in heard:
                        return None
                    if name := self._opened(heard):
                        return name
                if self._line.starts > starts:
                    wait_s = _BOOT_S  # its lock is there once its tasks are
        except _FAULTS as error:
            raise CableError(f"{self.port}{GONE}") from error
        return None

    def _opened(self, heard: bytes) -> str | None:
        """Open the console if what was heard says that it is locked."""
        whose = lock.names(heard)
        if whose is None:
            return None
        line = lock.Line(self.port, self._transport.serial.write, self._more)
        return lock.unlock(line, whose, self._key)

    def at_prompt(self) -> bool:
        """Say whether MicroPython waits for input; a program that runs is not disturbed."""
        self.send(b"\r\x02")  # Ctrl-B: out of the raw prompt, if it is that one
        until = time.monotonic() + _LOOK_S
        heard = b""
        while _FRIENDLY not in heard and time.monotonic() < until:
            heard += self._more()
        return _FRIENDLY in heard

    def lines(self, silence_s: float) -> Iterator[str]:
        """Yield the lines that the node prints, until its program ends; then what it complained.

        CableError when the program says nothing for `silence_s` (its words begin with "@"; what
        else comes is no sign of it), when the node starts anew meanwhile, or the port is gone.
        """
        self._line.starts = 0
        last = time.monotonic() + _PROGRAM_S
        until = time.monotonic() + silence_s
        while True:
            line, mark = self._until((b"\n", _EOF), until)
            if line.startswith(b"@"):
                until = min(time.monotonic() + silence_s, last)
            elif self._line.starts:
                raise CableError(f"{self.port}: the node started anew in the middle; try again")
            yield line.decode(errors="replace").rstrip("\r")
            if mark == _EOF:
                break
        complaint, _ = self._until((_EOF,), until)
        yield from complaint.decode(errors="replace").splitlines()

    def console(self, wait_s: float) -> Iterator[str]:
        """Yield the lines that a running firmware prints, printable, for `wait_s`."""
        until = time.monotonic() + wait_s
        with contextlib.suppress(_SilentError):
            while True:
                line, _ = self._until((b"\n",), until)
                yield printable(line.decode(errors="replace").rstrip("\r"))

    def send(self, line: bytes) -> None:
        """Type a line."""
        try:
            self._transport.serial.write(line + b"\n")
        except _FAULTS as error:
            raise CableError(f"{self.port}{GONE}") from error

    def close(self) -> None:
        """Give the port back."""
        self._transport.serial = self._line.port  # whose control lines fall in an order: no reset
        with contextlib.suppress(*_FAULTS):
            self._transport.close()

    def _until(self, marks: tuple[bytes, ...], until: float) -> tuple[bytes, bytes]:
        """Return what comes, until then, before the first of the marks, and that mark."""
        while True:
            found = [(at, mark) for mark in marks if (at := self._read.find(mark)) >= 0]
            if found:
                at, mark = min(found)
                line, self._read = self._read[:at], self._read[at + 1 :]
                return line, mark
            if len(self._read) > _LINE_MAX or time.monotonic() > until:
                raise _SilentError(
                    f"{self.port}: the node has fallen silent, or says no end: try again"
                )
            self._read += self._more()

    def _more(self) -> bytes:
        try:
            return self._line.read(max(1, self._line.inWaiting()))
        except _FAULTS as error:
            raise CableError(f"{self.port}{GONE}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        _: TracebackType | None,
    ) -> None:
        self.close()
