"""An operator pauses, resumes and aborts while nodes poll: what each race comes to."""

import threading
from functools import partial

import pytest
from controllers import Operator

AT_ONCE = [{"percent": 100}]
ROUNDS = 5


@pytest.fixture
def operator(server):
    return Operator(server)


def at_once(*calls):
    """Make calls at the same moment; return their results in order."""
    barrier, results = threading.Barrier(len(calls)), [None] * len(calls)

    def run(index, call):
        barrier.wait(10)
        results[index] = call()

    threads = [threading.Thread(target=run, args=each) for each in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return results


def test_a_pause_withholds_what_has_not_begun_and_lets_the_rest_go_on(operator):
    unseen, seen, begun, hasty, waiting = nodes = operator.controllers(5)
    rollout = operator.create("1.1.0", nodes, waves=[{"count": 4}, {"percent": 100}])
    link = unseen.poll()["deploymentBase"]
    unread = hasty.poll()["deploymentBase"]
    blind = unread.partition("?")[0].rpartition("/")[2]
    assert hasty.says(blind, "downloading") == 200  # it begins before it has read the offer
    seen.begin()
    action = begun.begin()
    assert begun.says(action, "downloading") == 200
    assert operator.steer(rollout, "pause")["reason"] == "paused by an operator"
    # The link of a poll before the pause is worth nothing any more.
    assert unseen.get(link).status_code == 404
    assert operator.action(rollout, unseen)["offered_at"] is None
    assert unseen.poll() == seen.poll() == waiting.poll() == {}
    assert begun.get(begun.poll()["deploymentBase"]).status_code == 200  # after a restart, say
    assert hasty.get(hasty.poll()["deploymentBase"]).status_code == 200
    for word in ("verified", "staged", "booted", "confirmed"):
        assert begun.says(action, word) == 200
        assert hasty.says(blind, word) == 200
    operator.steer(rollout, "pause")  # once more is no error
    operator.steer(rollout, "resume")
    unseen.update()
    seen.update()
    operator.until(rollout, wave=2)
    waiting.update()
    operator.until(rollout, state="finished", counts={"confirmed": 5})
    refused = operator.api.post(f"/rollouts/{rollout}/resume")
    assert (refused.status_code, refused.json()["type"]) == (
        409,
        "urn:lamppost:problem:rollout-over",
    )


def test_a_pause_is_not_the_nodes_silence(operator):
    (node,) = operator.controllers(1)
    (busy,) = operator.controllers(1)
    rollout = operator.create("1.1.0", [node, busy], waves=AT_ONCE)
    busy.says(busy.begin(), "downloading")
    operator.steer(rollout, "pause")
    operator.silence(node, busy)
    # The deadline of an update under way goes on, and that of one withheld does not.
    operator.until(rollout, counts={"requested": 1, "unreached": 1})
    operator.steer(rollout, "resume")
    node.update()
    operator.until(rollout, counts={"confirmed": 1, "unreached": 1})


def test_an_offer_taken_back_between_poll_and_reading_is_never_begun(operator):
    (node,) = operator.controllers(1)
    rollout = operator.create("1.1.0", [node])
    link = node.poll()["deploymentBase"]
    assert operator.steer(rollout, "abort")["state"] == "aborted"
    assert node.get(link).status_code == 410
    assert node.says(link.rpartition("/")[2], "requested") == 410
    assert operator.action(rollout, node)["state"] == "cancelled"


def test_an_abort_in_the_moment_of_reading_leaves_no_node_with_an_offer_nobody_knows_of(operator):
    (node,) = operator.controllers(1)
    for _ in range(ROUNDS):
        rollout = operator.create("1.1.0", [node])
        link = node.poll()["deploymentBase"]
        read, _ = at_once(partial(node.get, link), partial(operator.steer, rollout, "abort"))
        action = operator.action(rollout, node)
        if read.status_code == 200:
            assert action["active"]
            assert action["cancelling"]
            assert node.says(str(action["id"]), "cancelled", kind="cancelAction") == 200
        else:
            assert read.status_code in (404, 410)
        assert operator.action(rollout, node)["state"] == "cancelled"
        assert node.poll() == {}


def test_what_is_being_taken_back_is_not_handed_out_again(operator):
    (node,) = operator.controllers(1)
    rollout = operator.create("1.1.0", [node])
    link = node.poll()["deploymentBase"]
    action = node.begin()
    operator.steer(rollout, "abort")
    assert list(node.poll()) == ["cancelAction"]
    assert node.get(link).status_code == 404
    assert node.says(action, "cancelled", kind="cancelAction") == 200
    assert node.says(action, "downloading") == 410


def test_a_node_past_staging_says_too_late_and_its_word_is_kept(operator):
    (node,) = operator.controllers(1)
    rollout = operator.create("1.1.0", [node])
    action = node.update(until="staged")
    operator.steer(rollout, "abort")
    assert node.get(node.poll()["cancelAction"]).status_code == 200
    assert node.says(action, "failed", kind="cancelAction") == 200
    assert node.says(action, "booted") == 200
    assert node.says(action, "confirmed") == 200
    shown = operator.show(rollout)
    assert (shown["state"], shown["counts"]) == ("aborted", {"confirmed": 1})


def test_of_a_confirmation_and_a_cancellation_at_once_one_counts(operator):
    (node,) = operator.controllers(1)
    for _ in range(ROUNDS):
        rollout = operator.create("1.1.0", [node])
        action = node.update(until="downloading")
        operator.steer(rollout, "abort")
        node.poll()
        answers = at_once(
            partial(node.says, action, "confirmed"),
            partial(node.says, action, "cancelled", kind="cancelAction"),
        )
        assert sorted(answers) == [200, 410]
        word = "confirmed" if answers[0] == 200 else "cancelled"
        assert operator.action(rollout, node)["state"] == word


def test_a_silent_node_does_not_hold_an_abort_up_for_ever(operator):
    early, late = nodes = operator.controllers(2)
    rollout = operator.create("1.1.0", nodes, waves=AT_ONCE)
    early.begin()
    late.update(until="staged")
    operator.steer(rollout, "abort")
    operator.silence(early, late)
    shown = operator.until(rollout, counts={"cancelled": 1, "failed": 1})
    assert shown["state"] == "aborted"
    assert operator.action(rollout, late)["reason"] == "silent"
    operator.create("1.2.0", nodes, waves=AT_ONCE)
    assert early.poll().keys() == late.poll().keys() == {"deploymentBase"}


def test_nobody_waits_behind_a_pause_for_what_was_aborted(operator):
    nodes = operator.controllers(2)
    rollout = operator.create("1.1.0", nodes)
    operator.steer(rollout, "pause")
    shown = operator.steer(rollout, "abort")
    assert (shown["state"], shown["counts"]) == ("aborted", {"cancelled": 2})
    operator.create("1.2.0", nodes)


def test_an_abort_of_one_site_leaves_the_others_going(operator):
    here, there = (f"{place}-{operator.name}" for place in ("here", "there"))
    (mine,) = operator.controllers(1, site=here)
    (other,) = operator.controllers(1, site=there)
    rollout = operator.create("1.1.0", [mine, other], waves=AT_ONCE)
    scoped = operator.server.operator("operator", here)
    shown = scoped.post(f"/rollouts/{rollout}/abort").json()
    assert (shown["state"], shown["counts"]) == ("active", {"cancelled": 1})
    assert mine.poll() == {}
    other.update()
    operator.until(rollout, state="finished", counts={"cancelled": 1, "confirmed": 1})


def test_a_refused_login_blocks_no_deployment(operator):
    node, other = operator.controllers(2)
    rollout = operator.create("1.1.0", [node])
    link = node.poll()["deploymentBase"]
    for stranger in (operator.server.anonymous, other.node.client):
        assert stranger.get(node.node.ddi).status_code == 403
        assert stranger.get(link).status_code == 403
    assert operator.action(rollout, node)["offered_at"] is None
    node.update()
    operator.until(rollout, state="finished")
