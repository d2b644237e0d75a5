"""Attacks through what nodes say of themselves, and on what others may learn of it."""

import json
import secrets
from concurrent.futures import ThreadPoolExecutor

import pytest
from fleetserver import new_id, problem

from fleet import limits


@pytest.fixture(scope="module")
def told(server):
    """Give a node that told of itself, and tells the same again before each attack."""
    return server.node()


@pytest.fixture
def sites():
    return [f"site-{secrets.token_hex(4)}" for _ in range(2)]


def put(node, data, mode="replace", path=None):
    body = json.dumps({"mode": mode, "data": data}).encode()
    return node.client.put(f"{path or node.ddi}/configData", content=body)


def beat(server, node):
    return server.admin.get(f"/devices/{node.device_id}").json()["heartbeat"]


def timeline(client, device_id, **params):
    return client.get(f"/devices/{device_id}/timeline", params=params)


def kinds(server, node):
    entries = timeline(server.admin, node.device_id, limit=1000).json()["entries"]
    return [entry["what"] for entry in entries if entry["source"] == "heartbeat"]


GOOD = {"uptime_s": "100", "outbox": "2", "starts.crash": "1", "clock": "sntp", "rssi": "-60"}


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("uptime_s", "-1"),
        ("uptime_s", "99999999999999999999999"),
        ("outbox", "2147483648"),
        ("outbox", "1e3"),
        ("starts.crash", "٣"),
        ("starts.crash", ""),
        ("starts.crash", "NaN"),
        ("clock", "SNTP; DROP TABLE devices"),
        ("rssi", "3000"),
    ],
)
def test_nonsense_leaves_the_last_good_value_and_all_others_arrive(server, told, key, text):
    node = told
    assert put(node, GOOD).status_code == 200
    before = beat(server, node)
    assert put(node, {**GOOD, "heap_free": "9000", key: text}).status_code == 200
    after = beat(server, node)
    assert after["heap_free"] == 9000
    assert after["refused"] == {key: text[: limits.REFUSED_CHARS]}
    assert after["refusals"] == before["refusals"] + 1
    same = ("uptime_s", "outbox", "starts", "clock", "rssi", "restarts")
    assert {name: after[name] for name in same} == {name: before[name] for name in same}
    assert kinds(server, node) == []


@pytest.mark.parametrize(
    "data",
    [
        {"uptime_s": 5},
        {"uptime_s": None},
        {"uptime_s": ["5"]},
        {"x": "\x00"},
        {"x": "\x1b[31m"},
        {"errors.\n": "1"},
        {"clock": "\ud800"},
        {"errors." + "x" * 64: "1"},
        {"uptime_s": "1" * 300},
        {f"errors.e{number}": "1" for number in range(51)},
    ],
)
def test_what_is_no_configdata_changes_nothing(server, told, data):
    node = told
    put(node, GOOD)
    before = beat(server, node)
    answer = put(node, {**GOOD, **data, "outbox": "9"})
    assert (answer.status_code, problem(answer)) == (400, "feedback-unreadable")
    assert beat(server, node) == before


def test_error_counters_are_bounded(server, told):
    flood = {f"errors.e{number}": "1" for number in range(40)}
    assert put(told, {**GOOD, **flood}).status_code == 200
    kept = beat(server, told)
    assert len(kept["errors"]) == limits.ERROR_NAMES
    assert len(kept["refused"]) == 40 - limits.ERROR_NAMES


def test_counts_that_jump_to_and_fro_never_make_the_total_fall(server):
    node = server.node()
    seen = []
    for count in ("5", "2147483647", "0", "3", "1", "2147483647"):
        assert put(node, {"starts.crash": count}).status_code == 200
        seen.append(beat(server, node)["restarts"])
    assert seen == sorted(seen)
    assert seen[:4] == [5, 2147483647, 2147483647, 2147483650]


def test_heartbeats_at_once_come_in_turn(server):
    node = server.node()
    with ThreadPoolExecutor(8) as pool:
        first = list(pool.map(lambda _: put(node, GOOD).status_code, range(8)))
        later = {**GOOD, "starts.crash": "4"}
        second = list(pool.map(lambda _: put(node, later).status_code, range(8)))
    assert first == second == [200] * 8
    assert beat(server, node)["restarts"] == 4
    assert kinds(server, node) == ["restart"]


def test_a_removed_value_stays_what_it_was(server):
    node = server.node()
    put(node, {**GOOD, "hw": "C"})
    before = beat(server, node)
    assert put(node, {"starts.crash": "", "outbox": "99", "hw": ""}, "remove").status_code == 200
    assert beat(server, node) == before
    assert server.admin.get(f"/devices/{node.device_id}").json()["attributes"] == {}


