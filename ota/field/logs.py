"""A running node's console, followed without stopping it.

Nothing is written to the port, and its control lines are left as opening it has them: the kernel
raises DTR and RTS together, which the usual reset circuit of a board takes for no command. Setting
them one after the other, which is what most programs do, resets it; so does their fall when the
port is closed, which is switched off.
"""

import contextlib
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import serial

from ota.build.errors import printable
from ota.field import faults
from ota.field.faults import BAUD, GONE, READ_S, CableError

try:
    import termios
except ImportError:  # Windows, where closing a port moves nothing
    termios = None  # type: ignore[assignment]

LEVELS = ("info", "warn", "error")
_LOOK_S = 0.5
_LINE_MAX = 2000
_LINE = re.compile(r"\[ *(\d{1,9}\.\d{3})\] (info|warn|error) +([^:]{1,40}): (.*)")
# The chip's own words, of ESP-IDF and its boot loader.
_IDF = re.compile(r"([EWIDV]) \((\d+)\) ([^:]{1,40}): (.*)")
_IDF_LEVELS = {"E": "error", "W": "warn"}
_BAD = ("Traceback (most recent call last)", "Guru Meditation Error", "Brownout detector")
_FAULTS = (OSError, ValueError)  # a SerialException is an OSError


@dataclass(frozen=True)
class Line:
    """One line: when it came (unix s by this machine), level of LEVELS, its text printable.

    uptime_s: s since the node's start, task: who speaks; None where the firmware did not say it.
    """

    at: float
    level: str
    text: str
    task: str | None = None
    uptime_s: float | None = None

    def told(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {
            "time": _iso(self.at),
            "uptime_s": self.uptime_s,
            "level": self.level,
            "task": self.task,
            "text": self.text,
        }

    def shown(self, *, since_boot: bool = False) -> str:
        """Return it for people: time of day here, or since the node's start."""
        when = datetime.fromtimestamp(self.at).astimezone().strftime("%H:%M:%S.%f")[:-3]
        if since_boot:
            when = "" if self.uptime_s is None else f"{self.uptime_s:.3f}"
        who = f"{self.task}: " if self.task else ""
        return f"{when:>12} {self.level:<5} {who}{self.text}"


class Reader:
    """Makes lines of what comes in, piece by piece.

    What is in no known form has the level of the line before: a traceback goes on with its error.
    """

    def __init__(self) -> None:
        self._rest = b""
        self._at = 0.0
        self._level = "info"

    def feed(self, data: bytes, at: float) -> Iterator[Line]:
        """Take bytes that came at `at`; yield the lines that they complete."""
        if not self._rest:
            self._at = at
        *whole, rest = (self._rest + data).split(b"\n")
        self._rest = rest
        for each in whole:
            yield from self._line(each)
            self._at = at
        if len(self._rest) > _LINE_MAX:
            yield from self.flush()

    def flush(self) -> Iterator[Line]:
        """Yield what is there of a line that will not be finished."""
        rest, self._rest = self._rest, b""
        if rest:
            yield from self._line(rest)

    def _line(self, data: bytes) -> Iterator[Line]:
        text = printable(data.decode(errors="replace").strip("\r").replace("\t", " "))
        if not text.strip():
            return
        for at in range(0, len(text), _LINE_MAX):
            yield self._judged(text[at : at + _LINE_MAX])

    def _judged(self, text: str) -> Line:
        if found := _LINE.fullmatch(text):
            self._level = found[2]
            return Line(self._at, found[2], found[4], found[3], float(found[1]))
        if found := _IDF.fullmatch(text):
            self._level = _IDF_LEVELS.get(found[1], "info")
            return Line(self._at, self._level, found[4], found[3])
        if any(each in text for each in _BAD):
            self._level = "error"
        elif text.startswith(("rst:", "ets ", "ESP-ROM:", "MPY: soft reboot")):
            self._level = "info"
        return Line(self._at, self._level, text)


def follow(port: str) -> Iterator[Line]:
    """Yield the lines of a node's console as they come, until the port goes away: CableError."""
    reader = Reader()
    with contextlib.closing(listening(port)) as source:
        while True:
            try:
                data = source.read(max(1, source.in_waiting))
            except (*_FAULTS, TypeError) as error:  # TypeError: pySerial of a port just closed
                yield from reader.flush()
                raise CableError(f"{port}{GONE}") from error
            if data:
                yield from reader.feed(data, time.time())


def await_port(port: str) -> None:
    """Wait until a port can be opened again."""
    while True:
        time.sleep(_LOOK_S)
        try:
            listening(port).close()
        except CableError:
            continue
        return


def listening(port: str) -> Any:
    """Open a port for listening; CableError says why it cannot be."""
    try:
        opened = serial.serial_for_url(port, baudrate=BAUD, timeout=READ_S, exclusive=True)
    except _FAULTS as error:
        raise faults.unopened(port) from error
    descriptor = getattr(opened, "fd", None)  # a URL has none
    if termios and isinstance(descriptor, int):
        with contextlib.suppress(termios.error):
            settings = termios.tcgetattr(descriptor)
            settings[2] &= ~termios.HUPCL
            termios.tcsetattr(descriptor, termios.TCSANOW, settings)
    return opened


def _iso(at: float) -> str:
    return (
        datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    )
