"""A port that pySerial knows by a URL, as a PTY: for programs that want a device.

mpremote's `repl` waits on a file descriptor, which `socket://` and `rfc2217://` have not.
"""

import contextlib
import os
import select
import threading
import tty
from types import TracebackType
from typing import Self

import serial

from ota.field.faults import BAUD, CableError

_READ_S = 0.1
_READ_BYTES = 4096


class Bridge:
    """Carries bytes between the port at `url` and the PTY `path`; a context manager."""

    def __init__(self, url: str) -> None:
        try:
            self._port = serial.serial_for_url(url, baudrate=BAUD, timeout=_READ_S)
        except (OSError, ValueError, serial.SerialException) as error:
            raise CableError(f"{url}: {error}") from error
        self._master, self._slave = os.openpty()  # ours stays open: the PTY outlives its clients
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self.path = os.ttyname(self._slave)
        self._over = threading.Event()
        self._threads = [
            threading.Thread(target=self._carry, args=way, daemon=True)
            for way in ((self._heard, self._show), (self._typed, self._send))
        ]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Let go of both ends."""
        self._over.set()
        for thread in self._threads:
            thread.join()
        self._port.close()
        os.close(self._master)
        os.close(self._slave)

    def _carry(self, take, give) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
        try:
            while not self._over.is_set():
                data = take()
                if data and not self._over.is_set():
                    give(data)
        except (OSError, serial.SerialException):
            self._over.set()  # an end is gone: the program at the PTY falls silent

    def _heard(self) -> bytes:
        return bytes(self._port.read(max(1, self._port.in_waiting)))

    def _send(self, data: bytes) -> None:
        self._port.write(data)

    def _typed(self) -> bytes:
        ready, _, _ = select.select([self._master], [], [], _READ_S)
        return os.read(self._master, _READ_BYTES) if ready else b""

    def _show(self, data: bytes) -> None:
        with contextlib.suppress(BlockingIOError):  # nobody reads: lost, as on a wire
            os.write(self._master, data)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        _: TracebackType | None,
    ) -> None:
        self.close()
