import subprocess
import sys
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.clock import Clock
from sim.world import Place, World, daylight

BERLIN = Place(52.52, 13.40, 34)
TIMES = st.floats(1_600_000_000, 2_000_000_000)


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def test_the_same_question_has_the_same_answer_in_every_process():
    ask = (
        "from sim.world import *; s = World(7).at(Place(52.52, 13.40, 34)); t = 1790000000.0; "
        "print(s.temperature(t), s.humidity(t), s.pressure(t), s.particles(t), s.illuminance(t))"
    )
    answers = {
        subprocess.run([sys.executable, "-c", ask], capture_output=True, check=True).stdout
        for _ in range(2)
    }
    spot, t = World(7).at(BERLIN), 1790000000.0
    here = (spot.temperature(t), spot.humidity(t), spot.pressure(t), spot.particles(t))
    assert answers == {(" ".join(map(str, (*here, spot.illuminance(t)))) + "\n").encode()}
    other = World(8).at(BERLIN)
    assert other.temperature(t) != spot.temperature(t)


@given(seed=st.integers(0, 1000), t=TIMES, latitude=st.floats(-65, 65))
def test_values_stay_in_what_the_parts_can_measure_and_change_smoothly(seed, t, latitude):
    spot = World(seed).at(Place(latitude, 10.0))
    assert -40 < spot.temperature(t) < 50
    assert 15 <= spot.humidity(t) <= 98
    assert 97_000 < spot.pressure(t) < 104_000
    pm1, pm25, pm10 = spot.particles(t)
    assert 0 < pm1 < pm25 < pm10 < 600
    assert abs(spot.temperature(t + 60) - spot.temperature(t)) < 0.2
    assert abs(spot.pressure(t + 60) - spot.pressure(t)) < 5


def test_rush_hours_are_dirtier_than_the_night_and_main_streets_than_parks():
    street, park = (World(1).at(Place(52.52, 13.40, traffic=busy)) for busy in (1.5, 0.0))
    days = [at("2026-06-01T00:00") + 86_400 * i for i in range(28)]

    def mean(spot, hour):
        return sum(spot.particles(day + hour * 3600)[1] for day in days) / len(days)

    rush, night = 8 - 13.4 / 15, 2 - 13.4 / 15
    assert mean(street, rush) > 1.5 * mean(street, night)
    assert mean(street, rush) > mean(park, rush)


@pytest.mark.parametrize(
    ("place", "when", "elevation"),
    [  # NOAA Solar Calculator
        (BERLIN, "2026-06-21T11:08", 60.9),
        (BERLIN, "2026-12-21T11:05", 14.0),
        (Place(0.0, 0.0), "2026-03-20T12:07", 89.9),
        (Place(-33.87, 151.21), "2026-12-21T01:53", 79.6),
        (BERLIN, "2026-06-21T23:08", -14.0),
    ],
)
def test_the_sun_stands_where_it_stands(place, when, elevation):
    assert World(1).at(place).sun_elevation(at(when)) == pytest.approx(elevation, abs=0.4)


def test_daylight_grows_with_the_sun_and_nights_are_dark():
    heights = [daylight(h / 2) for h in range(-36, 181)]
    assert heights == sorted(heights)
    assert daylight(-19) == 0
    spot = World(1).at(BERLIN)
    assert spot.illuminance(at("2026-12-21T00:00")) < 20
    assert spot.illuminance(at("2026-06-21T11:00")) > 10_000


def test_a_clock_may_run_faster():
    ours = [100.0]
    clock = Clock(1000.0, 60.0, monotonic=lambda: ours[0])
    ours[0] += 2
    assert clock.now() == 1120
    assert clock.real_s(1180) == 1
    with pytest.raises(ValueError, match="above 0"):
        Clock(rate=0)
