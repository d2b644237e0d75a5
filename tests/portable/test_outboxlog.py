import io
from binascii import crc32

from firmware.core.outboxlog import LINE_LIMIT_BYTES, Reader, decode, encode
from outcomes import refused

ENTRY = {"seq": 1, "t": 1760000000, "len": 600, "exp": 60, "streams": {"pm25": [1, 2.5, 2, 3]}}


def entry(seq):
    return {"seq": seq, "up": 5, "streams": {}}


def read(data, offset=0):
    reader = Reader(io.BytesIO(data), offset)
    return [each["seq"] for _, each in reader], reader.damaged


def test_an_entry_comes_back_with_its_unknown_keys():
    made = dict(ENTRY)
    made["later"] = ["x"]
    assert decode(encode(made)) == made


def test_a_line_has_these_very_bytes():
    line = encode({"seq": 7})
    assert line == b'd862189d {"seq": 7}\n'


def test_a_torn_line_is_no_entry_at_any_cut():
    line = encode(ENTRY)
    for length in range(len(line)):
        assert decode(line[:length]) is None


def test_a_flipped_bit_is_no_entry():
    line = encode(ENTRY)
    for index in range(len(line)):
        damaged = bytearray(line)
        damaged[index] ^= 0x20
        assert decode(bytes(damaged)) is None


def test_foreign_lines_are_no_entries():
    assert decode(b"\n") is None
    assert decode(b"2144df1c 0\n") is None
    for text in (b"[]", b"{}", b'{"seq": "7"}', b'{"seq": 7}', b'{"streams": {}}', b"{"):
        assert decode(_line(text)) is None
    assert decode(_line(b'{"seq": 7, "streams": {}}')) is not None


def _line(text):
    return b"%08x %s\n" % (crc32(text), text)


def test_the_reader_skips_and_counts_what_is_damaged():
    lines = [encode(entry(n)) for n in range(5)]
    lines[1] = lines[1][:12] + b"\n"
    lines[3] = lines[3].replace(b"seq", b"sEq")
    assert read(b"".join(lines)) == ([0, 2, 4], 2)
    assert read(b"") == ([], 0)


def test_a_power_cut_costs_the_last_line_only():
    data = encode(entry(1)) + encode(entry(2))[:-5]
    assert read(data) == ([1], 1)
    assert read(data + b"\n" + encode(entry(3))) == ([1, 3], 1)


def test_garbage_without_line_feeds_is_one_damaged_line():
    garbage = b"\xff" * (3 * LINE_LIMIT_BYTES)
    assert read(garbage) == ([], 1)
    assert read(garbage + b"\n" + encode(entry(9))) == ([9], 1)


def test_the_reader_goes_on_where_it_stopped():
    data = b"".join(encode(entry(n)) for n in range(4))
    reader = Reader(io.BytesIO(data))
    offsets = [offset for offset, _ in reader]
    assert reader.offset == len(data) == offsets[-1]
    assert read(data, offsets[1]) == ([2, 3], 0)


def test_an_entry_too_long_for_a_line_is_refused():
    refused(ValueError, encode, {"seq": 1, "streams": {}, "x": "x" * LINE_LIMIT_BYTES})
