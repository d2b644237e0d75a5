"""Outbox files after power cuts and bit rot: no entry is made up, none sound is lost."""

import io

from hypothesis import given
from hypothesis import strategies as st

from firmware.core.outboxlog import Reader, decode, encode

window = st.tuples(
    st.integers(0, 60), *[st.one_of(st.none(), st.floats(-40, 110000), st.integers(0, 999))] * 3
).map(list)
entries = st.builds(
    lambda seq, t, streams: {"seq": seq, "t": t, "len": 600, "exp": 60, "streams": streams},
    st.integers(0, 2**31),
    st.integers(2**28, 2**33),
    st.dictionaries(st.sampled_from(["pm25", "pm10", "humidity"]), window),
)


def read(data):
    reader = Reader(io.BytesIO(data))
    return [entry for _, entry in reader], reader.damaged


@given(entry=entries)
def test_an_entry_comes_back(entry):
    assert decode(encode(entry)) == entry


@given(kept=st.lists(entries, max_size=6), last=entries, cut=st.data())
def test_a_power_cut_costs_only_what_was_being_written(kept, last, cut):
    line = encode(last)
    torn = line[: cut.draw(st.integers(0, len(line) - 1))]
    data = b"".join(map(encode, kept))
    assert read(data + torn) == (kept, 1 if torn else 0)
    # What is appended afterwards, behind a line feed, is read again.
    after = read(data + torn + b"\n" + line)
    # Only the line feed may have been missing: then the line is whole now, and read as well.
    assert after[0] in ([*kept, last], [*kept, last, last])


@given(data=st.binary(max_size=5000))
def test_any_bytes_are_no_entry(data):
    assert decode(data) is None
    found, damaged = read(data)
    assert found == []
    assert damaged >= (1 if data else 0)


@given(written=st.lists(entries, min_size=1, max_size=6), where=st.data())
def test_a_flipped_bit_costs_at_most_the_lines_it_touches(written, where):
    data = bytearray(b"".join(map(encode, written)))
    bit = where.draw(st.integers(0, len(data) * 8 - 1))
    data[bit // 8] ^= 1 << bit % 8
    found, damaged = read(bytes(data))
    assert all(entry in written for entry in found)
    assert len(found) >= len(written) - 2  # a line feed that is gone joins two lines
    assert damaged >= 1
