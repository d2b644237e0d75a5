"""The drivers on the emulated parts: what the air is like is what is read."""

import asyncio
import time
from dataclasses import dataclass

import pytest

from firmware.core.errors import FrameError, PartError
from firmware.drivers.bme280 import BME280
from firmware.drivers.pms5003 import PMS5003
from sim.hardware.bme280 import Bme280
from sim.hardware.parts import Nack
from sim.hardware.pms5003 import FAULTS as KNOWN
from sim.hardware.pms5003 import Pms5003


class Clock:
    """Real time, so that waits of the driver are waits of the part."""

    def now(self):
        return time.time()


@dataclass
class Air:
    """The same air all the time."""

    celsius: float = 20.0
    percent: float = 50.0
    pascal: float = 101325.0
    dust: tuple = (5.0, 12.0, 20.0)

    def temperature(self, _at):
        return self.celsius

    def humidity(self, _at):
        return self.percent

    def pressure(self, _at):
        return self.pascal

    def particles(self, _at):
        return self.dust


class I2C:
    """machine.I2C with one part on it."""

    def __init__(self, part):
        self.part = part

    def readfrom_mem(self, address, register, length):
        self.writeto(address, bytes((register,)))
        return self.part.i2c_read(length)

    def writeto_mem(self, address, register, data):
        self.writeto(address, bytes((register,)) + data)

    def writeto(self, address, data):
        if address != 0x76:
            raise OSError(19)
        try:
            self.part.i2c_write(data)
        except Nack as error:
            raise OSError(19) from error


class Uart:
    """machine.UART with one part on it."""

    def __init__(self, part):
        self.part = part
        self.waiting = b""

    def any(self):
        self.waiting += self.part.uart_read()
        return len(self.waiting)

    def read(self):
        self.any()
        data, self.waiting = self.waiting, b""
        return data or None


@pytest.mark.parametrize(
    "air",
    [
        Air(),
        Air(celsius=-21.5, percent=83, pascal=103500),
        Air(celsius=48.25, percent=7, pascal=87000),
        Air(celsius=0, percent=99, pascal=95000),
    ],
    ids=repr,
)
def test_a_bme280_reads_the_air(air):
    values = asyncio.run(BME280(I2C(Bme280(Clock(), air))).read())
    assert abs(values["temperature"] - air.celsius) < 0.03
    assert abs(values["humidity"] - air.percent) < 0.2
    assert abs(values["pressure"] - air.pascal) < 5


def test_a_pms5003_reads_the_air():
    part = PMS5003(Uart(Pms5003(Clock(), Air(), period_s=0.1)))
    assert asyncio.run(part.read()) == {"pm1": 5, "pm25": 12, "pm10": 20}
    assert part.faults == 0


def test_a_part_that_is_not_there_is_no_reading():
    part = BME280(I2C(Bme280(Clock(), Air())), 0x77)
    with pytest.raises(PartError, match="no answer"):
        asyncio.run(part.read())


FAULTS = {
    "silent": PartError,
    "bad_checksum": FrameError,
    "cut_short": FrameError,
}


@pytest.mark.parametrize(("fault", "error"), FAULTS.items(), ids=FAULTS)
def test_a_faulty_pms5003_is_no_reading(fault, error, monkeypatch):
    monkeypatch.setattr("firmware.drivers.pms5003.DEADLINE_MS", 500)
    emulated = Pms5003(Clock(), Air(), period_s=0.1)
    emulated.fault = fault
    part = PMS5003(Uart(emulated))
    with pytest.raises(error):
        asyncio.run(part.read())
    assert part.faults >= 1


def test_a_pms5003_is_found_in_line_noise():
    emulated = Pms5003(Clock(), Air(), period_s=0.1)
    emulated.fault = "garbage"
    part = PMS5003(Uart(emulated))
    for _ in range(3):
        assert asyncio.run(part.read()) == {"pm1": 5, "pm25": 12, "pm10": 20}


def test_every_fault_of_the_emulated_part_is_tried():
    assert {*FAULTS, "garbage"} == set(KNOWN)
