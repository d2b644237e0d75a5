"""Rollouts in waves with plain DDI clients: what brings them on, what stops them by itself."""

import pytest
from controllers import Operator, offered

WAVES = [{"count": 1}, {"percent": 50}, {"percent": 100}]
AT_ONCE = [{"percent": 100}]


@pytest.fixture
def operator(server):
    return Operator(server)


def test_waves_follow_each_other_in_the_order_that_was_named(operator):
    nodes = operator.controllers(6, "1.0.0")
    nodes.sort(key=lambda node: node.id, reverse=True)
    rollout = operator.create("1.1.0", nodes, waves=WAVES)
    shown = operator.show(rollout)
    assert [wave["planned"] for wave in shown["waves"]] == [1, 2, 3]
    assert [wave["state"] for wave in shown["waves"]] == ["running", "waiting", "waiting"]
    assert shown["counts"] == {"requested": 1, "pending": 5}
    assert shown["plan"]["waves"] == WAVES
    assert all(node.poll() == {} for node in nodes[1:])
    nodes[0].update()
    operator.until(rollout, wave=2, counts={"confirmed": 1, "requested": 2, "pending": 3})
    nodes[1].update()
    assert operator.show(rollout)["wave"] == 2
    assert all(node.poll() == {} for node in nodes[3:])
    nodes[2].update()
    operator.until(rollout, wave=3)
    for node in nodes[3:]:
        node.update()
    ended = operator.until(rollout, state="finished", counts={"confirmed": 6})
    assert [wave["state"] for wave in ended["waves"]] == ["passed"] * 3
    assert {row["from_version"] for row in ended["actions"]} == {"1.0.0"}
    acts = [event["act"] for event in operator.server.audit(f"rollout {rollout}")]
    assert acts == ["rollout.finish", "rollout.wave", "rollout.wave"]


def test_a_wave_that_fails_stops_everything_and_touches_nobody_else(operator):
    nodes = operator.controllers(4)
    rollout = operator.create("1.1.0", nodes, waves=WAVES)
    nodes[0].update("rolled_back")
    shown = operator.until(rollout, state="paused")
    assert shown["reason"] == "wave 1: 1 of 1 failed"
    assert [wave["state"] for wave in shown["waves"]] == ["failed", "waiting", "waiting"]
    assert operator.words(rollout, nodes) == ["rolled_back", "pending", "pending", "pending"]
    assert all(node.poll() == {} for node in nodes)
    assert operator.server.audit(f"rollout {rollout}")[0]["detail"]["reason"] == shown["reason"]


def test_what_an_operator_accepted_does_not_stop_it_again_by_itself(operator):
    nodes = operator.controllers(4)
    rollout = operator.create("1.1.0", nodes, waves=[{"count": 2}, {"percent": 100}])
    nodes[0].update("failed")
    operator.until(rollout, state="paused")
    assert nodes[1].poll() == {}
    operator.steer(rollout, "resume")
    nodes[1].update()
    operator.until(rollout, state="active", wave=2)
    nodes[2].update("failed")
    assert operator.until(rollout, state="paused")["reason"] == "wave 2: 1 of 1 failed"
    operator.steer(rollout, "resume")
    nodes[3].update()
    operator.until(rollout, state="finished", counts={"failed": 2, "confirmed": 2})


def test_thresholds_wait_for_their_sample(operator):
    nodes = operator.controllers(4)
    plan = {"min_sample": 3, "failure_percent": 50, "success_percent": 60}
    rollout = operator.create("1.1.0", nodes, waves=AT_ONCE, **plan)
    nodes[0].update("failed")
    nodes[1].update()
    assert operator.until(rollout, counts={"failed": 1, "confirmed": 1, "requested": 2})
    nodes[2].update("expired")
    shown = operator.until(rollout, state="paused")
    assert shown["reason"] == "wave 1: 2 of 3 failed"


def test_the_cap_holds_over_the_whole_rollout(operator):
    nodes = operator.controllers(5)
    rollout = operator.create("1.1.0", nodes, waves=AT_ONCE, max_in_flight=2)
    assert operator.words(rollout, nodes) == ["requested"] * 2 + ["pending"] * 3
    for ended, node in enumerate(nodes, 1):
        offered(node)
        assert operator.show(rollout)["counts"].get("requested", 0) <= 2
        node.update()
        for free in nodes[ended : ended + 2]:
            offered(free)
    operator.until(rollout, state="finished")


def test_a_release_that_crashes_later_is_stopped_in_its_soak(operator):
    nodes = operator.controllers(3)
    nodes[0].describes(starts_crash="5", starts_watchdog="1", starts_hard="0")
    plan = {"waves": [{"count": 1}, {"percent": 100}], "soak_s": 3600, "max_restarts": 2}
    rollout = operator.create("1.1.0", nodes, **plan)
    nodes[0].update()
    soaking = operator.until(rollout, settled_at=operator.action(rollout, nodes[0])["changed_at"])
    assert [wave["state"] for wave in soaking["waves"]] == ["soaking", "waiting"]
    # Planned starts and what was before the update do not count.
    nodes[0].describes(starts_crash="7", starts_watchdog="1", starts_planned="40")
    assert operator.action(rollout, nodes[0])["restarts"] == 2
    assert operator.show(rollout)["state"] == "active"
    nodes[0].describes(starts_crash="7", starts_watchdog="1", starts_hard="1")
    shown = operator.until(rollout, state="paused", reason="wave 1: 1 of 1 failed")
    assert shown["counts"] == {"confirmed": 1, "pending": 2}
    assert shown["waves"][0]["state"] == "failed"
    # Accepted, the same restarts let it go on; its soak is not over.
    operator.steer(rollout, "resume")
    assert operator.show(rollout)["state"] == "active"


def test_a_node_that_never_told_its_restarts_begins_at_its_first_heartbeat(operator):
    (node,) = operator.controllers(1)
    rollout = operator.create("1.1.0", [node], max_restarts=0, soak_s=3600)
    node.update()
    node.describes(starts_crash="50")
    assert operator.action(rollout, node)["restarts"] == 0
    node.describes(starts_crash="51")
    operator.until(rollout, state="paused")


def test_a_site_is_a_target_and_a_board_chooses_from_it(operator):
    site = f"site-{operator.name}"
    here = operator.controllers(2, site=site)
    operator.server.node(site=site, board="other")
    operator.server.add(site, operator.board)  # claimed, never enrolled
    body = {"version": "1.1.0", "site": site, "board": operator.board}
    made = operator.api.post("/rollouts", json=body).json()
    assert [row["device"] for row in made["actions"]] == sorted(node.id for node in here)
    refused = operator.api.post("/rollouts", json={**body, "board": "absent"})
    assert refused.status_code == 422
    refused = operator.api.post("/rollouts", json={"version": "1.1.0", "site": site})
    assert refused.json()["type"] == "urn:lamppost:problem:release-missing"


def test_actions_come_in_pages(operator):
    nodes = operator.controllers(5)
    rollout = operator.create("1.1.0", nodes, waves=AT_ONCE)
    seen, after = [], 0
    while after is not None:
        params = {"after": after, "limit": 2}
        page = operator.api.get(f"/rollouts/{rollout}", params=params).json()
        seen += [row["device"] for row in page["actions"]]
        assert page["counts"] == {"requested": 5}
        after = page["next"]
    assert sorted(seen) == sorted(node.id for node in nodes)
