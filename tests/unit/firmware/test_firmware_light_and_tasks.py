"""The light stays on whatever fails; other tasks crash alone and come back ever more slowly."""

import asyncio
import itertools

import faketime
import pytest

from firmware.tasks import light, supervise

NIGHT = 1_795_000_000 // 86400 * 86400 + 2 * 3600  # 02:00 UTC
CONFIG = {
    "light": {"dusk_lux": 20, "dawn_lux": 40, "programme": [[300, 100], [1320, 60]]},
    "time_zone": "UTC0",
}


class Lamp:
    """A lamp that keeps every level it was set to."""

    def __init__(self):
        self.level = 100
        self.set_to = []
        self.broken = False

    def set(self, level):
        if self.broken:
            raise OSError(5)
        self.level = level
        self.set_to.append(level)


class Sensor:
    """A light sensor."""

    def __init__(self, lux=5):
        self.value = lux

    def lux(self):
        if isinstance(self.value, BaseException):
            raise self.value
        return self.value


def burn(prepare=lambda _node: None, seconds=30, **parts):
    """Run the light task alone for a while; give the node."""

    async def main():
        node = faketime.node(CONFIG, lamp=Lamp(), **parts)
        prepare(node)
        task = asyncio.create_task(light.run(node))
        await asyncio.sleep(seconds)
        assert not task.done()
        task.cancel()
        return node

    return faketime.run(main())


def at_night(node):
    node.clock.set(NIGHT, "sntp")


def test_without_clock_and_sensor_it_burns_at_full():
    assert set(burn().lamp.set_to) == {100}


def test_it_follows_the_programme_once_the_clock_is_known():
    assert burn(at_night).lamp.level == 60


def test_it_never_goes_below_the_signed_minimum():
    def dim(node):
        at_night(node)
        node.config = {**CONFIG, "light": {**CONFIG["light"], "programme": [[0, 5]]}}

    assert burn(dim).lamp.level == 20

    def unsigned(node):
        dim(node)
        node.release = {}

    assert burn(unsigned).lamp.level == 100


def test_by_day_the_sensor_puts_it_out_after_a_while():
    node = burn(ambient=Sensor(500), seconds=400)
    assert node.lamp.level == 0
    assert node.lamp.set_to.count(100) >= 290


@pytest.mark.parametrize("error", [OSError(5), ValueError("x"), MemoryError(), TypeError("y")])
def test_a_broken_sensor_means_full_light(error):
    node = burn(at_night, ambient=Sensor(error))
    assert node.lamp.level == 100
    assert node.counts["light"] == 1
    assert len(node.console.texts("error")) == 1
    assert node.beat >= 29


def test_a_lamp_that_comes_back_is_driven_again():
    async def main():
        node = faketime.node(CONFIG, lamp=Lamp())
        at_night(node)
        node.lamp.broken = True
        task = asyncio.create_task(light.run(node))
        await asyncio.sleep(10)
        assert node.beat >= 9
        node.lamp.broken = False
        await asyncio.sleep(2)
        task.cancel()
        return node.lamp.level

    assert faketime.run(main()) == 60


def test_without_a_lamp_it_ticks_all_the_same():
    node = burn(lambda node: setattr(node, "lamp", None))
    assert node.beat >= 29


def test_a_time_zone_that_cannot_be_read_means_full_light():
    def lost(node):
        at_night(node)
        node.config = {**CONFIG, "time_zone": "nonsense"}

    assert burn(lost).lamp.level == 100


def test_a_task_that_crashes_comes_back_ever_more_slowly():
    starts = []

    async def work(node):
        starts.append(node.clock.uptime_s())
        if len(starts) < 5:
            raise ValueError("no")

    async def main():
        node = faketime.node()
        await supervise.run(node, "work", work)
        return node

    node = faketime.run(main())
    assert [b - a for a, b in itertools.pairwise(starts)] == [2, 4, 8, 16]
    assert node.counts["work"] == 4
    assert node.console.texts("error") == ["ValueError: no"] * 4
    assert not node.dead.is_set()


def test_only_a_streak_of_crashes_resets_the_node():
    async def hopeless(_node):
        raise MemoryError

    async def main(seconds, work):
        node = faketime.node()
        task = asyncio.create_task(supervise.run(node, "work", work))
        await asyncio.sleep(seconds)
        task.cancel()
        return node

    assert not faketime.run(main(200, hopeless)).dead.is_set()
    node = faketime.run(main(300, hopeless))
    assert node.dead.is_set()
    assert node.dying == "work crashed 8 times"

    async def rare(_node):
        await asyncio.sleep(700)
        raise ValueError("now and then")

    assert not faketime.run(main(20_000, rare)).dead.is_set()


def test_one_tasks_crash_stops_no_other():
    ticks = []

    async def bad(_node):
        raise KeyError("x")

    async def good(node):
        while True:
            ticks.append(node.clock.uptime_s())
            await asyncio.sleep(1)

    async def main():
        node = faketime.node()
        tasks = [
            asyncio.create_task(supervise.run(node, "bad", bad)),
            asyncio.create_task(supervise.run(node, "good", good)),
        ]
        await asyncio.sleep(30)
        for task in tasks:
            task.cancel()

    faketime.run(main())
    assert len(ticks) >= 30


class Dog:
    """A watchdog that counts."""

    def __init__(self):
        self.fed = 0

    def feed(self):
        self.fed += 1


@pytest.mark.parametrize("ticks", [True, False])
def test_the_watchdog_is_fed_only_while_the_light_ticks(ticks):
    async def main():
        node = faketime.node(CONFIG, lamp=Lamp(), watchdog=Dog())
        tasks = [asyncio.create_task(supervise.pulse(node))]
        if ticks:
            tasks.append(asyncio.create_task(light.run(node)))
        await asyncio.sleep(120)
        for task in tasks:
            task.cancel()
        return node.watchdog.fed

    fed = faketime.run(main())
    assert fed >= 20 if ticks else fed <= 4
