"""Hostile bytes at every door of the node: refused by the right error, never a reading."""

import struct

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from firmware.core import config, light, pki, senml, senml_decode, sntp
from firmware.core.errors import ConfigError, FormatError, FrameError
from firmware.drivers import bme280
from firmware.drivers.pms5003 import FRAME_BYTES, PMS5003, parse

HEAD = b"\x42\x4d\x00\x1c"
DEVICE = "aabbccfffeddeeff"

noise = st.one_of(
    st.binary(max_size=100),
    st.lists(st.sampled_from([b"\x42", b"\x4d", b"\x00", b"\x1c", HEAD, HEAD + bytes(9)])).map(
        b"".join
    ),
)


def frame(pm1, pm25, pm10):
    body = HEAD + struct.pack(">12H", 0, 0, 0, pm1, pm25, pm10, *[0] * 6) + b"\x97\x00"
    return body + struct.pack(">H", sum(body))


def sound(data):
    """Return the values of every sound frame that stands anywhere in `data`."""
    found = []
    for at in range(len(data) - FRAME_BYTES + 1):
        piece = data[at : at + FRAME_BYTES]
        if piece[:4] == HEAD and sum(piece[:30]) == int.from_bytes(piece[30:]) and not piece[29]:
            found.append(
                dict(zip(PMS5003.streams, struct.unpack(">3H", piece[10:16]), strict=True))
            )
    return found


@given(chunks=st.lists(noise, max_size=20))
def test_any_uart_bytes_give_only_what_a_sound_frame_says(chunks):
    part = PMS5003(None)
    values = sound(b"".join(chunks))
    for chunk in chunks:
        reading = part.feed(chunk)
        assert reading is None or reading in values
        assert len(part._rest) < FRAME_BYTES


@given(before=noise, values=st.tuples(*[st.integers(0, 65535)] * 3), after=noise)
def test_a_sound_frame_is_found_in_noise(before, values, after):
    # A head in the noise may claim the frame's first bytes; 31 bytes later it is found out.
    data = before + frame(*values) + after
    part = PMS5003(None)
    readings = [part.feed(data[at : at + 1]) for at in range(len(data))]
    readings += [part.feed(bytes(FRAME_BYTES))]
    assert dict(zip(PMS5003.streams, values, strict=True)) in readings


@given(data=st.binary(max_size=40))
def test_any_bytes_are_a_frame_or_a_frame_error(data):
    assume(data[:4] != HEAD)
    with pytest.raises(FrameError):
        parse(data)


@given(
    low=st.binary(min_size=26, max_size=26),
    high=st.binary(min_size=7, max_size=7),
    data=st.binary(min_size=8, max_size=8),
)
def test_any_registers_give_numbers_or_a_frame_error(low, high, data):
    try:
        values = bme280.compensate(bme280.calibration(low, high), data)
    except FrameError:
        return
    assert sorted(values) == sorted(bme280.BME280.streams)
    assert 0 <= values["humidity"] <= 100


@given(packet=st.binary(max_size=80), cookie=st.binary(min_size=8, max_size=8))
def test_any_datagram_is_refused(packet, cookie):
    assume(packet[24:32] != cookie)
    with pytest.raises(FormatError):
        sntp.answer(packet, cookie)


@given(head=st.binary(min_size=24, max_size=24), tail=st.binary(min_size=16, max_size=16))
def test_an_answer_is_a_time_between_1968_and_2104_or_refused(head, tail):
    try:
        unix_s = sntp.answer(head + b"cookie!!" + tail, b"cookie!!")
    except FormatError:
        return
    assert -61505152 <= unix_s <= 4233462144


@given(
    data=st.one_of(
        st.binary(max_size=300), st.binary(max_size=60).map(lambda b: pki.element(0x30, b))
    )
)
@example(b"\x30\x80\x00\x00")
def test_any_bytes_are_no_certificates(data):
    for read in (pki.certificates, pki.certificate, pki.split_identity, pki.key_numbers):
        with pytest.raises(FormatError):
            read(data)


json = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=10,
)
labels = st.sampled_from(
    [
        "bn",
        "bt",
        "bu",
        "bv",
        "bver",
        "box",
        "n",
        "u",
        "t",
        "v",
        "min",
        "max",
        "cnt",
        "exp",
        "len",
        "seq",
        "vs",
    ]
)


@given(pack=st.lists(st.one_of(json, st.dictionaries(labels, json)), max_size=5))
def test_any_pack_is_refused_whole_or_record_by_record(pack):
    try:
        records = senml_decode.resolve(pack)
    except FormatError:
        return
    assert len(records) == len(pack)
    for record in records:
        assert senml_decode.reason(record) is not None


@given(body=st.one_of(st.binary(max_size=200), st.integers(900, 60000).map(lambda n: b"[" * n)))
def test_any_body_is_refused_by_a_format_error(body):
    with pytest.raises(FormatError):
        senml_decode.resolve(senml_decode.parse(body))
    with pytest.raises(ConfigError):
        config.parse(body)


value = st.floats(0, 80, width=32)
window = st.tuples(st.integers(0, 70), value, value, value).map(
    lambda w: [w[0], *sorted(w[1:])[1:2], min(w[1:]), max(w[1:])]
)
entry = st.builds(
    lambda seq, t, length, streams: {
        "seq": seq,
        "t": t,
        "len": length,
        "exp": 60,
        "streams": streams,
    },
    st.integers(0, 2**31 - 1),
    st.integers(2**28, 2**33),
    st.integers(1, 86400),
    st.dictionaries(
        st.sampled_from(["pm1", "pm25", "pm10", "humidity", "temperature"]), window, min_size=1
    ),
)


@given(entries=st.lists(entry, min_size=1, max_size=8), limit=st.integers(200, 3072))
def test_whatever_fits_a_pack_is_stored_by_the_receiver(entries, limit):
    pack = senml.Pack(DEVICE, limit)
    pack.begin("0123abcd")
    expected = []
    for each in entries:
        if pack.add(each):
            expected += [(each["seq"], name) for name in sorted(each["streams"])]
    assert len(pack.body()) <= limit
    assert pack.owners == [seq for seq, _ in expected]
    if not expected:
        return
    records = senml_decode.resolve(senml_decode.parse(bytes(pack.body())))
    assert [senml_decode.reason(record) for record in records] == [None] * len(expected)
    assert [(r["seq"], senml_decode.split_name(r["n"])[1]) for r in records] == expected


programmes = st.lists(
    st.tuples(st.integers(0, 1439), st.integers(0, 100)).map(list), max_size=16
).map(sorted)


@given(
    is_day=st.booleans(),
    minute=st.one_of(st.none(), st.integers(0, 1439)),
    programme=programmes,
    least=st.integers(0, 100),
)
def test_the_light_is_dark_by_day_only(is_day, minute, programme, least):
    level = light.level(is_day, minute, programme, least)
    assert level == 0 if is_day else least <= level <= 100
    if minute is None and not is_day:
        assert level == 100
