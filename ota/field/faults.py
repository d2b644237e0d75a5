"""What is wrong with a port, or with what stands behind it, in words that say what to do next."""

import os
from pathlib import Path

import serial

from ota.build.errors import FieldError, printable
from ota.field.line import STARTS

BAUD = 115_200
READ_S = 0.2
GONE = " is gone: unplugged, or its power is off"
RESTLESS = (
    "the node starts over and over, and never comes to its prompt: write its whole flash anew"
    " (`lamppost node flash`), or give it another board"
)
_SAID_MAX = 120


class CableError(FieldError):
    """The port, or what is at its other end, does not do what it should."""


def unopened(port: str) -> CableError:
    """Return why a port cannot be opened."""
    if "://" not in port:
        if not Path(port).exists():
            return CableError(f"{port}: there is no such port; is the board plugged in?")
        if not os.access(port, os.R_OK | os.W_OK):
            return CableError(f"{port}: no permission; on Debian, be in the group dialout")
    try:
        serial.serial_for_url(port, baudrate=BAUD, timeout=READ_S, exclusive=True).close()
    except (OSError, ValueError) as error:  # a SerialException is an OSError
        if "lock" in str(error):
            return CableError(f"{port} is busy: another program has it open")
        return CableError(f"{port}: {error}")
    return CableError(f"{port} could not be opened; try again")


def unanswered(port: str, heard: bytes) -> CableError:
    """Return what stands behind a port that gives no prompt, as far as it told."""
    lines = [line.strip() for line in heard.decode(errors="replace").splitlines()]
    last = next((line for line in reversed(lines) if line), "")
    if not last:
        return CableError(f"{port} is silent: is the board powered, and is this its port?")
    said = printable(last)[:_SAID_MAX]
    if sum(map(heard.count, STARTS)) > 1:
        return CableError(f"{port}: {RESTLESS} (it says {said!r})")
    return CableError(
        f"{port}: no MicroPython prompt answers; the board says {said!r}. If that is no node's"
        " doing, it has another firmware or damaged files: `lamppost node image` makes a node"
    )
