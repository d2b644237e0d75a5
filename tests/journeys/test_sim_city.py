"""A small emulated city: districts with networks of their own, and what befalls those."""

import asyncio
import itertools

import pytest
from sqlalchemy import text

from fleet.db import Database
from sim import flashfiles
from sim.city import City
from sim.posts import DISTRICTS

STREAM = {"air": "pm25", "light": "illuminance"}


def inhabited(home, count, url=None):
    """Found a city of so many nodes, all of them enrolled and reporting."""
    city = City(home, database_url=url)
    city.database = url or f"sqlite:///{home}/server/lamppost.db"
    city.open("1.0.0")
    told = []
    city.populate(count, "1.0.0", lambda done, total: told.append((done, total)))
    assert told == [(n, count) for n in range(1, count + 1)]
    for node in city.nodes.values():
        node.power_on()
    for node in city.nodes.values():
        node.wait_text("acknowledged", 60)
    return city


@pytest.fixture(scope="module")
def city(tmp_path_factory):
    """Give a city of four districts with a node in each."""
    with inhabited(tmp_path_factory.mktemp("city") / "home", 4) as made:
        yield made


@pytest.fixture
def harbour(city):
    """Give a district whose network is good again afterwards, and its node."""
    district = city.districts["harbour"]
    yield district, city.nodes["harbour-1"]
    district.restore()


def arrived(city, node):
    """Give (box, seq, end of the window, unix s of arrival) of a node's windows as they came."""
    kind = "light" if node.wiring.lamps else "air"

    async def rows():
        database = Database(city.database)
        # PostgreSQL keeps no order of rows: within a second of arrival it cannot be told.
        came = "rowid" if database.is_sqlite else "received_at, time"
        query = text(
            "SELECT box, seq, time, received_at FROM observations"
            f" WHERE device_id = :device AND stream = :stream ORDER BY {came}"
        )
        try:
            async with database.read() as session:
                wanted = {"device": node.id, "stream": STREAM[kind]}
                return [tuple(row) for row in await session.execute(query, wanted)]
        finally:
            await database.close()

    return asyncio.run(rows())


def windows(node, mark=0):
    """Count the windows that a node has closed since a mark of its console."""
    return node.console.since(mark).count("sample: window")


def all_of_them_once(city, node):
    """Compare flash and server: nothing lost, nothing twice, in order of time."""
    node.power_off()
    produced, unsent = flashfiles.outbox(node.flash.path)
    rows = arrived(city, node)
    node.power_on()
    keys = [(box, seq) for box, seq, _, _ in rows]
    assert len(keys) == len(set(keys))
    assert set(keys) | unsent == produced
    times = [time for _, _, time, _ in rows]
    assert times == sorted(times)


@pytest.mark.timeout(120)
def test_nodes_enrol_and_report_through_their_own_districts(city):
    assert set(city.districts) == set(DISTRICTS)
    listed = {each["id"]: each for each in city.api("GET", "/devices")["devices"]}
    for name, node in city.nodes.items():
        district = name.rpartition("-")[0]
        assert listed[node.id]["site"] == district
        assert listed[node.id]["state"] == "active"
        assert arrived(city, node)
        assert city.districts[district].sent > 1000
        assert city.districts[district].received > 1000
        assert len(city.districts[district].proxy.connections) >= 2
    assert city.received == sum(each.received for each in city.districts.values())
    streams = {
        each["stream"]
        for node in city.nodes.values()
        for each in city.api("GET", f"/devices/{node.id}/observations")["observations"]
    }
    assert streams == {
        *("pm1", "pm25", "pm10", "temperature", "humidity", "pressure"),
        *("illuminance", "lamp_level"),
    }


@pytest.mark.timeout(120)
@pytest.mark.parametrize("silent", [False, True])
def test_a_district_that_was_cut_off_reports_late_and_in_order(city, harbour, silent):
    district, node = harbour
    other = city.nodes["hillside-1"]
    mark = other.console.length
    cut_off(city, district, node, silent=silent)
    assert other.console.since(mark).count("acknowledged") >= 3


def cut_off(city, district, node, *, silent=False):
    """Cut a district off for four windows of a node."""
    district.cut(silent=silent)
    mark = node.console.length
    before = len(arrived(city, node))
    node.wait(lambda: windows(node, mark) >= 4, 40, "four windows in the dark")
    assert len(arrived(city, node)) <= before + 1  # one was on its way
    district.restore()
    node.wait_text("acknowledged", 60, node.console.length)
    rows = arrived(city, node)[before:]
    assert max(received - end for _, _, end, received in rows) >= 4
    all_of_them_once(city, node)


@pytest.mark.timeout(120)
def test_a_slow_and_lossy_district_loses_nothing(city, harbour):
    district, node = harbour
    node.wait_text("acknowledged", 60, node.console.length)
    district.slow(bytes_per_s=8000, delay_s=0.05)
    district.lossy(0.15)
    before = len(arrived(city, node))
    city.wait(lambda: len(arrived(city, node)) >= before + 4, 60, "four windows")
    all_of_them_once(city, node)


@pytest.mark.timeout(120)
def test_an_answer_lost_after_the_commit_stores_nothing_twice(city, harbour):
    lose_an_answer(city, *harbour)


def lose_an_answer(city, district, node):
    """Lose the answer to one report of a node, which cannot ask again at once."""
    for _ in range(2):  # a heartbeat would do as well, and goes with the first poll
        node.wait_text("acknowledged", 60, node.console.length)
    mark = node.console.length
    district.drop_next_2xx()
    district.proxy.faults.refuse = True
    city.wait(lambda: district.dropped, 20, "the answer to be lost")
    shown = node.wait_text("uplink: ", 20, mark)
    assert "acknowledged" not in shown
    stored = arrived(city, node)[-1]
    assert f"up to {stored[1]} acknowledged" not in node.console.text
    district.restore()
    node.wait_text(" acknowledged", 40, mark)
    assert arrived(city, node).count(stored) == 1
    all_of_them_once(city, node)


@pytest.mark.postgres
@pytest.mark.timeout(120)
def test_late_and_lost_on_postgresql(postgresql, tmp_path):
    with inhabited(tmp_path / "home", 2, postgresql.create("fleet_city")) as city:
        lose_an_answer(city, city.districts["harbour"], city.nodes["harbour-1"])
        cut_off(city, city.districts["old-town"], city.nodes["old-town-1"])


def test_seeds_give_other_nodes_and_numbers_go_on(city):
    macs = [node.mac for node in city.nodes.values()]
    assert all(a != b for a, b in itertools.combinations(macs, 2))
    one = city.node("single", "1.0.0", kind="light", district="station")
    assert one.lamp.level == 100
    assert city.api("GET", f"/devices/{one.id}")["site"] == "station"
    assert one.mac not in macs
