"""A node's hard times on a rig: resets, power cuts, no network, no time, no room on its flash.

The tests of this file go on from one another: it is one node's life. What a rig cannot do is
skipped, with the reason.
"""

import random
import time

import pytest

from hil_tests import windows
from hil_tests.changes import ONE_LINE
from hil_tests.rigs.rig import flash_of
from ota.core import bootrecord
from sim import flashfiles

pytestmark = pytest.mark.timeout(3600)

SEED = 1
CUTS = 4
# Seconds after power-on on an emulated node: within the boot code, the imports, the enrolment.
PRESSES_S = (0.0, 0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 1.0, 1.3)
YEAR_2000, YEAR_2050 = 946_684_800, 2_524_608_000


def record(node):
    """Return the boot record that lies on the flash of a node without power."""
    data = flashfiles.read(node.flash_path, "data")
    return bootrecord.newest([data.get("boot.0"), data.get("boot.1")])


def never_dark(node):
    assert node.lamp is None or node.lamp.dark_s == 0


def started_anew(rig, node):
    """Take the power and give it back; return the mark of this start and its time."""
    node.power_off()
    mark, began = node.console.length, int(time.time())
    node.power_on()
    node.wait_text("main: release", 20 * rig.patience, mark)
    return mark, began


def test_a_storm_of_resets_from_its_first_boot_on(rig, city, node):
    for moment_s in PRESSES_S:
        time.sleep(moment_s * rig.patience)  # the moment is what is tried, nothing is waited for
        node.press_reset()
    mark = node.console.length
    node.wait_text("acknowledged", 60 * rig.patience, mark)
    assert "main: release 1.0.0 from /data/a" in node.console.since(mark)
    assert city.device(node)["state"] == "active"
    never_dark(node)
    if node.flash_path:
        node.power_off()
        assert record(node) == bootrecord.fresh() | {"n": record(node)["n"]}
        node.power_on()


def test_power_cuts_at_any_moment_cost_no_window(rig, city, node, told):
    chance = random.Random(SEED)
    for _ in range(CUTS):
        mark, _ = started_anew(rig, node)
        node.wait_text("clock: set by", 30 * rig.patience, mark)
        node.wait_text("sample: window", 30 * rig.patience, mark)
        time.sleep(chance.uniform(0, rig.window_s))
    started_anew(rig, node)
    windows.wait_arrived(city, node, 60 * rig.patience)
    node.power_off()
    came = windows.each_once(city, node)
    told["windows over power cuts"] = f"{len(came)} over {CUTS}"
    assert len(came) > CUTS
    never_dark(node)
    node.power_on()


@pytest.mark.parametrize("what", ["server", "wifi"])
def test_windows_wait_while_the_network_is_away(rig, city, node, what):
    lose, find = {
        "server": (node.network.cut, node.network.restore),
        "wifi": (node.network.lose_wifi, node.network.find_wifi),
    }[what]
    windows.wait_arrived(city, node, 60 * rig.patience)
    lose()
    try:
        before = len(windows.arrivals(city, node))
        if what == "wifi":
            node.wait_text("network: lost", 30 * rig.patience, node.console.length)
        for _ in range(2):
            node.wait_text("sample: window", 20 * rig.patience, node.console.length)
        assert len(windows.arrivals(city, node)) <= before + 1
    finally:
        find()
    came = windows.wait_arrived(city, node, 90 * rig.patience)
    assert len(came) >= before + 2
    times = [when for when, _, _ in came[before:]]
    assert times == sorted(times)


def test_windows_of_a_start_without_time_are_dated_later(rig, city, node):
    before = len(windows.wait_arrived(city, node, 60 * rig.patience))
    node.clock.be_silent()
    node.network.cut()
    try:
        mark, began = started_anew(rig, node)
        for _ in range(2):
            node.wait_text("sample: window", 30 * rig.patience, node.console.length)
        assert "clock: set by" not in node.console.since(mark)
    finally:
        node.network.restore()
    node.wait_text("clock: set by date", 60 * rig.patience, mark)
    came = windows.wait_arrived(city, node, 60 * rig.patience)[before:]
    node.clock.tell_truth()
    assert len(came) >= 2
    assert all(began - 2 <= when <= time.time() + 2 for when, _, _ in came), (began, came)


@pytest.mark.parametrize("lie", [YEAR_2000, YEAR_2050])
def test_a_time_server_that_lies_dates_no_window(rig, city, node, lie):
    windows.wait_arrived(city, node, 60 * rig.patience)
    node.clock.tell(lie)
    try:
        mark, began = started_anew(rig, node)
        node.wait_text("acknowledged", 90 * rig.patience, mark)
        came = windows.wait_arrived(city, node, 60 * rig.patience)
    finally:
        node.clock.tell_truth()
    assert all(when <= time.time() + 2 for when, _, _ in came), came
    assert max(when for when, _, _ in came) >= began


def test_a_full_flash_stops_updates_and_nothing_else(rig, city, node, told):
    path = flash_of(node)
    city.release("1.1.0", ONE_LINE)
    node.power_off()
    flashfiles.fill(path, "data", left=4)
    mark, _ = started_anew(rig, node)
    node.wait_text("acknowledged", 60 * rig.patience, mark)
    never_dark(node)
    reason = city.wait_action(city.rollout("1.1.0", node), node, "failed", 60 * rig.patience)
    told["an update of a full flash"] = reason
    assert "FlashFull" in reason
    node.wait_text("acknowledged", 60 * rig.patience, node.console.length)
    node.power_off()
    windows.each_once(city, node)
    flashfiles.change(path, "data", {flashfiles.FILLER: None})
    node.power_on()
    city.wait_action(city.rollout("1.1.0", node), node, "confirmed", 90 * rig.patience)
    never_dark(node)
