"""A node's heartbeats at a real server: its restarts by cause, and what it loses."""

import os
import signal

import pytest

from sim import flashfiles


@pytest.fixture
def node(city):
    """Give a node that has enrolled and tells how it fares with each poll."""
    made = city.node(f"node-{len(city.nodes) + 1}", "1.0.0", heartbeat_s=1)
    made.power_on()
    made.wait_text("enrol: certificate", 40)
    yield made
    made.close()


def told(city, node):
    """Return the last heartbeat, {} as long as there is none."""
    return city.api("GET", f"/devices/{node.id}")["heartbeat"] or {}


def starts(city, node):
    """Return the counts of starts that are not 0."""
    found = told(city, node).get("starts", {})
    return {cause: count for cause, count in found.items() if count}


def version(city, node):
    """Return the release that the node says it runs."""
    return city.api("GET", f"/devices/{node.id}")["version"]


def wait_starts(city, node, expected, deadline_s=40):
    """Wait until the node has told of these starts; no other count may come first."""

    def seen():
        found = starts(city, node)
        assert all(found.get(cause, 0) <= expected.get(cause, 0) for cause in found), found
        return found == expected

    city.wait(seen, deadline_s, f"starts {expected}", told=lambda: node.console.text[-3000:])


@pytest.mark.timeout(120)
def test_it_tells_how_it_fares(city, node):
    city.wait(lambda: told(city, node), 30, "a heartbeat")
    city.wait(lambda: told(city, node)["clock"] in ("sntp", "date"), 30, "a clock")
    found = told(city, node)
    assert found["heap_free"] > 20_000
    assert -100 < found["rssi"] < 0
    assert found["outbox"] < 5
    assert (found["dropped"], found["set_aside"], found["errors"]) == (0, 0, {})
    assert (found["refusals"], found["refused"]) == (0, {})
    assert starts(city, node) == {"power_on": 1}
    device = city.device(node)
    assert device["version"] == "1.0.0"
    assert device["heartbeat"]["uptime_s"] >= found["uptime_s"]
    assert device["attributes"]["board"] == "esp32"
    later = found["uptime_s"] + 1
    city.wait(lambda: told(city, node)["uptime_s"] > later, 20, "the next heartbeat")


@pytest.mark.timeout(240)
def test_every_restart_is_told_by_its_cause(city, node):
    expected = {"power_on": 1}
    wait_starts(city, node, expected)

    node.power_off()
    node.power_on()
    expected["power_on"] += 1
    wait_starts(city, node, expected)

    os.kill(node.pid, signal.SIGSEGV)  # as a panic of the chip
    expected["hard"] = 1
    wait_starts(city, node, expected)

    mark = node.console.length
    node.send(b"\x03")
    node.wait_text(">>> ", 20, mark)
    node.send(b"\x04")
    expected["soft"] = 1
    wait_starts(city, node, expected)

    mark = node.console.length
    node.send(b"\x03")
    node.wait_text(">>> ", 20, mark)
    node.send(b"import machine; dog = machine.WDT(timeout=100)\r")
    expected["watchdog"] = 1
    wait_starts(city, node, expected)

    city.release("1.1.0", {"core/ranges.py": lambda text: text.replace("(0, 1000)", "(0, 900)")})
    city.wait_action(city.rollout("1.1.0", node), node, "confirmed", 90)
    expected["planned"] = 1
    wait_starts(city, node, expected)
    assert version(city, node) == "1.1.0"


@pytest.mark.timeout(240)
def test_a_release_that_confirms_and_then_crashes_is_seen_between_its_crashes(city, node):
    def crashing(text):
        return text.replace("node.dead.wait()", "asyncio.wait_for(node.dead.wait(), 9)")

    wait_starts(city, node, {"power_on": 1})
    city.release("1.3.0", {"main.py": crashing})
    city.wait_action(city.rollout("1.3.0", node), node, "confirmed", 60)
    seen = set()

    def crashed_thrice():
        found = starts(city, node)
        seen.add((version(city, node), found.get("crash", 0)))
        return found == {"power_on": 1, "planned": 1, "crash": 3}

    city.wait(crashed_thrice, 90, "three crashes", told=lambda: node.console.text[-3000:])
    assert {("1.3.0", crashes) for crashes in range(4)} <= seen
    assert node.lamp.dark_s == 0


@pytest.mark.timeout(240)
def test_a_release_that_goes_back_is_two_plans(city, node):
    def broken(_):
        return 'async def run(node):\n    raise RuntimeError("built to fail")\n'

    wait_starts(city, node, {"power_on": 1})
    city.release("1.2.0", {"tasks/selftest.py": broken})
    city.wait_action(city.rollout("1.2.0", node), node, "rolled_back", 90)
    wait_starts(city, node, {"power_on": 1, "planned": 2})
    assert version(city, node) == "1.0.0"
    assert told(city, node)["restarts"] == 0


@pytest.mark.timeout(240)
def test_a_node_without_room_for_an_errand_restarts_by_plan(city):
    """As an ESP32 does: it enrols and updates in starts of their own, which are no crashes."""
    cramped = {"tasks/measuring.py": lambda text: text.replace("= 40960", "= 1 << 40")}
    city.release("0.9.0", cramped)
    city.release("1.0.1", {"core/ranges.py": lambda text: text.replace("(0, 1000)", "(0, 800)")})
    with city.node("cramped", "0.9.0", heartbeat_s=1) as node:
        node.power_on()
        wait_starts(city, node, {"power_on": 1, "planned": 1}, 60)
        node.wait_text("acknowledged", 30)
        city.wait_action(city.rollout("1.0.1", node), node, "confirmed", 90)
        wait_starts(city, node, {"power_on": 1, "planned": 3})
        shown = node.console.text
        for why in ("measuring again", "room for an update", "update to 1.0.1"):
            assert shown.count("planned reset: " + why) == 1
        node.wait_text("acknowledged", 30, node.console.length)
        assert told(city, node)["restarts"] == 0


@pytest.mark.timeout(120)
def test_a_file_that_changes_on_the_flash_is_found_and_left_for_the_other_slot(city):
    with city.node("rotten", "1.0.0", heartbeat_s=1, verify_s=2) as node:
        node.power_on()
        node.wait_text("acknowledged", 40)
        flashfiles.rot(node.flash.path, "data", "a/firmware/main.mpy")
        city.wait(lambda: told(city, node).get("errors", {}).get("fell"), 60, "word of it")
        console = node.console.text
        assert node.resets == ["power_on", "hard"]
    assert "drift: slot a: firmware/main.mpy is damaged" in console
    assert "planned reset: slot a: firmware/main.mpy is damaged" in console
    assert "back to slot b: firmware/main.mpy is damaged" in console
    events = city.api("GET", f"/devices/{node.id}/timeline")["entries"]
    assert "fell" in [event["what"] for event in events if event["source"] == "heartbeat"]
