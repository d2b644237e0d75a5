import struct

from firmware.core import sntp
from firmware.core.errors import FormatError
from outcomes import raised, refused

COOKIE = b"\x12\x34\x56\x78\x9a\xbc\xde\xf0"
T_2025 = 3968988800  # 1760000000 in unix seconds


def packet(
    *, flags=0x24, stratum=2, delay=0x100, code=b"GPS\0", origin=COOKIE, seconds=T_2025, frac=0
):
    head = struct.pack("!BBbbiI", flags, stratum, 6, -20, delay, 0x200) + code
    return head + bytes(8) + origin + bytes(8) + struct.pack("!II", seconds, frac)


def test_a_request_has_these_very_bytes():
    assert sntp.request(COOKIE) == b"\x23" + bytes(39) + COOKIE
    assert len(sntp.request(COOKIE)) == sntp.PACKET_BYTES


def test_an_answer_is_unix_time_rounded():
    assert sntp.answer(packet(), COOKIE) == 1760000000
    assert sntp.answer(packet(frac=0x80000000), COOKIE) == 1760000001
    assert sntp.answer(packet(flags=0x1C), COOKIE) == 1760000000
    assert sntp.answer(packet() + bytes(20), COOKIE) == 1760000000


def test_era_one_begins_in_2036():
    assert sntp.answer(packet(seconds=0xFFFFFFFF), COOKIE) == 2085978495
    assert sntp.answer(packet(seconds=0, frac=1), COOKIE) == 2085978496
    assert sntp.answer(packet(seconds=100), COOKIE) == 2085978596


def test_what_cannot_be_believed_is_refused():
    for data in (
        b"",
        packet()[:47],
        packet(flags=0x23),
        packet(flags=0x25),
        packet(flags=0xE4),
        packet(stratum=16),
        packet(origin=bytes(8)),
        packet(seconds=0, frac=0),
        packet(delay=40 << 16),
        packet(delay=-(40 << 16)),
    ):
        refused(FormatError, sntp.answer, data, COOKIE)
    refused(FormatError, sntp.answer, packet(), bytes(8))


def test_a_kiss_of_death_says_its_code():
    for code, said in ((b"RATE", "RATE"), (b"\x00\xff\nX", "???X")):
        data = packet(stratum=0, code=code)
        assert raised(sntp.KissOfDeath, sntp.answer, data, COOKIE).code == said


def test_a_forged_kiss_of_death_is_no_kiss():
    error = raised(FormatError, sntp.answer, packet(stratum=0, origin=bytes(8)), COOKIE)
    assert not isinstance(error, sntp.KissOfDeath)
