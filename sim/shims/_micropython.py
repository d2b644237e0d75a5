"""The built-in `micropython`; the host hears of kbd_intr, which a byte stream begins and ends."""

import micropython
from micropython import *

import _host


def kbd_intr(char: int) -> None:
    """Have no byte interrupt what runs (-1), or Ctrl-C do so again (3)."""
    if char < 0:
        micropython.kbd_intr(char)
    _host.ask(_host.KEYS, bytes((char >= 0,)))
    if char >= 0:
        micropython.kbd_intr(char)
