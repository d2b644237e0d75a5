"""SNTP client packets (RFC 5905 §7.3, §14): what to ask and what to believe of an answer.

Checked in this order: length, mode, origin (is it an answer to our question?), kiss of death,
synchronisation, root distance, transmit time.
"""

import struct

from firmware.core.errors import FormatError

PACKET_BYTES = 48
COOKIE_BYTES = 8

_UNIX_EPOCH = 2208988800  # 1970-01-01 in seconds since 1900
_ERA = 1 << 32
_DISTANCE_LIMIT = 16 << 16  # MAXDISP, 16 s in NTP short format


class KissOfDeath(FormatError):  # noqa: N818 - the RFC's own name (§7.4)
    """The server wants to be left alone: `code` is DENY, RSTR, RATE or another of four letters."""

    def __init__(self, code: str) -> None:
        super().__init__("kiss of death " + code)
        self.code = code


def request(cookie: bytes) -> bytes:
    """Return a client packet; `cookie` is 8 random bytes.

    It stands where the client's transmit time may stand: the server has no use for that but to
    send it back, and a random one cannot be guessed by whoever forges answers.
    """
    return b"\x23" + bytes(39) + cookie


def answer(packet: bytes, cookie: bytes) -> int:
    """Return the server's time in unix seconds; FormatError if the packet cannot be believed."""
    if len(packet) < PACKET_BYTES:
        raise FormatError("NTP packet of %d bytes" % len(packet))
    flags, stratum = packet[0], packet[1]
    if flags & 7 != 4:
        raise FormatError("NTP mode %d, not a server's" % (flags & 7))
    if packet[24:32] != cookie:
        raise FormatError("NTP answer to another question")
    if stratum == 0:
        raise KissOfDeath("".join(chr(c) if 32 < c < 127 else "?" for c in packet[12:16]))
    if flags >> 6 == 3 or stratum > 15:
        raise FormatError("NTP server is not synchronised")
    delay, dispersion = struct.unpack("!iI", packet[4:12])
    if abs(delay) // 2 + dispersion >= _DISTANCE_LIMIT:
        raise FormatError("NTP server is too far from its source")
    seconds, fraction = struct.unpack("!II", packet[40:48])
    if seconds == 0 and fraction == 0:
        raise FormatError("NTP server sent no time")
    if not seconds & 0x80000000:
        seconds += _ERA  # era 1 begins on 2036-02-07 (§6); era 0 was over half before NTP was
    return seconds - _UNIX_EPOCH + (fraction >> 31)
