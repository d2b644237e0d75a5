"""The host channel: how a VM's shims reach the hardware that the host plays.

A stream socket (the VM's descriptor 3) carries requests one at a time; the VM waits for each
answer. Numbers are little-endian.

    request    op (u8, an ASCII letter), sequence (u8), length (u16), payload
    answer     sequence (u8), errno (u8, 0: done), length (u16), payload; padded to 256 bytes

The answer's fixed size keeps the stream whole when Ctrl-C strikes between the two: the VM skips
answers whose sequence number it does not wait for.

    H  hello        → reset cause (u8), raw REPL (u8), RTC offset in µs (i64), MAC (6 bytes),
                      number of serial lines (u8), then for each: tx, rx, descriptor (u8)
    S  ready        `/` is the flash now; boot.py is next
    Q  prompt       boot.py and main.py are done; the REPL is next
    R  reset        kind (u8: 0 hard, 1 soft, 2 deep sleep), for deep sleep ms (u32): no answer
    X  cut          the flash operation that was asked for is reached: no answer
    T  RTC          offset to the host's clock in µs (i64)
    M  RTC memory   0, offset (u16) → up to 240 bytes; 1, offset (u16), total (u16), bytes
    D  watchdog     time-out in ms (u32): (re-)arm; empty: feed
    I  I2C          scl, sda, address, bytes to read (u8 each), bytes to write → bytes read;
                    errno 19 (ENODEV) when nobody acknowledges
    U  serial line  tx, rx (u8), baud (u32; 0 closes), receive buffer (u16); its bytes travel over
                    the descriptor of hello
    P  pin          pin (u8), state (u8: 0 floating, 1 level, 2 PWM, 255 as it is), hold (u8: 0
                    off, 1 on, 2 as it is), frequency in Hz (u32), duty (u16 of 65535)
    G  pin level    pin (u8) → level (u8)
    A  ADC          pin (u8) → microvolts (u32)
    W  Wi-Fi        0 → active (u8), MicroPython's status (u16), RSSI in dBm (i8);
                    1, on (u8); 2, length of SSID (u8), SSID, password; 3 (leave)
    K  keys         whether Ctrl-C interrupts (u8); while it does not, what a program
                    from the prompt puts out is bytes, not text
"""

import socket
from collections.abc import Callable

FRAME = 256
_HEAD = 4
_READ = 65536

Handler = Callable[[str, bytes], bytes | None]
"""Takes op and payload; returns the answer's payload, None for a request that is never answered;
OSError's errno goes into the answer."""


class Channel:
    """The host's end of one VM's channel."""

    def __init__(self, end: socket.socket, handler: Handler) -> None:
        self._end = end
        self._handler = handler
        self._heard = b""

    def ready(self) -> None:
        """Read what there is and answer every whole request."""
        try:
            data = self._end.recv(_READ)
        except (BlockingIOError, ConnectionResetError):
            return
        self._heard += data
        while len(self._heard) >= _HEAD:
            size = int.from_bytes(self._heard[2:4], "little")
            if len(self._heard) < _HEAD + size:
                return
            op, number = chr(self._heard[0]), self._heard[1]
            payload = self._heard[_HEAD : _HEAD + size]
            self._heard = self._heard[_HEAD + size :]
            self._answer(op, number, payload)

    def _answer(self, op: str, number: int, payload: bytes) -> None:
        error = 0
        try:
            answer = self._handler(op, payload)
        except OSError as failed:
            error, answer = failed.errno or 5, b""
        if answer is None:
            return
        head = bytes((number, error)) + len(answer).to_bytes(2, "little")
        try:
            self._end.send((head + answer).ljust(FRAME, b"\0"))
        except (BrokenPipeError, ConnectionResetError):
            return  # the VM died meanwhile; its exit is noticed elsewhere
