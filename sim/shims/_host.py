"""The VM's end of the host channel: one request, one answer; protocol in sim/channel.py.

An answer is always one whole frame of 256 bytes, so that a KeyboardInterrupt between request and
answer leaves a whole stale frame behind: the next request reads past it by its sequence number.
"""

import sys

HELLO = ord("H")
READY = ord("S")
REPL = ord("Q")
RESET = ord("R")
CUT = ord("X")
RTC = ord("T")
RTC_MEMORY = ord("M")
WATCHDOG = ord("D")
I2C = ord("I")
UART = ord("U")
PIN = ord("P")
PIN_READ = ord("G")
ADC = ord("A")
WIFI = ord("W")
KEYS = ord("K")

_FRAME = 256
_HEAD = 4  # sequence number, errno, length (u16, little-endian)
_CHANNEL_FD = 3

_channel = open(_CHANNEL_FD, "r+b", 0)
_frame = bytearray(_FRAME)
_view = memoryview(_frame)
_sequence = 0


def ask(op: int, payload: bytes = b"") -> memoryview:
    """Ask the host; the answer's payload is valid until the next request. OSError as it says."""
    global _sequence
    _sequence = number = (_sequence + 1) & 0xFF
    size = len(payload)
    _channel.write(bytes((op, number, size & 0xFF, size >> 8)) + payload)
    while True:
        if not _channel.readinto(_frame):
            sys.exit(1)  # the host is gone, and with it the hardware
        if _frame[0] == number:
            break
    if _frame[1]:
        raise OSError(_frame[1])
    return _view[_HEAD : _HEAD + (_frame[2] | _frame[3] << 8)]


def halt(op: int, payload: bytes = b"") -> None:
    """Tell the host what ends this run of the chip; it ends the VM while this waits."""
    while True:
        try:
            ask(op, payload)
        except BaseException:  # noqa: S112 - nothing may happen on a chip without power
            continue
