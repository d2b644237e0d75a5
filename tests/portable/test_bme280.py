import asyncio
import json

from firmware.core.errors import FrameError, PartError
from firmware.drivers.bme280 import BME280, calibration, compensate

with open(__file__.rsplit("/", 2)[0] + "/vectors/bme280.json") as file:
    VECTOR = json.load(file)
LOW, HIGH, DATA = (bytes.fromhex(VECTOR["registers_" + n]) for n in ("88", "e1", "f7"))


class I2C:
    """A BME280's registers; `busy` says how often the status register reads as measuring."""

    def __init__(self, chip_id=0x60, data=DATA, busy=1):
        self.registers = {0xD0: bytes((chip_id,)), 0x88: LOW, 0xE1: HIGH, 0xF7: data}
        self.busy = busy
        self.polls = 0
        self.written = []
        self.gone = False

    def readfrom_mem(self, address, register, length):
        self.check(address)
        if register == 0xF3:
            self.polls += 1
            return b"\x08" if self.polls <= self.busy else b"\x00"
        assert len(self.registers[register]) == length
        return self.registers[register]

    def writeto_mem(self, address, register, data):
        self.check(address)
        self.written.append((register, data[0]))

    def check(self, address):
        if self.gone or address != 0x76:
            raise OSError(19)


def outcome(part):
    try:
        return asyncio.run(part.read())
    except PartError as error:
        return type(error)


def with_raw(index, *raw):
    return DATA[:index] + bytes(raw) + DATA[index + len(raw) :]


def test_the_datasheets_example_comes_out():
    values = compensate(calibration(LOW, HIGH), DATA)
    assert abs(values["temperature"] - 25.08) < 0.001
    assert abs(values["pressure"] - 100653.25) < 0.02
    assert abs(values["humidity"] - VECTOR["humidity"]) < 0.05


def test_the_trimming_words_of_humidity_are_signed_twelve_bits():
    high = bytes((0x34, 0x12, 0xFF, 0xF0, 0x1F, 0x80, 0x9C))
    assert calibration(LOW, high)[12:] == (LOW[25], 0x1234, 255, -241, -2047, -100)


def test_a_read_is_one_forced_measurement():
    i2c = I2C()
    part = BME280(i2c)
    values = outcome(part)
    assert sorted(values) == sorted(part.streams)
    assert i2c.written == [(0xE0, 0xB6), (0xF2, 0x01), (0xF4, 0x25)]
    outcome(part)
    assert i2c.written[3:] == [(0xF2, 0x01), (0xF4, 0x25)]
    assert part.faults == 0


def test_skipped_and_stuck_values_are_no_readings():
    for data in (
        with_raw(0, 0x80, 0x00, 0x00),
        with_raw(3, 0x80, 0x00, 0x00),
        with_raw(6, 0x80, 0x00),
        bytes(8),
        b"\xff" * 8,
    ):
        part = BME280(I2C(data=data))
        assert outcome(part) is FrameError
        assert part.faults == 1


def test_another_chip_is_no_part():
    part = BME280(I2C(chip_id=0x58))
    assert outcome(part) is PartError
    assert part.faults == 1


def test_empty_trimming_values_are_no_reading():
    i2c = I2C()
    i2c.registers[0x88] = bytes(26)
    assert outcome(BME280(i2c)) is FrameError


def test_a_part_that_stays_busy_is_given_up():
    assert outcome(BME280(I2C(busy=1000))) is PartError


def test_a_part_that_vanished_reads_again_when_back():
    i2c = I2C()
    part = BME280(i2c)
    first = outcome(part)
    i2c.gone = True
    assert outcome(part) is PartError
    i2c.gone = False
    assert outcome(part) == first
    assert i2c.written.count((0xE0, 0xB6)) == 2
    assert part.faults == 1
