import pytest
from emulated import ManualClock, StillAir

from sim.hardware.adc import Adc
from sim.hardware.lamp import LampCircuit

NIGHT = StillAir(lux=2.0)
DAY = StillAir(lux=9000.0)


def test_a_floating_or_low_pin_is_full_light_and_a_high_one_dims():
    lamp = LampCircuit(ManualClock(), NIGHT)
    assert lamp.level == 100
    lamp.drive(0.0)
    assert lamp.level == 100
    lamp.drive(0.4)
    assert lamp.level == pytest.approx(60)
    lamp.drive(1.0)
    assert lamp.level == 0
    assert lamp.lowest == 0


@pytest.mark.parametrize(("sky", "dark_s"), [(NIGHT, 90), (DAY, 0)])
def test_darkness_counts_only_when_light_is_wanted_and_there_is_mains(sky, dark_s):
    clock = ManualClock()
    lamp = LampCircuit(clock, sky)
    clock.at += 100
    lamp.drive(1.0)
    clock.at += 90
    lamp.mains(on=False)
    clock.at += 500
    assert lamp.level == 0
    lamp.drive(None)
    lamp.mains(on=True)
    clock.at += 50
    assert lamp.dark_s == pytest.approx(dark_s)
    assert lamp.lit_s == pytest.approx(150)


def test_a_burnt_out_lamp_is_dark_whatever_the_pin_does():
    clock = ManualClock()
    lamp = LampCircuit(clock, NIGHT)
    lamp.burnt_out = True
    clock.at += 30
    assert lamp.level == 0
    assert lamp.dark_s == pytest.approx(30)


def test_the_ambient_sensor_is_linear_and_saturates():
    clock = ManualClock()
    assert Adc(clock, StillAir(lux=500), full_scale_lux=2000).microvolts() == 825_000
    assert Adc(clock, StillAir(lux=90_000), full_scale_lux=2000).microvolts() == 3_300_000
    stuck = Adc(clock, StillAir(lux=500))
    stuck.stuck_uv = 12
    assert stuck.microvolts() == 12
