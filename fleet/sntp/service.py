"""SNTP answers (RFC 4330, RFC 5905 §7.3) with this machine's clock, over UDP.

One request, one answer of the same 48 bytes: nothing here amplifies. What is not a client request
is not answered.
"""

import asyncio
import struct
import time
from collections.abc import Callable
from typing import Any, cast

_ERA = 2_208_988_800  # seconds from 1900-01-01 to 1970-01-01
_LENGTH = 48
_CLIENT = 3
_SERVER = 4
_STRATUM = 2
_PRECISION = -20  # about a microsecond, as a power of two
_DISPERSION = 0x0000_0A00  # 40 ms, 16.16 seconds: this machine's own synchronisation is unknown
_REFERENCE = b"\x7f\x00\x00\x01"


def timestamp(unix_s: float) -> bytes:
    """Return an NTP timestamp: 32 bits of seconds (modulo the era), 32 of fraction."""
    whole = int(unix_s)
    fraction = int((unix_s - whole) * 2**32)
    return struct.pack(">II", (whole + _ERA) % 2**32, fraction)


def answer(request: bytes, received: float, now: float) -> bytes | None:
    """Return the answer to *request*, or None when it deserves none. Times in unix seconds."""
    if len(request) < _LENGTH:
        return None
    version = request[0] >> 3 & 7
    if request[0] & 7 != _CLIENT or not 1 <= version <= 4:
        return None
    head = struct.pack(
        ">BBbbII4s",
        version << 3 | _SERVER,
        _STRATUM,
        max(4, min(17, request[2])),
        _PRECISION,
        0,
        _DISPERSION,
        _REFERENCE,
    )
    originate = request[40:48]
    return head + timestamp(received) + originate + timestamp(received) + timestamp(now)


class Responder(asyncio.DatagramProtocol):
    """Answers on one socket. *clock*: unix seconds."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way to answer."""
        # asyncio's own selector transport is no DatagramTransport by type, only by behaviour.
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        """Answer one request."""
        received = self._clock()
        reply = answer(data, received, self._clock())
        if reply is not None and self._transport is not None:
            self._transport.sendto(reply, addr)
