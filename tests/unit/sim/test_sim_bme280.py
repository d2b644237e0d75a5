"""The register model, read by a vendor-neutral driver from PyPI and by hand."""

import pytest
from emulated import ManualClock, StillAir
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.hardware.bme280 import Bme280
from sim.hardware.parts import Nack

bme280_driver = pytest.importorskip("bme280", reason="RPi.bme280 comes with the extra dev")


class SmBus:
    """The methods of an SMBus that RPi.bme280 calls, on one part."""

    def __init__(self, part, clock):
        self.part = part
        self.clock = clock

    def read_byte_data(self, _address, register):
        return self.read_i2c_block_data(_address, register, 1)[0]

    def read_word_data(self, _address, register):
        low, high = self.read_i2c_block_data(_address, register, 2)
        return low | high << 8

    def read_i2c_block_data(self, _address, register, count):
        self.part.i2c_write(bytes([register]))
        return list(self.part.i2c_read(count))

    def write_byte_data(self, _address, register, value):
        self.part.i2c_write(bytes([register, value]))
        self.clock.at += 0.2


# The driver is not ours: it stamps its samples with what Python 3.12 deprecates.
@pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow:DeprecationWarning")
@settings(max_examples=40)
@given(
    temperature=st.floats(-40, 85),
    humidity=st.floats(5, 98),
    pressure=st.floats(60_000, 108_000),
)
def test_an_independent_driver_reads_what_the_air_is_like(temperature, humidity, pressure):
    clock = ManualClock()
    bus = SmBus(Bme280(clock, StillAir(temperature, humidity, pressure)), clock)
    calibration = bme280_driver.load_calibration_params(bus, 0x76)
    data = bme280_driver.sample(bus, 0x76, calibration)
    assert data.temperature == pytest.approx(temperature, abs=0.01)
    assert data.humidity == pytest.approx(humidity, abs=0.05)
    assert data.pressure == pytest.approx(pressure / 100, abs=0.05)


def read(part, register, count):
    part.i2c_write(bytes([register]))
    return part.i2c_read(count)


def test_forced_mode_measures_once_takes_its_time_and_sleeps_again():
    clock = ManualClock()
    part = Bme280(clock, StillAir())
    assert read(part, 0xD0, 1) == b"\x60"
    skipped = read(part, 0xF7, 8)
    assert skipped == b"\x80\x00\x00\x80\x00\x00\x80\x00"
    part.i2c_write(bytes([0xF2, 1, 0xF4, 0b00100101]))
    assert read(part, 0xF3, 1) == b"\x08"
    assert read(part, 0xF7, 8) == skipped
    clock.at += 0.01
    assert read(part, 0xF3, 1) == b"\x00"
    assert read(part, 0xF7, 8) != skipped
    assert read(part, 0xF4, 1)[0] & 3 == 0


def test_humidity_oversampling_waits_for_ctrl_meas():
    clock = ManualClock()
    part = Bme280(clock, StillAir())
    part.i2c_write(bytes([0xF4, 0b00100101]))
    clock.at += 0.01
    assert read(part, 0xFD, 2) == b"\x80\x00"
    part.i2c_write(bytes([0xF2, 1]))
    part.i2c_write(bytes([0xF4, 0b00100101]))
    clock.at += 0.02
    assert read(part, 0xFD, 2) != b"\x80\x00"


def test_reset_forgets_and_a_dead_part_does_not_answer():
    clock = ManualClock()
    part = Bme280(clock, StillAir())
    part.i2c_write(bytes([0xF5, 0x20]))
    assert read(part, 0xF5, 1) == b"\x20"
    part.i2c_write(bytes([0xE0, 0xB6]))
    assert read(part, 0xF5, 1) == b"\x00"
    part.fault = "nack"
    with pytest.raises(Nack):
        part.i2c_write(b"\xd0")
    with pytest.raises(Nack):
        part.i2c_read(1)
