"""One node, end to end, on a rig: boots, enrols, reports, takes an update, reverts a bad one.

The tests of this file go on from one another: it is one node's life. The figures of the memory
budget (hil_tests/budget.py) come from the firmware's own log lines.
"""

import time

import pytest

from hil_tests.budget import above_the_least, figures, within_budget
from hil_tests.changes import ONE_LINE

pytestmark = pytest.mark.timeout(5400)


def broken(_):
    return '"""Fails."""\n\n\nasync def run(node):\n    raise RuntimeError("built to fail")\n'


def measured(city, node, stream):
    rows = city.readings(node)
    return [row for row in rows if row["stream"] == stream and row["value"] is not None]


def start(rig, node):
    """Return a mark for `timed`: the clock on the wall and the machine's CPU seconds."""
    return time.monotonic(), rig.cpu_s(node)


def timed(told, name, rig, node, mark):
    began, cpu_s = mark
    told[name] = f"{time.monotonic() - began:.1f} s by the clock on the wall"
    if cpu_s is not None:
        told[name] += f", {rig.cpu_s(node) - cpu_s:.1f} s of CPU"


def test_it_boots_and_enrols_with_a_key_of_its_own(rig, city, node, told):
    began = start(rig, node)
    node.wait_text("main: memory", 20 * rig.patience)
    timed(told, "boot", rig, node, began)
    node.wait_text("enrol: certificate", 30 * rig.patience)
    timed(told, "boot and enrolment", rig, node, began)
    assert city.device(node)["state"] == "active"
    told["after boot"] = figures(node.console.text, "main: memory")


def test_it_reports_windows_made_from_raw_bytes(rig, city, node, told):
    node.wait_text("acknowledged", 20 * rig.patience, node.console.length)
    city.wait(lambda: measured(city, node, "pm25"), 40 * rig.patience, "a window of PM2.5")
    rows = city.readings(node)
    keys = {(row["box"], row["seq"], row["stream"]) for row in rows}
    assert len(keys) == len(rows)
    node.wait_text("memory with TLS open", 20 * rig.patience, node.console.length)
    told["TLS open"] = found = figures(node.console.text, "memory with TLS open")
    within_budget(found)


def test_it_goes_on_after_a_power_cut(rig, city, node, told):
    node.power_off()
    mark = node.console.length
    began = start(rig, node)
    node.power_on()
    node.wait_text("acknowledged", 40 * rig.patience, mark)
    timed(told, "from a power cut to readings acknowledged", rig, node, began)
    assert "enrol: certificate" not in node.console.since(mark)  # it has its own


def test_it_takes_a_good_release(rig, city, node, told):
    built = city.release("1.1.0", ONE_LINE)
    told["release"] = f"{built['files']} files, {built['bytes']} bytes, {built['blocks']} blocks"
    mark, began = node.console.length, start(rig, node)
    city.wait_action(city.rollout("1.1.0", node), node, "confirmed", 60 * rig.patience)
    timed(told, "update, trial and confirmation", rig, node, began)
    said = node.console.since(mark)
    told["lowest in the update"] = figures(said, "update: memory at the lowest")
    told["lowest in its trial"] = figures(said, "release 1.1.0 confirmed")
    city.wait(lambda: city.device(node)["version"] == "1.1.0", 30 * rig.patience, "1.1.0")


def test_it_reverts_a_release_that_fails_its_own_self_test(rig, city, node, told):
    city.release("1.2.0", ONE_LINE | {"tasks/selftest.py": broken})
    mark, began = node.console.length, start(rig, node)
    rollout = city.rollout("1.2.0", node)
    reason = city.wait_action(rollout, node, "rolled_back", 60 * rig.patience)
    timed(told, "update and way back", rig, node, began)
    lowest = figures(node.console.since(mark), "update: memory at the lowest")
    told["lowest in the second update"] = lowest
    assert "built to fail" in reason
    node.wait_text("release 1.1.0 from", 20 * rig.patience, mark)
    city.wait(lambda: city.device(node)["version"] == "1.1.0", 30 * rig.patience, "1.1.0")
    node.wait_text("acknowledged", 30 * rig.patience, node.console.length)


def test_updates_and_trials_keep_the_memory_budget(told):
    for moment in ("the update", "the second update", "its trial"):
        above_the_least(told[f"lowest in {moment}"])
