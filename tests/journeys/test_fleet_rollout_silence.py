"""Silence counts: before an update is staged it is no blame, after it is a failure; who comes
back is brought to the release that is wanted."""

import pytest
from controllers import Operator, offered


@pytest.fixture
def operator(server):
    return Operator(server)


def test_who_is_silent_before_staging_moves_to_the_next_wave(operator):
    nodes = operator.controllers(3)
    waves = [{"count": 2}, {"percent": 100}]
    rollout = operator.create("1.1.0", nodes, waves=waves)
    silent = nodes[0].begin()
    nodes[0].says(silent, "downloading")
    nodes[1].update()
    operator.silence(nodes[0])
    shown = operator.until(rollout, wave=2)
    moved = operator.action(rollout, nodes[0])
    assert (moved["wave"], moved["moves"]) == (2, 1)
    assert shown["waves"][0]["counts"] == {"confirmed": 1}
    assert operator.server.audit(nodes[0].id)[0]["act"] == "update.moved"
    # It comes back within the second wave, which is its own now.
    nodes[2].update()
    offered(nodes[0])
    nodes[0].update()
    operator.until(rollout, state="finished", counts={"confirmed": 3})


def test_a_wave_in_which_all_are_silent_tells_nothing_and_nobody_follows(operator):
    nodes = operator.controllers(2)
    waves = [{"count": 1}, {"percent": 100}]
    rollout = operator.create("1.1.0", nodes, waves=waves)
    operator.silence(nodes[0])
    shown = operator.until(rollout, state="paused")
    assert shown["reason"] == "wave 1: 0 of 1 outcomes that were wanted"
    assert nodes[1].poll() == {}
    operator.steer(rollout, "resume")
    operator.until(rollout, wave=2)


def test_in_the_last_wave_it_stays_unreached_until_it_comes_back(operator):
    nodes = operator.controllers(2)
    rollout = operator.create("1.1.0", nodes, waves=[{"percent": 100}])
    nodes[1].update()
    operator.silence(nodes[0])
    shown = operator.until(rollout, state="finished")
    assert shown["counts"] == {"confirmed": 1, "unreached": 1}
    first = operator.action(rollout, nodes[0])["id"]
    offered(nodes[0])
    nodes[0].update()
    shown = operator.until(rollout, counts={"confirmed": 2})
    assert shown["state"] == "finished"
    rows = [row for row in shown["actions"] if row["device"] == nodes[0].id]
    assert [(row["id"] == first, row["state"]) for row in rows] == [
        (True, "unreached"),
        (False, "confirmed"),
    ]
    acts = [event["act"] for event in operator.server.audit(nodes[0].id)]
    assert acts[:3] == ["update.confirmed", "update.again", "update.unreached"]
    assert nodes[0].poll() == {}


def test_who_is_silent_after_staging_has_failed_and_made_it_by_itself(operator):
    nodes = operator.controllers(3)
    waves = [{"count": 1}, {"percent": 100}]
    rollout = operator.create("1.1.0", nodes, waves=waves)
    silent = nodes[0].update(until="staged")
    operator.silence(nodes[0])
    shown = operator.until(rollout, state="paused")
    failed = operator.action(rollout, nodes[0])
    assert (failed["state"], failed["reason"], shown["wave"]) == ("failed", "silent", 1)
    # As long as the rollout is paused nobody gets anything, and what is over stays over.
    assert nodes[0].says(silent, "confirmed") == 410
    assert nodes[0].poll() == {}
    operator.steer(rollout, "resume")
    operator.until(rollout, wave=2)
    offered(nodes[0])
    again = nodes[0].begin()
    assert again != silent
    assert nodes[0].says(again, "confirmed") == 200  # "runs already"
    nodes[1].update()
    nodes[2].update()
    operator.until(rollout, state="finished", counts={"confirmed": 3})


def test_nobody_waits_for_one_that_comes_back_and_stays_silent(operator):
    (node,) = operator.controllers(1)
    rollout = operator.create("1.1.0", [node])
    operator.silence(node)
    operator.until(rollout, state="finished", counts={"unreached": 1})
    offered(node)
    operator.silence(node)
    operator.until(rollout, counts={"unreached": 1})
    assert operator.show(rollout)["state"] == "finished"


def test_whoever_comes_back_keeps_to_the_cap(operator):
    nodes = operator.controllers(3)
    rollout = operator.create("1.1.0", nodes, max_in_flight=1, waves=[{"percent": 100}])
    for node in nodes:
        offered(node)
        operator.silence(node)
    operator.until(rollout, state="finished", counts={"unreached": 3})
    for node in nodes:
        node.poll()
    going = operator.until(rollout, counts={"requested": 1, "pending": 2})
    assert sum(row["active"] for row in going["actions"]) == 1


def test_after_an_abort_or_a_roll_back_nobody_catches_up(operator):
    for act in ("abort", "rollback"):
        (node,) = operator.controllers(1)
        rollout = operator.create("1.1.0", [node], soak_s=3600)
        operator.silence(node)
        operator.until(rollout, counts={"unreached": 1})
        operator.steer(rollout, act)
        assert node.poll() == {}
        assert node.poll() == {}
        assert operator.show(rollout)["counts"] == {"unreached": 1}
