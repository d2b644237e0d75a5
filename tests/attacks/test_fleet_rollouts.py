"""Attacks on rollouts: other people's, absurd plans, nodes that lie about their updates."""

import pytest
from controllers import Operator
from fleetserver import new_id, problem

from fleet import limits

STEERING = ("pause", "resume", "abort", "rollback")


@pytest.fixture
def operator(server):
    return Operator(server)


@pytest.fixture
def sites(operator):
    """Give two sites with a node each, and a rollout at either and one at both."""
    names = [f"{place}-{operator.name}" for place in ("mine", "theirs")]
    nodes = [operator.controllers(2, "1.0.0", site=site) for site in names]
    mine, theirs = (operator.create("1.1.0", pair[:1]) for pair in nodes)
    both = operator.create("1.1.0", [pair[1] for pair in nodes], waves=[{"percent": 100}])
    return names, nodes, (mine, theirs, both)


def test_rollouts_of_other_sites_do_not_exist(operator, sites):
    (here, there), nodes, (mine, theirs, _) = sites
    scoped = operator.server.operator("admin", here)
    listed = [row["id"] for row in scoped.get("/rollouts").json()["rollouts"]]
    assert mine in listed
    assert theirs not in listed
    for method, path in (("GET", ""), *(("POST", f"/{act}") for act in STEERING)):
        answer = scoped.request(method, f"/rollouts/{theirs}{path}")
        assert (answer.status_code, problem(answer)) == (404, "not-found")
        # Word for word as if it had never existed.
        missing = scoped.request(method, f"/rollouts/{2**31 - 1}{path}")
        assert missing.text.replace(str(2**31 - 1), str(theirs)) == answer.text
    assert operator.show(theirs)["state"] == "active"
    assert nodes[1][0].poll().keys() == {"deploymentBase"}
    refused = scoped.post("/rollouts", json={"version": "1.1.0", "site": there})
    assert refused.status_code == 422
    assert there not in {event["site"] for event in scoped.get("/audit").json()["events"]}


def test_of_a_rollout_at_several_sites_one_sees_ones_own_and_steers_none(operator, sites):
    (here, there), nodes, (_, _, both) = sites
    scoped = operator.server.operator("operator", here)
    shown = scoped.get(f"/rollouts/{both}").json()
    assert [row["device"] for row in shown["actions"]] == [nodes[0][1].id]
    assert (shown["counts"], shown["waves"][0]["planned"]) == ({"requested": 1}, 1)
    for act in ("pause", "resume", "rollback"):
        answer = scoped.post(f"/rollouts/{both}/{act}")
        assert (answer.status_code, problem(answer)) == (403, "forbidden")
        assert there not in answer.text
    assert operator.show(both)["state"] == "active"
    refusals = operator.server.audit(f"rollout {both}")
    assert [event["act"] for event in refusals] == [
        "rollout.rollback",
        "rollout.resume",
        "rollout.pause",
    ]
    assert {event["outcome"] for event in refusals} == {"refused"}
    everywhere = operator.server.operator("operator")
    assert everywhere.post(f"/rollouts/{both}/pause").json()["state"] == "paused"


def test_an_auditor_steers_nothing(operator, sites):
    _, _, (mine, _, _) = sites
    auditor = operator.server.operator("auditor")
    assert auditor.get(f"/rollouts/{mine}").status_code == 200
    for act in STEERING:
        assert auditor.post(f"/rollouts/{mine}/{act}").status_code == 403
    assert operator.show(mine)["state"] == "active"


@pytest.mark.parametrize(
    "plan",
    [
        {"waves": []},
        {"waves": [{}]},
        {"waves": [{"count": 1, "percent": 10}]},
        {"waves": [{"count": 0}]},
        {"waves": [{"count": -1}, {"percent": 100}]},
        {"waves": [{"count": 1.5}, {"percent": 100}]},
        {"waves": [{"count": "1"}, {"percent": 100}]},
        {"waves": [{"count": True}, {"percent": 100}]},
        {"waves": [{"count": 10**30}]},
        {"waves": [{"percent": 101}]},
        {"waves": [{"percent": 0}]},
        {"waves": [{"percent": 50}, {"percent": 20}, {"percent": 100}]},
        {"waves": [{"percent": 100}, {"percent": 100}]},
        {"waves": [{"count": 1}] * (limits.WAVES + 1)},
        {"waves": "rest"},
        {"success_percent": 101},
        {"success_percent": -1},
        {"failure_percent": 10**9},
        {"failure_percent": float("1e308")},
        {"min_sample": 0},
        {"soak_s": -1},
        {"soak_s": 10**12},
        {"deadline_s": 0},
        {"deadline_s": 2**63},
        {"max_in_flight": 0},
        {"max_in_flight": 10**6},
        {"max_restarts": -1},
        {"soak_s": None},
        {"site": "harbour"},
        {"devices": None},
        {"devices": [], "site": "harbour"},
        {"devices": ["0" * 16] * (limits.ROLLOUT_DEVICES + 1)},
        {"devices": [new_id()] * 2},
    ],
)
def test_absurd_plans_are_refused(server, plan):
    body = {"version": "1.1.0", "devices": ["0" * 16], **plan}
    answer = server.admin.post("/rollouts", json=body)
    assert answer.status_code == 422
    problem(answer)


def test_waves_that_leave_nodes_out_are_refused_and_nothing_is_made(operator):
    nodes = operator.controllers(3)
    ids = [node.id for node in nodes]
    body = {"version": "1.1.0", "devices": ids, "waves": [{"count": 1}, {"percent": 67}]}
    answer = operator.api.post("/rollouts", json=body)
    assert (answer.status_code, problem(answer)) == (422, "plan-unsuited")
    assert all(node.poll() == {} for node in nodes)
    operator.create("1.1.0", nodes)


def test_a_device_is_in_one_rollout_and_once(operator):
    nodes = operator.controllers(2)
    operator.create("1.1.0", nodes)
    for node in nodes:  # under way, and waiting for its wave
        body = {"version": "1.2.0", "devices": [node.id]}
        answer = operator.api.post("/rollouts", json=body)
        assert (answer.status_code, answer.json()["devices"]) == (409, [node.id])
    (other,) = operator.controllers(1)
    rollout = operator.create("1.2.0", [other, other])
    assert len(operator.show(rollout)["actions"]) == 1


def test_a_node_cannot_touch_what_waits_for_it_or_for_others(operator):
    first, second = nodes = operator.controllers(2)
    rollout = operator.create("1.1.0", nodes)
    waiting = str(operator.action(rollout, second)["id"])
    for node, status in ((second, 410), (first, 404)):
        path = f"{node.node.ddi}/deploymentBase/{waiting}"
        assert node.get(path).status_code == status
        assert node.says(waiting, "confirmed") == status
        assert node.says(waiting, "cancelled", kind="cancelAction") == status
    assert operator.words(rollout, nodes) == ["requested", "pending"]


def test_a_node_that_claims_silence_gains_nothing(operator):
    first, second = nodes = operator.controllers(2)
    rollout = operator.create("1.1.0", nodes)
    action = first.begin()
    status = {"execution": "closed", "result": {"finished": "failure"}}
    status["details"] = ["state=unreached", "reason=silent"]
    path = f"{first.node.ddi}/deploymentBase/{action}/feedback"
    assert first.node.client.post(path, json={"status": status}).status_code == 200
    shown = operator.until(rollout, state="paused")
    assert shown["counts"] == {"failed": 1, "pending": 1}
    for _ in range(3):
        first.poll()
    assert operator.show(rollout)["counts"] == {"failed": 1, "pending": 1}
    assert second.poll() == {}
