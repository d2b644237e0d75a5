"""An SNTP server whose clock can be wrong, and that can lie (RFC 4330, sections 4 and 5)."""

import socket
import struct
import threading
import time
from collections.abc import Callable
from typing import Self

_NTP_EPOCH_S = 2_208_988_800  # 1900 to 1970
_PACKET = 48
_VERSION_CLIENT = 3
_SERVER = 4
LIES = ("stratum", "unsynchronised", "origin", "short", "mode", "zero")


class SntpServer:
    """Answers at `host` with `now()` plus `offset_s`; counts what it answered.

    `lie` makes its answers such as a client has to refuse: stratum 0 (kiss of death), leap
    indicator 3 (unsynchronised), another origin, a packet cut short, another mode, or no time.
    `silent` drops requests.
    """

    def __init__(
        self,
        *,
        now: Callable[[], float] = time.time,
        offset_s: float = 0.0,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        self.now = now
        self.offset_s = offset_s
        self.lie: str | None = None
        self.silent = False
        self.answered = 0
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((host, port))
        self.host = host
        self.port: int = self._socket.getsockname()[1]
        self._closed = False
        self._thread = threading.Thread(target=self._serve, name="sim-sntp", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop answering."""
        self._closed = True
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as waker:
            waker.sendto(b"", (self.host, self.port))
        self._thread.join(5)
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _serve(self) -> None:
        while True:
            request, peer = self._socket.recvfrom(512)
            if self._closed:
                return
            if len(request) < _PACKET or request[0] & 7 != _VERSION_CLIENT or self.silent:
                continue
            self.answered += 1
            self._socket.sendto(self.answer(request), peer)

    def answer(self, request: bytes) -> bytes:
        """Return the answer to a client's packet, true or not."""
        stamp = _stamp(self.now() + self.offset_s)
        leap, mode, stratum = 0, _SERVER, 2
        origin = request[40:48]
        if self.lie == "stratum":
            stratum = 0
        elif self.lie == "unsynchronised":
            leap = 3
        elif self.lie == "mode":
            mode = _VERSION_CLIENT
        elif self.lie == "origin":
            origin = bytes(byte ^ 0xFF for byte in origin)
        elif self.lie == "zero":
            stamp = bytes(8)
        head = struct.pack(
            ">BBbbII4s", leap << 6 | request[0] & 0x38 | mode, stratum, 6, -20, 0, 0, b"LOCL"
        )
        packet = head + stamp + origin + stamp + stamp
        return packet[:40] if self.lie == "short" else packet


def _stamp(unix_s: float) -> bytes:
    """Seconds since 1900 as u32.u32; the era ends in 2036, and wraps (RFC 4330, section 3)."""
    whole = int(unix_s // 1)
    return struct.pack(
        ">II", (whole + _NTP_EPOCH_S) & 0xFFFFFFFF, int((unix_s - whole) * 2**32) & 0xFFFFFFFF
    )
