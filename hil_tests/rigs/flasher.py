"""Writes a board's flash, with the code of `lamppost node flash` (ota/field/flash.py)."""

import time
from pathlib import Path

from hil_tests.rigs.around import skip
from hil_tests.rigs.bench import Place
from hil_tests.rigs.rig import BenchError
from ota.build.errors import FieldError
from ota.field import flash

_LOOK_S = 0.1
_THERE_S = 5.0  # USB has found a board by then
_MB = 1 << 20


class Esptool:
    """esptool, on the port of one board; BenchError when it cannot, in the command's words."""

    def __init__(self, place: Place) -> None:
        self._place = place

    def chip(self) -> flash.Chip:
        """Return what is at the port; BenchError unless it is what the bench file says."""
        self._await_port()
        try:
            found = flash.detect(self._place.port)
            flash.check(found, self._place.board, 0, self._place.port)
        except FieldError as error:
            raise BenchError(f"board {self._place.name}: {error.message}") from error
        return found

    def write(self, image: Path) -> None:
        """Erase, write and verify; the board then starts."""
        self._await_port()
        place = self._place
        try:
            flash.write(place.port, image, place.board, place.baud, lambda _: None)
        except FieldError as error:
            raise BenchError(f"board {place.name}: {error.message}") from error

    def _await_port(self) -> None:
        """Give a device that has just got power the time to be found."""
        port, end = self._place.port, time.monotonic() + _THERE_S
        while not is_there(port):
            if time.monotonic() > end:
                raise BenchError(f"board {self._place.name}: {port}: there is no such port")
            time.sleep(_LOOK_S)


def is_there(port: str) -> bool:
    """Say whether a port is there now; of one on a network nobody knows."""
    return "://" in port or Path(port).exists()


def require_flash(chip: flash.Chip, wanted: str, place: Place) -> None:
    """Skip the test that wants more flash than the board has; `wanted` as "4MB"."""
    size = int(wanted.removesuffix("MB")) * _MB
    if chip.flash and chip.flash < size:
        skip(f"board {place.name} has {chip.flash // _MB} MB of flash, not {wanted}")
