"""What the soak takes for a leak, and what for chance."""

import random
from collections import Counter

import pytest

from hil_tests import budget, windows

NOISE = random.Random(1)


def noisy(count, leak=0.0, dips=0.0):
    """Free bytes as a node tells them: steps of 64, now and then a request under way."""
    values = []
    for i in range(count):
        value = 78_112 - 64 * NOISE.randrange(2) - round(leak * i)
        values.append(value - 1056 if NOISE.random() < dips else value)
    return values


@pytest.mark.parametrize("count", [12, 30, 3600])
@pytest.mark.parametrize("dips", [0.0, 0.05])
def test_noise_is_no_leak(count, dips):
    fallen, chance = budget.loss(noisy(count, dips=dips))
    assert fallen <= chance


@pytest.mark.parametrize(("count", "leak"), [(12, 150), (30, 60), (3600, 0.5)])
def test_a_leak_is_seen_the_sooner_the_longer_the_soak(count, leak):
    fallen, chance = budget.loss(noisy(count, leak=leak))
    assert fallen > chance


def test_too_few_values_say_nothing():
    with pytest.raises(AssertionError, match="11 values are too few"):
        budget.loss(noisy(11))


CONSOLE = """\
[    60.337] info  main: memory {'heap_free': 81696, 'idf_free': 4096}, lowest {'heap_free': 61664}
[    60.091] info  update: memory with TLS open {'heap_free': 77056}
[    61.001] info  sample: window 9 of 2 s, pm25 9.0
[    61.091] info  update: memory with TLS open {'heap_free': 78112}
[     1.002] info  sample: window 1 of 1 s, pm25 none
[     3.002] info  sample: window 12"""


def test_figures_are_read_from_the_firmwares_lines():
    assert budget.figures(CONSOLE, "main: memory") == {"heap_free": 61664}
    found = budget.series(CONSOLE, "memory with TLS open")
    assert [each["heap_free"] for each in found] == [77056, 78112]
    assert budget.series(CONSOLE, "main: memory")[0]["heap_free"] == 81696
    with pytest.raises(AssertionError, match="no figures"):
        budget.figures(CONSOLE, "nothing")


def test_windows_are_counted_by_the_lines_that_came_whole():
    assert windows.told(CONSOLE) == Counter([9, 1])
