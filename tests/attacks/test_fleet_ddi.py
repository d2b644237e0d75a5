"""Attacks of a node on what it may say of itself and its updates: all of it fits the database."""

import json
import secrets

import pytest
from bundles import Publisher

from fleet import limits


@pytest.fixture
def offered(server):
    """Give a node to which an update is offered, and the link of its action."""
    board = f"board-{secrets.token_hex(4)}"
    Publisher(server).publish("1.1.0", board, main=b"print(1)")
    node = server.node(board=board)
    body = {"version": "1.1.0", "devices": [node.device_id]}
    rollout = server.admin.post("/rollouts", json=body).json()["id"]
    link = node.client.get(node.ddi).json()["_links"]["deploymentBase"]["href"]
    return node, link.partition("?")[0], rollout


@pytest.mark.parametrize("character", ["x", '"', "\u00e9", "\U0001f4a1"])
def test_details_of_any_characters_are_kept_as_far_as_they_fit(server, offered, character):
    node, link, rollout = offered
    details = ["state=failed", "reason=full", *[character * 200] * 18]
    status = {"execution": "closed", "result": {"finished": "failure"}, "details": details}
    body = json.dumps({"status": status}, ensure_ascii=False).encode()
    answer = node.client.post(f"{link}/feedback", content=body)
    assert answer.status_code == 200
    action = server.admin.get(f"/rollouts/{rollout}").json()["actions"][0]
    assert (action["state"], action["reason"]) == ("failed", "full")


def test_a_version_longer_than_the_table_holds_is_no_version(server):
    node = server.node()
    long = "999999999.999999999.999999999-" + "a" * 34
    for version in (long, long + "a"):
        body = {"mode": "merge", "data": {"version": version}}
        assert node.client.put(f"{node.ddi}/configData", json=body).status_code == 200
        assert server.admin.get(f"/devices/{node.device_id}").json()["version"] == long


def test_what_is_kept_of_one_update_is_bounded_and_its_end_is_kept(server, offered):
    node, link, rollout = offered

    def say(execution, finished, word):
        status = {"execution": execution, "result": {"finished": finished}}
        status["details"] = [f"state={word}"]
        answer = node.client.post(f"{link}/feedback", json={"status": status})
        assert answer.status_code == 200

    for _ in range(limits.REPORTS + 5):
        say("proceeding", "none", "downloading")
    say("closed", "success", "confirmed")
    action = server.admin.get(f"/rollouts/{rollout}").json()["actions"][0]
    words = [report["state"] for report in action["reports"]]
    assert words == ["downloading"] * limits.REPORTS + ["confirmed"]