def test_a_node_tells_of_nobody_else(server, sites):
    victim, thief = server.node(sites[0]), server.node(sites[1])
    put(victim, GOOD)
    before = beat(server, victim)
    answer = put(thief, {**GOOD, "outbox": "77"}, path=victim.ddi)
    assert (answer.status_code, problem(answer)) == (403, "other-node")
    assert beat(server, victim) == before
    assert beat(server, thief) is None


def test_another_sites_heartbeats_and_timelines_do_not_exist(server, sites):
    mine, foreign = server.node(sites[0]), server.node(sites[1])
    for node in (mine, foreign):
        put(node, GOOD)
        put(node, {**GOOD, "starts.crash": "2"})
    for role in ("admin", "operator", "auditor"):
        scoped = server.operator(role, sites[0])
        for sort in ("id", "name", "version", "seen", "restarts", "outbox"):
            rows = scoped.get("/devices", params={"sort": sort}).json()["devices"]
            assert [row["id"] for row in rows] == [mine.device_id]
        for params in ({"site": sites[1]}, {"after": "0" * 16, "site": sites[1]}):
            assert scoped.get("/devices", params=params).json()["devices"] == []
        assert timeline(scoped, mine.device_id).json()["entries"]
        nobody = new_id()
        for path in ("", "/timeline", "/timeline?before=9999999999.2.1"):
            answer = scoped.get(f"/devices/{foreign.device_id}{path}")
            assert (answer.status_code, problem(answer)) == (404, "not-found")
            missing = scoped.get(f"/devices/{nobody}{path}")
            assert missing.text.replace(nobody, foreign.device_id) == answer.text


def test_a_timeline_tells_nothing_of_other_sites_or_refusals_to_those_who_may_not_read_them(
    server, sites
):
    victim, thief = server.node(sites[0]), server.node(sites[1])
    assert put(thief, GOOD, path=victim.ddi).status_code == 403
    auditor = server.operator("auditor", sites[0])
    assert auditor.post(f"/devices/{victim.device_id}/revoke", json={}).status_code == 403

    def acts(client):
        entries = timeline(client, victim.device_id, limit=1000).json()["entries"]
        return [(entry["what"], entry["outcome"]) for entry in entries]

    done = [("identity.enrol", "done"), ("device.claim", "done"), ("device.add", "done")]
    assert acts(server.operator("operator")) == done
    assert acts(server.operator("operator", sites[0])) == done
    # The thief stood at the other site: who may not look there learns nothing of it.
    assert acts(auditor) == [("device.revoke", "refused"), *done]
    assert acts(server.admin) == [
        ("device.revoke", "refused"),
        ("identity.other-node", "refused"),
        *done,
    ]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/devices?sort=heap_free", 422),
        ("/devices?sort=id%27--", 422),
        ("/devices?silent_s=-1", 422),
        ("/devices?silent_s=99999999999999999999", 422),
        ("/devices?after=0123456789abcdef.AAA", 200),
        ("/devices?sort=seen&after=0123456789abcdef.AAA", 422),
        ("/devices?sort=name&after=0123456789abcdef.AA", 422),
        ("/devices?sort=name&after=0123456789abcdef", 200),
        ("/devices?sort=seen&after=0123456789abcdef.999999999999999999", 200),
        ("/devices?descending=maybe", 422),
        ("/devices?version=1", 422),
        ("/devices/0123456789abcdef/timeline", 404),
        ("/devices/0123456789abcdef/timeline?before=1.3.1", 422),
        ("/devices/0123456789abcdef/timeline?before=9999999999999.1.1", 422),
        ("/devices/0123456789abcdef/timeline?limit=0", 422),
    ],
)
def test_odd_questions_get_an_answer(server, path, status):
    answer = server.admin.get(path)
    assert answer.status_code == status, answer.text
    if status != 200:
        problem(answer)


def test_the_greatest_cursor_of_a_timeline_is_taken(server):
    node = server.node()
    greatest = "999999999999.2.999999999999999999"
    answer = timeline(server.admin, node.device_id, before=greatest)
    assert answer.status_code == 200
    assert answer.json() == timeline(server.admin, node.device_id).json()


def test_provisioning_is_for_whoever_may_claim(server):
    for role, sites, status in (
        ("admin", (), 200),
        ("operator", (), 200),
        ("operator", ("harbour",), 200),
        ("auditor", (), 403),
        ("auditor", ("harbour",), 403),
    ):
        assert server.operator(role, *sites).get("/provisioning").status_code == status
    answer = server.client(base_url=server.operator_url).get("/api/v1/provisioning")
    assert answer.status_code == 401
