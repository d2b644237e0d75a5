"""Integer compensation against the datasheet's floating-point formulas (BST-BME280-DS002 §8.1)."""

from hypothesis import given
from hypothesis import strategies as st

from firmware.core.errors import FrameError
from firmware.drivers.bme280 import compensate

# Trimming values around those of real specimens.
trims = st.tuples(
    st.integers(26500, 29500),
    st.integers(25500, 27500),
    st.integers(-1100, 300),
    st.integers(35500, 38500),
    st.integers(-10900, -10200),
    st.integers(2900, 3100),
    st.integers(2000, 11000),
    st.integers(-250, 250),
    st.just(-7),
    st.integers(9900, 15500),
    st.integers(-14600, -10200),
    st.integers(4285, 6000),
    st.integers(60, 80),
    st.integers(340, 390),
    st.just(0),
    st.integers(270, 340),
    st.integers(0, 60),
    st.just(30),
)


def floating(trim, raw_t, raw_p, raw_h):
    t1, t2, t3, p1, p2, p3, p4, p5, p6, p7, p8, p9, h1, h2, h3, h4, h5, h6 = trim
    fine = (raw_t / 16384 - t1 / 1024) * t2 + (raw_t / 131072 - t1 / 8192) ** 2 * t3
    x = fine / 2 - 64000
    offset = (x * x * p6 / 32768 + x * p5 * 2) / 4 + p4 * 65536
    scale = (1 + (p3 * x * x / 524288 + p2 * x) / 524288 / 32768) * p1
    p = (1048576 - raw_p - offset / 4096) * 6250 / scale
    p += (p9 * p * p / 2147483648 + p * p8 / 32768 + p7) / 16
    h = fine - 76800
    h = (raw_h - (h4 * 64 + h5 / 16384 * h)) * (
        h2 / 65536 * (1 + h6 / 67108864 * h * (1 + h3 / 67108864 * h))
    )
    h *= 1 - h1 * h / 524288
    return fine / 5120, min(max(h, 0), 100), p


@given(
    trim=trims,
    raw_t=st.integers(430000, 600000),
    raw_p=st.integers(250000, 450000),
    raw_h=st.integers(20000, 42000),
)
def test_integers_and_floating_point_agree(trim, raw_t, raw_p, raw_h):
    # Twenty bits each, left-aligned in three bytes; humidity sixteen in two (§5.4.7).
    data = (raw_p << 44 | raw_t << 20 | raw_h).to_bytes(8, "big")
    try:
        values = compensate(trim, data)
    except FrameError:
        assert raw_h == 0x8000 or 0x80000 in (raw_t, raw_p)
        return
    temperature, humidity, pressure = floating(trim, raw_t, raw_p, raw_h)
    assert abs(values["temperature"] - temperature) < 0.02
    assert abs(values["humidity"] - humidity) < 0.1
    assert abs(values["pressure"] - pressure) < 1
