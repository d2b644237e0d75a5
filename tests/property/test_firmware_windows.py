"""Windows over any samples, with doubles and with the 32-bit floats of an ESP32."""

import math
import struct

from hypothesis import given
from hypothesis import strategies as st

from firmware.core.windows import Window, end_of


class Float32:
    """A number that is rounded to 32 bits after each operation, as on the node."""

    def __init__(self, value):
        self.value = struct.unpack("f", struct.pack("f", float(value)))[0]

    def __add__(self, other):
        return Float32(self.value + float(other))

    __radd__ = __add__

    def __sub__(self, other):
        return Float32(self.value - float(other))

    def __truediv__(self, other):
        return Float32(self.value / float(other))

    def __lt__(self, other):
        return self.value < other.value

    def __float__(self):
        return self.value


def filled(values):
    window = Window(len(values))
    for value in values:
        window.add(value)
    return window


numbers = st.floats(-40, 110000, width=32)


@given(values=st.lists(numbers, min_size=1, max_size=200))
def test_a_window_is_what_its_samples_are(values):
    window = filled(values)
    assert window.count == len(values)
    assert (window.least, window.greatest) == (min(values), max(values))
    assert math.isclose(window.mean(), math.fsum(values) / len(values), abs_tol=1e-6)
    assert window.least <= window.mean() <= window.greatest


@given(values=st.lists(st.integers(0, 1000), min_size=1, max_size=200))
def test_whole_numbers_are_summed_exactly(values):
    assert math.isclose(filled(values).mean(), math.fsum(values) / len(values), rel_tol=1e-15)


@given(
    start=st.floats(95000, 104000, width=32),
    steps=st.lists(st.floats(-1.5, 1.5), min_size=1, max_size=360),
)
def test_an_hour_of_pressures_in_32_bits_is_right_to_two_hundredths(start, steps):
    values = [Float32(start)]
    for step in steps:
        values.append(values[-1] + step)
    mean = float(filled(values).mean())
    exact = math.fsum(float(value) for value in values) / len(values)
    # One unit in the last place is 1/128 Pa here; a plain sum is off by whole pascals.
    assert abs(mean - exact) <= 0.02
    assert min(map(float, values)) <= mean <= max(map(float, values))


@given(now_s=st.integers(0, 2**33), length_s=st.integers(1, 86400))
def test_a_window_ends_at_the_next_multiple(now_s, length_s):
    end = end_of(now_s, length_s)
    assert end % length_s == 0
    assert now_s < end <= now_s + length_s
