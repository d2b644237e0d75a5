"""A board's power: a USB hub that `uhubctl` switches, a relay on a serial port, or none.

What they say and want was read in uhubctl's source and in the relay's data sheet, and is tested
with programs and ports that do the same.
"""

import re
import shutil
import subprocess
import time
from dataclasses import dataclass
from typing import Protocol

import serial

from hil_tests.rigs.around import skip
from hil_tests.rigs.rig import BenchError

_PROGRAM_S = 30
_RELAY_BAUD = 9600
_RELAY_S = 2
_DRAINED_S = 1.0  # what capacitors keep a board alive for
_PORT = re.compile(r"^ +Port (\d+): [0-9a-f]{4}([^\[\n]*)", re.MULTILINE)


class Power(Protocol):
    """Switches one board; BenchError when what does it fails."""

    @property
    def cuts(self) -> bool:
        """Whether there is anything to switch."""

    def on(self) -> None:
        """Give power."""

    def off(self) -> None:
        """Take it away; where that cannot be done the test is skipped."""


def drain(drained_s: float = _DRAINED_S) -> None:
    """Give a board without power the time to notice."""
    time.sleep(drained_s)


def cycle(power: Power, drained_s: float = _DRAINED_S) -> None:
    """Switch off and, when the board has surely noticed, on again."""
    power.off()
    drain(drained_s)
    power.on()


@dataclass(frozen=True)
class Uhubctl:
    """Port `port` of the USB hub at `location`, as `uhubctl` lists them.

    The hub must switch its ports one by one; the board's serial port goes and comes with it.
    """

    location: str
    port: int
    cuts = True

    def on(self) -> None:
        """Give power."""
        self._switch("on")

    def off(self) -> None:
        """Take it away."""
        self._switch("off")

    def _switch(self, action: str) -> None:
        program = shutil.which("uhubctl")
        if program is None:
            raise BenchError("uhubctl: no such program on the PATH (Debian: uhubctl)")
        command = [program, "-l", self.location, "-p", str(self.port), "-a", action]
        try:
            done = subprocess.run(
                command,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=_PROGRAM_S,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise BenchError(f"{self}: no answer within {_PROGRAM_S} s") from error
        if done.returncode:
            raise BenchError(f"{self}: {_reason(done.stderr + done.stdout)}")
        states = _states(done.stdout, self.port)
        if not states:
            raise BenchError(f"{self}: the hub has no port {self.port}: {done.stdout.strip()!r}")
        if any(powered != (action == "on") for powered in states):
            raise BenchError(
                f"{self}: asked for {action}, the port did not follow: {done.stdout.strip()!r}"
            )

    def __str__(self) -> str:
        return f"uhubctl -l {self.location} -p {self.port}"


def _states(said: str, port: int) -> list[bool]:
    """Return whether a port has power now, once for each half (USB 2, USB 3) of its hub."""
    after = said.partition("New status for hub")[2]
    return [
        "power" in words.split() for number, words in _PORT.findall(after) if number == str(port)
    ]


def _reason(said: str) -> str:
    if "permission problems" in said:
        return "no permission to use USB: run it as root, or add the udev rule that it names"
    if "No compatible" in said:
        return "there is no hub that switches its ports singly; run `uhubctl` to see which are"
    return (said.strip().splitlines() or ["it did not say why"])[0]


@dataclass(frozen=True)
class Relay:
    """Channel `channel` of an LCUS relay on a serial port, between COM and NO.

    Four bytes switch it: A0, the channel, 1 or 0, and their sum; it does not answer.
    """

    port: str
    channel: int
    cuts = True

    def on(self) -> None:
        """Close the contact."""
        self._switch(1)

    def off(self) -> None:
        """Open the contact."""
        self._switch(0)

    def _switch(self, closed: int) -> None:
        frame = bytes((0xA0, self.channel, closed, (0xA0 + self.channel + closed) & 0xFF))
        try:
            with serial.serial_for_url(
                self.port, baudrate=_RELAY_BAUD, write_timeout=_RELAY_S
            ) as line:
                line.write(frame)
                line.flush()
        except (OSError, ValueError) as error:  # a SerialException is an OSError
            raise BenchError(f"relay at {self.port}: {error}") from error


@dataclass(frozen=True)
class Unswitched:
    """A board whose power nothing here switches."""

    cuts = False

    def on(self) -> None:
        """Do nothing: it has power."""

    def off(self) -> None:
        """Skip the test that wants it."""
        skip("cannot cut power: the bench file has nothing that switches this board")
