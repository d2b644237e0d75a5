import asyncio

from firmware.core.light import Daylight, level
from firmware.drivers.ambient import Ambient
from firmware.drivers.lamp import Lamp


class Wire:
    """A pin and the PWM on it, as the lamp sees them: `duty` is the share of time it is high."""

    OUT = 3

    def __init__(self):
        self.duty = 0
        self.held = False

    def duty_u16(self, duty):
        assert not self.held
        self.duty = duty

    def deinit(self):
        self.duty = 0

    def init(self, mode, value, hold):
        assert mode == self.OUT
        self.duty = value
        self.held = hold


class Adc:
    def __init__(self, *values):
        self.values = values
        self.at = 0

    def read_u16(self):
        self.at += 1
        return self.values[self.at % len(self.values)]


def made():
    wire = Wire()
    return wire, Lamp(wire, wire)


def test_a_low_pin_is_full_light():
    wire, lamp = made()
    assert (wire.duty, lamp.level) == (0, 100)
    lamp.set(0)
    assert wire.duty == 65535
    lamp.set(60)
    assert wire.duty == 26214
    assert asyncio.run(lamp.read()) == {"lamp_level": 60}


def test_a_level_out_of_range_is_full_light():
    wire, lamp = made()
    for wrong in (-1, 101, 255):
        lamp.set(0)
        lamp.set(wrong)
        assert (wire.duty, lamp.level) == (0, 100)


def test_before_a_planned_reset_the_lamp_is_full_and_stays_so():
    wire, lamp = made()
    lamp.set(30)
    lamp.full_and_hold()
    assert (wire.duty, wire.held, lamp.level) == (0, True, 100)
    lamp.set(30)
    lamp.full_and_hold()
    assert (wire.duty, wire.held, lamp.level) == (0, True, 100)


def test_illuminance_is_linear_and_averaged():
    assert Ambient(Adc(0), 2000).lux() == 0
    assert abs(Ambient(Adc(13107), 2000).lux() - 400) < 0.01
    assert abs(Ambient(Adc(13000, 13214), 2000).lux() - 400) < 0.01
    assert list(asyncio.run(Ambient(Adc(13107), 2000).read())) == ["illuminance"]


def test_full_scale_is_day_but_no_reading():
    for full_scale in (1, 1999.7, 2000, 200000):
        sensor = Ambient(Adc(65535), full_scale)
        assert abs(sensor.lux() / full_scale - 1) < 0.001
        assert asyncio.run(sensor.read()) == {}


def test_day_is_believed_after_its_time_and_night_at_once():
    light = Daylight(20, 40, 300)
    assert not light.update(1000, 0)
    assert not light.update(1000, 299)
    assert light.update(1000, 300)
    assert light.update(21, 400)
    assert not light.update(19, 410)
    assert not light.update(39, 420)
    assert not light.update(39, 2000)


def test_a_headlight_is_no_day():
    light = Daylight(20, 40, 300)
    for now in range(0, 3000, 100):
        assert not light.update(5000 if now % 300 else 3, now)


def test_a_lost_sensor_is_night():
    light = Daylight(20, 40, 0)
    assert light.update(1000, 0)
    assert not light.update(None, 10)
    assert light.update(1000, 20)
    assert not light.update(float("nan"), 30)


def test_the_programme_holds_each_step_until_the_next():
    programme = [[300, 100], [1320, 60]]
    assert level(False, 300, programme, 10) == 100
    assert level(False, 1319, programme, 10) == 100
    assert level(False, 1320, programme, 10) == 60
    assert level(False, 0, programme, 10) == 60
    assert level(False, 299, programme, 10) == 60


def test_doubt_is_light():
    assert level(False, None, [[0, 0]], 0) == 100
    assert level(False, 600, [], 0) == 100
    assert level(True, 600, [[0, 100]], 50) == 0


def test_nothing_goes_below_the_signed_minimum_at_night():
    assert level(False, 5, [[0, 0]], 30) == 30
    assert level(False, 5, [[0, 40]], 30) == 40
    assert level(False, 5, [[0, 40]], 200) == 100
