"""Power cuts in an update fetch nothing twice; an outage keeps windows, in order of time."""

import sqlite3
import sys
from collections import Counter
from pathlib import Path

import counted_lamppost
import pytest

from sim import flashfiles, office
from sim.city import City
from sim.faults import Faults

# Enough files that a cut has some before it, one within it, and some after.
CHANGED = ("calendar", "errors", "filters", "httpdate", "names", "ranges", "senml", "windows")
_SLOW_BYTES_S = 6000


@pytest.fixture(scope="module")
def requests(tmp_path_factory):
    """Give the file to which every server of this module writes its nodes' requests."""
    return tmp_path_factory.mktemp("requests") / "log"


@pytest.fixture(scope="module")
def city(tmp_path_factory, requests):
    """Give a city with 1.0.0 and 1.1.0, whose server counts requests."""
    folder = tmp_path_factory.mktemp("city")
    command = folder / "lamppost"
    script = Path(counted_lamppost.__file__)
    command.write_text(f"#!/bin/sh\nCOUNT_REQUESTS={requests} exec {sys.executable} {script} $@\n")
    command.chmod(0o755)
    with pytest.MonkeyPatch.context() as patch, City(folder / "home") as made:
        patch.setattr(office, "_command", lambda: str(command))
        made.open("1.0.0")
        marks = {f"core/{name}.py": lambda text: text + "\nMARK = 7\n" for name in CHANGED}
        made.release("1.1.0", marks)
        yield made


@pytest.fixture
def node(city):
    """Give a node that has enrolled and measured."""
    made = city.node(f"node-{len(city.nodes) + 1}", "1.0.0")
    made.power_on()
    made.wait_text("acknowledged", 40)
    yield made
    made.close()


def fetched(requests, since=0):
    """Return the files that were asked for, in order."""
    lines = requests.read_text().splitlines()[since:]
    return [line.removeprefix("GET /files/") for line in lines if line.startswith("GET /files/")]


def confirmed(city, node, rollout):
    city.wait_action(rollout, node, "confirmed", 90)
    assert flashfiles.version(node.flash.path) == "1.1.0"


@pytest.mark.timeout(180)
def test_a_cut_in_a_download_costs_the_one_file_that_was_on_its_way(city, node, requests):
    since = len(requests.read_text().splitlines())
    city.proxy.faults.bytes_per_s = _SLOW_BYTES_S
    rollout = city.rollout("1.1.0", node)
    city.wait(lambda: len(fetched(requests, since)) >= 4, 60, "the fourth file")
    node.power_off()
    before = fetched(requests, since)
    city.proxy.faults = Faults()
    node.power_on()
    confirmed(city, node, rollout)
    times = Counter(fetched(requests, since))
    assert len(times) == len(CHANGED)
    assert set(before) < set(times)
    assert {digest for digest, count in times.items() if count > 1} <= {before[-1]}
    assert times[before[-1]] <= 2


@pytest.mark.timeout(180)
@pytest.mark.parametrize("change", [3, 8])
def test_a_cut_in_the_swap_fetches_nothing_again(city, node, requests, change):
    since = len(requests.read_text().splitlines())
    rollout = city.rollout("1.1.0", node)
    node.wait_text("update 1.1.0: verified", 60)
    node.cut_power_at(change, "change", "within")
    node.wait(lambda: node.state == "off", 60, "the power cut")
    assert node.cuts == 1
    node.power_on()
    confirmed(city, node, rollout)
    assert len(fetched(requests, since)) == len(set(fetched(requests, since))) == len(CHANGED)


def arrivals(city, node):
    """Return (time, box, seq) of each window of PM2.5 in the order in which it came."""
    database = sqlite3.connect(city.home / "server" / "lamppost.db")
    query = (
        "SELECT time, box, seq FROM observations"
        " WHERE device_id = ? AND stream = 'pm25' ORDER BY rowid"
    )
    try:
        return database.execute(query, (node.id,)).fetchall()
    finally:
        database.close()


@pytest.mark.timeout(180)
def test_windows_that_waited_through_an_outage_arrive_late_in_order_and_once(city, node):
    known = len(arrivals(city, node))
    city.proxy.faults.refuse = True
    city.proxy.cut()
    for _ in range(2):  # one half before, one after a power cut
        for _ in range(4):
            node.wait_text("sample: window", 20, node.console.length)
        node.power_off()
        node.power_on()
    node.wait_text("clock: set by", 30, node.console.length)
    node.wait_text("sample: window", 20, node.console.length)
    waited = len(arrivals(city, node))
    city.proxy.faults = Faults()
    city.wait(lambda: len(arrivals(city, node)) >= waited + 8, 60, "the windows that waited")
    node.wait_text("acknowledged", 30, node.console.length)
    node.power_off()
    came = arrivals(city, node)
    assert waited <= known + 1
    assert [time for time, _, _ in came] == sorted(time for time, _, _ in came)
    stored = {(box, seq) for _, box, seq in came}
    assert len(stored) == len(came)
    produced, unsent = flashfiles.outbox(node.flash.path)
    assert stored | unsent == produced


@pytest.mark.timeout(120)
def test_folders_among_the_segments_cost_no_start(city, node):
    node.power_off()
    odd = {"outbox/89999998.0000abcd/x": b"", "outbox/y.new/z": b""}
    flashfiles.change(node.flash.path, "data", odd)
    mark = node.console.length
    node.power_on()
    node.wait_text("acknowledged", 40, mark)
    assert node.resets == ["power_on", "power_on"]
