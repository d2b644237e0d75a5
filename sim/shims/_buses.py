"""I2C and UART of the emulated chip; parts are wired to pins, as on a board."""

import io
import struct

import _host
from _gpio import number

_I2C_PINS = {0: (18, 19), 1: (25, 26)}  # scl, sda: MicroPython's defaults on the ESP32
_UART_PINS = {1: (10, 9), 2: (17, 16)}  # tx, rx
_EIO = 5
_EINVAL = 22
_ENODEV = 19
_POLL, _GET_FILENO = 3, 10
_POLL_IN, _POLL_OUT = 1, 4
_LONGEST = 240  # bytes read in one transfer: what a frame of the host channel takes

uarts = {}  # (tx, rx) -> file descriptor, from the host's word when the node starts


class SoftI2C:
    """A bus master on any two pins; a device that does not answer is OSError(ENODEV)."""

    def __init__(self, scl: object, sda: object, *, freq: int = 400_000, timeout: int = 0) -> None:
        self._pins = bytes((number(scl), number(sda)))

    def init(self, scl: object, sda: object, *, freq: int = 400_000) -> None:
        """Choose other pins."""
        self._pins = bytes((number(scl), number(sda)))

    def _transfer(self, address: int, data: bytes, count: int) -> memoryview:
        if count > _LONGEST:
            raise OSError(_EINVAL)
        return _host.ask(_host.I2C, self._pins + bytes((address, count)) + bytes(data))

    def scan(self) -> list:
        """Addresses that acknowledge, of 8 to 119."""
        found = []
        for address in range(8, 120):
            try:
                self._transfer(address, b"", 0)
            except OSError:
                continue
            found.append(address)
        return found

    def readfrom(self, address: int, count: int, stop: bool = True) -> bytes:
        """Read `count` bytes."""
        return bytes(self._transfer(address, b"", count))

    def readfrom_into(self, address: int, buffer: bytearray, stop: bool = True) -> None:
        """Fill `buffer`."""
        buffer[:] = self._transfer(address, b"", len(buffer))

    def writeto(self, address: int, data: bytes, stop: bool = True) -> int:
        """Write; give the number of acknowledged bytes."""
        self._transfer(address, data, 0)
        return len(data)

    def writevto(self, address: int, vector: list, stop: bool = True) -> int:
        """Write several buffers as one."""
        return self.writeto(address, b"".join(vector))

    def readfrom_mem(self, address: int, register: int, count: int, *, addrsize: int = 8) -> bytes:
        """Read `count` bytes from `register` on."""
        return bytes(self._transfer(address, _register(register, addrsize), count))

    def readfrom_mem_into(
        self, address: int, register: int, buffer: bytearray, *, addrsize: int = 8
    ) -> None:
        """Fill `buffer` from `register` on."""
        buffer[:] = self._transfer(address, _register(register, addrsize), len(buffer))

    def writeto_mem(self, address: int, register: int, data: bytes, *, addrsize: int = 8) -> None:
        """Write from `register` on."""
        self._transfer(address, _register(register, addrsize) + bytes(data), 0)


def _register(register: int, addrsize: int) -> bytes:
    return register.to_bytes(addrsize // 8, "big")


class I2C(SoftI2C):
    """A bus master of the chip, on its default pins unless others are given."""

    def __init__(
        self,
        id: int,
        *,
        scl: object = None,
        sda: object = None,
        freq: int = 400_000,
        timeout: int = 50_000,
    ) -> None:
        if id not in _I2C_PINS:
            raise ValueError("I2C(%d) doesn't exist" % id)
        default = _I2C_PINS[id]
        super().__init__(
            default[0] if scl is None else scl, default[1] if sda is None else sda, freq=freq
        )


class UART(io.IOBase):
    """A serial port; a stream that asyncio can wait for. Unwired pins never say anything."""

    def __init__(self, id: int, baudrate: int = 115_200, *args: int, **kwargs: int) -> None:
        if id and id not in _UART_PINS:
            raise ValueError("UART(%d) doesn't exist" % id)
        self._tx, self._rx = _UART_PINS.get(id, (1, 3))
        self._timeout_ms = 0
        self._rxbuf = 256
        self._file = None
        self.init(baudrate, *args, **kwargs)

    def init(
        self,
        baudrate: int = 115_200,
        bits: int = 8,
        parity: int | None = None,
        stop: int = 1,
        *,
        tx: object = None,
        rx: object = None,
        rxbuf: int | None = None,
        timeout: int | None = None,
        **kwargs: int,
    ) -> None:
        """Open the port with these settings."""
        self._tx = self._tx if tx is None else number(tx)
        self._rx = self._rx if rx is None else number(rx)
        self._rxbuf = max(32, rxbuf or self._rxbuf)
        self._timeout_ms = timeout or self._timeout_ms
        self._waiting = b""
        fd = uarts.get((self._tx, self._rx))
        self._file = None if fd is None else open(fd, "r+b", 0)
        _host.ask(
            _host.UART, struct.pack("<BBIH", self._tx, self._rx, baudrate, min(self._rxbuf, 65535))
        )

    def deinit(self) -> None:
        """Close the port; what arrives is lost."""
        self._file = None
        self._waiting = b""
        _host.ask(_host.UART, struct.pack("<BBIH", self._tx, self._rx, 0, 0))

    def any(self) -> int:
        """Number of bytes that can be read now."""
        if self._file:
            self._waiting += self._file.read(self._rxbuf) or b""
        return len(self._waiting)

    def _wait(self) -> int:
        import utime

        start = utime.ticks_ms()
        while not self.any() and utime.ticks_diff(utime.ticks_ms(), start) < self._timeout_ms:
            utime.sleep_ms(1)
        return len(self._waiting)

    def read(self, count: int = -1) -> bytes | None:
        """Up to `count` bytes, None when there are none within the time-out."""
        if not self._wait():
            return None
        count = len(self._waiting) if count < 0 else count
        data = self._waiting[:count]
        self._waiting = self._waiting[count:]
        return data

    def readinto(self, buffer: bytearray, count: int | None = None) -> int | None:
        """Read into `buffer`; the number of bytes, None when there are none."""
        data = self.read(len(buffer) if count is None else min(count, len(buffer)))
        if data is None:
            return None
        buffer[: len(data)] = data
        return len(data)

    def readline(self) -> bytes | None:
        """Up to and with the next newline, or all there is."""
        if not self._wait():
            return None
        end = self._waiting.find(b"\n")
        return self.read(end + 1 if end >= 0 else -1)

    def write(self, data: bytes) -> int:
        """Send; never blocks."""
        if self._file:
            self._file.write(data)
        return len(data)

    def flush(self) -> None:
        """Everything is sent at once."""

    def txdone(self) -> bool:
        """Everything is sent at once."""
        return True

    def sendbreak(self) -> None:
        """No part of ours listens for breaks."""

    def ioctl(self, request: int, argument: int) -> int:
        """Stream protocol: readiness, and the descriptor to wait on when nothing waits here."""
        if request == _POLL:
            return (_POLL_IN if argument & _POLL_IN and self.any() else 0) | argument & _POLL_OUT
        if request == _GET_FILENO and self._file and not self._waiting:
            return self._file.fileno()
        return -_EINVAL
