"""Bringing back what a rollout updated, without disturbing a node in its trial."""

import pytest
from controllers import Operator

AT_ONCE = [{"percent": 100}]


@pytest.fixture
def operator(server):
    return Operator(server)


def test_the_updated_go_back_to_what_each_ran_and_nobody_else_is_touched(operator):
    old, older, failed, waiting = nodes = operator.controllers(4, "1.0.0")
    old.describes(version="1.0.5")
    plan = {"waves": [{"count": 3}, {"percent": 100}], "success_percent": 0}
    rollout = operator.create("1.1.0", nodes, **plan)
    old.update()
    older.update()
    failed.update("rolled_back")
    operator.until(rollout, state="paused")
    answer = operator.steer(rollout, "rollback")
    assert answer["left"] == []
    back = {each["version"]: each for each in answer["rollouts"]}
    assert sorted(back) == ["1.0.0", "1.0.5"]
    assert {each["reverts"] for each in answer["rollouts"]} == {rollout}
    closed = operator.show(rollout)
    assert (closed["state"], closed["wave"]) == ("rolled_back", 1)
    assert operator.words(rollout, nodes) == ["confirmed", "confirmed", "rolled_back", "cancelled"]
    assert failed.poll() == waiting.poll() == {}
    for node, version in ((old, "1.0.5"), (older, "1.0.0")):
        document = node.get(node.poll()["deploymentBase"]).json()
        assert document["deployment"]["chunks"][0]["version"] == version
        node.update()
        operator.until(back[version]["id"], state="finished", counts={"confirmed": 1})
        shown = operator.api.get(f"/devices/{node.id}").json()
        assert shown["version"] == version
    event = operator.server.audit(f"rollout {rollout}")[0]
    assert event["act"] == "rollout.rollback"
    assert event["detail"]["rollouts"] == [each["id"] for each in answer["rollouts"]]
    assert operator.server.audit(waiting.id)[0]["act"] == "rollout.rollback"
    assert operator.server.audit(failed.id)[0]["act"] == "update.rolled_back"
    again = operator.api.post(f"/rollouts/{rollout}/rollback")
    assert again.status_code == 409


def test_a_staged_node_is_left_alone_until_its_trial_has_told(operator):
    staged, booted, reverting = nodes = operator.controllers(3, "1.0.0")
    rollout = operator.create("1.1.0", nodes, waves=AT_ONCE)
    actions = [
        staged.update(until="staged"),
        booted.update(until="booted"),
        reverting.update(until="staged"),
    ]
    (back,) = operator.steer(rollout, "rollback")["rollouts"]
    assert back["counts"] == {"pending": 3}
    for node, action in zip(nodes, actions, strict=True):
        assert node.poll()["deploymentBase"].endswith(f"/{action}")
    assert staged.says(actions[0], "booted") == 200
    assert staged.says(actions[0], "confirmed") == 200
    assert booted.says(actions[1], "confirmed") == 200
    assert reverting.says(actions[2], "rolled_back") == 200
    operator.until(back["id"], counts={"requested": 3})
    for node in nodes:
        node.update()
    operator.until(back["id"], state="finished", counts={"confirmed": 3})


def test_a_node_that_cannot_be_stopped_any_more_goes_back_as_well(operator):
    quick, stopped = nodes = operator.controllers(2, "1.0.0")
    rollout = operator.create("1.1.0", nodes, waves=AT_ONCE)
    action = quick.update(until="verified")
    other = stopped.update(until="downloading")
    answer = operator.steer(rollout, "rollback")
    assert answer == {"rollouts": [], "left": []}
    assert list(quick.poll()) == list(stopped.poll()) == ["cancelAction"]
    assert stopped.says(other, "cancelled", kind="cancelAction") == 200
    assert quick.says(action, "staged") == 200
    assert quick.says(action, "failed", kind="cancelAction") == 200
    assert quick.says(action, "confirmed") == 200
    heads = operator.api.get("/rollouts").json()["rollouts"]
    (back,) = [head for head in heads if head["reverts"] == rollout]
    assert back["version"] == "1.0.0"
    operator.until(back["id"], counts={"requested": 1})
    quick.update()
    operator.until(back["id"], state="finished")
    assert stopped.poll() == {}


def test_a_node_silent_since_it_staged_is_brought_back_when_it_speaks(operator):
    (node,) = operator.controllers(1, "1.0.0")
    rollout = operator.create("1.1.0", [node])
    node.update(until="staged")
    operator.silence(node)
    operator.until(rollout, state="paused")
    (back,) = operator.steer(rollout, "rollback")["rollouts"]
    document = node.get(node.poll()["deploymentBase"]).json()
    assert document["deployment"]["chunks"][0]["version"] == "1.0.0"
    node.update()
    operator.until(back["id"], state="finished")


def test_who_cannot_go_back_is_named(operator):
    unknown, known, same = operator.controllers(3)
    known.describes(version="0.9.0")  # of which the server has no release
    same.describes(version="1.1.0")
    nodes = [unknown, known, same]
    rollout = operator.create("1.1.0", nodes, waves=AT_ONCE)
    for node in nodes:
        node.update()
    operator.until(rollout, state="finished")
    answer = operator.steer(rollout, "rollback")
    assert answer["rollouts"] == []
    assert sorted(answer["left"]) == sorted([unknown.id, known.id])
    assert operator.show(rollout)["state"] == "rolled_back"


def test_nodes_that_a_later_rollout_took_on_are_its_business(operator):
    here, moved = nodes = operator.controllers(2, "1.0.0")
    rollout = operator.create("1.1.0", nodes, waves=AT_ONCE)
    for node in nodes:
        node.update()
    operator.until(rollout, state="finished")
    later = operator.create("1.2.0", [moved])
    moved.update()
    operator.until(later, state="finished")
    (back,) = operator.steer(rollout, "rollback")["rollouts"]
    assert [row["device"] for row in back["actions"]] == [here.id]
    assert moved.poll() == {}
