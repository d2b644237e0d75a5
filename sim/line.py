"""A serial line between a part and a chip."""

import fcntl
import socket
import struct
import termios

from sim.clock import Clock
from sim.hardware.parts import UartPart
from sim.loop import Loop, Timer

_READ = 4096


class Line:
    """One serial line: what the part says is pushed into a socket that the VM reads.

    Bytes that find no receive buffer open, or a full one, are lost as on a chip; at a wrong
    baud rate they arrive as other bytes.
    """

    def __init__(self, loop: Loop, clock: Clock, part: UartPart) -> None:
        self._loop = loop
        self._clock = clock
        self._part = part
        self._end, self.vm_end = socket.socketpair()
        self._end.setblocking(False)
        self.vm_end.setblocking(False)
        self._baud = 0
        self._room = 0
        self._timer: Timer | None = None
        loop.add(self._end.fileno(), self._spoken)
        self._schedule()

    def open(self, baud: int, room: int) -> None:
        """Let the chip listen; 0 baud: no more."""
        self._baud, self._room = baud, room
        self.drain()

    def drain(self) -> None:
        """Lose what the chip has not read."""
        try:
            while self.vm_end.recv(_READ):
                pass
        except BlockingIOError:
            return

    def close(self) -> None:
        """Let go of the line."""
        if self._timer:
            self._timer.cancel()
        self._loop.remove(self._end.fileno())
        self._end.close()
        self.vm_end.close()

    def _schedule(self) -> None:
        due = self._part.due()
        if self._timer:
            self._timer.cancel()
        self._timer = None
        if due is not None:
            self._timer = self._loop.later(self._clock.real_s(due), self._tell)

    def _tell(self) -> None:
        said = self._part.uart_read()
        if said and self._baud:
            if self._baud != self._part.baudrate:
                said = bytes(byte ^ 0xA5 for byte in said)
            waiting = struct.unpack("i", fcntl.ioctl(self.vm_end, termios.FIONREAD, b"\0" * 4))[0]
            said = said[: max(0, self._room - waiting)]
            if said:
                self._end.send(said)
        self._schedule()

    def _spoken(self) -> None:
        heard = self._end.recv(_READ)
        if heard and self._baud == self._part.baudrate:
            self._part.uart_write(heard)
            self._tell()
