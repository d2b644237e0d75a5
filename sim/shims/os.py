"""The built-in `os`, with what a board's has and the unix port's lacks."""

from uos import *


def sync() -> None:
    """Nothing to do: the flash file takes every block at once, as the chip does."""


def uname() -> tuple:
    """Name the system as a board does; ampy and people ask for it."""
    return ("esp32", "esp32", "1.28.0", "emulated", "Lamppost emulated ESP32")


def dupterm(stream: object, index: int = 0) -> None:
    """No second terminal here."""
