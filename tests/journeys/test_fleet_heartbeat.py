"""A node tells of itself; an operator finds it in the list and reads what happened to it."""

import json
import secrets
import ssl

import pytest
from bundles import Publisher
from fleetserver import lamppost

BEAT = {
    "version": "1.0.0",
    "board": "esp32",
    "runtime": "1.27.0",
    "uptime_s": "3605",
    "starts.power_on": "1",
    "starts.planned": "2",
    "starts.crash": "0",
    "starts.watchdog": "0",
    "starts.hard": "0",
    "starts.soft": "0",
    "heap_free": "18432",
    "idf_free": "40960",
    "idf_largest": "20480",
    "outbox": "3",
    "dropped": "0",
    "set_aside": "0",
    "rssi": "-67",
    "clock": "sntp",
    "errors.frame": "2",
}


def tell(node, **changes):
    """PUT a heartbeat; in the names of *changes* `__` stands for a dot."""
    data = {**BEAT, **{key.replace("__", "."): text for key, text in changes.items()}}
    answer = node.client.put(f"{node.ddi}/configData", json={"mode": "replace", "data": data})
    assert answer.status_code == 200, answer.text


def listed(server, **params):
    """Return the devices of all pages."""
    found, after = [], None
    while True:
        answer = server.admin.get(
            "/devices", params={**params, **({"after": after} if after else {})}
        )
        assert answer.status_code == 200, answer.text
        found += answer.json()["devices"]
        after = answer.json()["next"]
        if after is None:
            return found


def timeline(server, node, **params):
    answer = server.admin.get(f"/devices/{node.device_id}/timeline", params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


def update(node, action, *words):
    """Report an update that ends well."""
    for word in words:
        ends = word == "confirmed"
        status = {
            "execution": "closed" if ends else "proceeding",
            "result": {"finished": "success" if ends else "none"},
            "details": [f"state={word}"],
        }
        answer = node.client.post(f"{action}/feedback", json={"status": status})
        assert answer.status_code == 200, answer.text


@pytest.fixture
def site():
    return f"site-{secrets.token_hex(4)}"


def test_a_heartbeat_is_kept_as_the_last_values_of_its_node(server):
    node = server.node()
    assert server.admin.get(f"/devices/{node.device_id}").json()["heartbeat"] is None
    tell(node, hw="rev C")
    device = server.admin.get(f"/devices/{node.device_id}").json()
    beat = device["heartbeat"]
    assert device["attributes"] == {
        "version": "1.0.0", "board": "esp32", "runtime": "1.27.0", "hw": "rev C",
    }  # fmt: skip
    assert device["version"] == "1.0.0"
    assert beat["starts"] == {
        "power_on": 1, "planned": 2, "crash": 0, "watchdog": 0, "hard": 0, "soft": 0,
    }  # fmt: skip
    assert (beat["restarts"], beat["uptime_s"], beat["heap_free"]) == (0, 3605, 18432)
    assert (beat["idf_free"], beat["idf_largest"], beat["outbox"]) == (40960, 20480, 3)
    assert (beat["rssi"], beat["clock"], beat["errors"]) == (-67, "sntp", {"frame": 2})
    assert (beat["refusals"], beat["refused"]) == (0, {})


def test_the_list_is_filtered_sorted_and_paged(server, site):
    nodes = [server.node(site) for _ in range(5)]
    for number, node in enumerate(nodes):
        tell(node, outbox=str(number // 2), starts__crash=str(4 - number),
             version=f"1.{number + 8}.0")  # fmt: skip
    silent = server.add(site)
    by_version = listed(server, site=site, sort="version", descending=True, limit=2)
    assert [row["id"] for row in by_version] == [node.device_id for node in reversed(nodes)] + [
        silent
    ]
    by_restarts = listed(server, site=site, sort="restarts", limit=1)
    assert [row["heartbeat"] and row["heartbeat"]["restarts"] for row in by_restarts] == [
        None, 0, 1, 2, 3, 4,
    ]  # fmt: skip
    by_outbox = listed(server, site=site, sort="outbox", descending=True, limit=3)
    assert len({row["id"] for row in by_outbox}) == 6
    assert [row["heartbeat"] and row["heartbeat"]["outbox"] for row in by_outbox] == [
        2, 1, 1, 0, 0, None,
    ]  # fmt: skip
    for sort in ("id", "name", "site", "seen"):
        for descending in (True, False):
            params = {"site": site, "sort": sort, "descending": descending, "limit": 4}
            assert len({row["id"] for row in listed(server, **params)}) == 6
    assert [row["id"] for row in listed(server, site=site, state="claimed")] == [silent]
    assert [row["id"] for row in listed(server, site=site, version="1.9.0")] == [
        nodes[1].device_id
    ]
    assert listed(server, site=site, board="esp32c3") == []
    assert listed(server, site=site, silent_s=3600) == []
    assert len(listed(server, site=site, silent_s=0)) == 6


def test_a_timeline_tells_everything_in_order(server, site):
    publisher = Publisher(server)
    board = f"board-{secrets.token_hex(4)}"
    publisher.publish("1.1.0", board, main=b"1")
    node = server.node(site, board)
    tell(node)
    body = {"version": "1.1.0", "devices": [node.device_id]}
    rollout = server.admin.post("/rollouts", json=body).json()["id"]
    action = node.client.get(node.ddi).json()["_links"]["deploymentBase"]["href"].partition("?")[0]
    update(node, action, "requested", "staged", "confirmed")
    tell(node, version="1.1.0", starts__planned="3", uptime_s="12")
    tell(node, version="1.1.0", starts__planned="3", starts__watchdog="1", uptime_s="9",
         clock="seen", dropped="4")  # fmt: skip
    server.admin.post(f"/devices/{node.device_id}/state", json={"state": "quarantined"})
    entries = timeline(server, node)["entries"]
    told = [entry["what"] for entry in entries]
    assert set(told) == {
        "device.add", "device.claim", "identity.enrol", "rollout.create", "requested", "staged",
        "confirmed", "restart", "version", "clock_lost", "dropped", "device.state",
    }  # fmt: skip
    assert [entry["at"] for entry in entries] == sorted(
        (entry["at"] for entry in entries), reverse=True
    )
    staged = next(entry for entry in entries if entry["what"] == "staged")
    assert staged["detail"] == {
        "rollout": rollout, "version": "1.1.0", "details": ["state=staged"],
    }  # fmt: skip
    restarts = [entry["detail"] for entry in entries if entry["what"] == "restart"]
    assert restarts == [
        {"causes": {"watchdog": 1}, "uptime_s": 9},
        {"causes": {"planned": 1}, "uptime_s": 12},
    ]
    paged, before = [], None
    while True:
        page = timeline(server, node, limit=4, **({"before": before} if before else {}))
        paged += page["entries"]
        before = page["next"]
        if before is None:
            break
    assert paged == entries


def test_a_timeline_page_says_where_it_ends(server):
    node = server.node()
    assert timeline(server, node, limit=3)["next"] is None
    assert timeline(server, node, limit=2)["next"] is not None


def test_a_technician_learns_what_goes_on_a_node(server):
    Publisher(server)
    technician = server.operator("operator", "harbour")
    answer = technician.get("/provisioning").json()
    assert answer["port"] == server.ports["device"][1]
    assert answer["sntp_port"] == server.ports["sntp"][1]
    assert "localhost" in answer["names"]
    assert ssl.PEM_cert_to_DER_cert(answer["ca"]) == server.ca
    assert answer["root"] == (server.home / "keys/root.json").read_text()
    assert json.loads(answer["root"])["signed"]["_type"] == "root"


def test_the_command_line_shows_the_fleet_and_one_node(server, site):
    node, other = server.node(site), server.node(site)
    tell(node)
    tell(node, uptime_s="8", starts__crash="1", rssi="loud")
    environment = {"LAMPPOST_URL": server.operator_url, "LAMPPOST_TOKEN": server.token()}

    def run(*arguments):
        done = lamppost("device", *arguments, **environment)
        assert done.returncode == 0, done.stderr
        return done.stdout

    rows = json.loads(run("list", "--site", site, "--sort", "restarts", "--descending", "--json"))
    assert [row["id"] for row in rows] == [node.device_id, other.device_id]
    assert rows[0]["heartbeat"]["restarts"] == 1
    table = run("list", "--site", site)
    assert "2 nodes" in table
    assert json.loads(run("list", "--site", site, "--silent", "1h", "--json")) == []
    shown = run("show", node.device_id)
    for part in ("restarted: 1 crash", "device.add", "identity.enrol", "rssi=loud", "18.0 KiB"):
        assert part in shown, shown
    told = json.loads(run("show", node.device_id, "--json"))
    assert told["heartbeat"]["refused"] == {"rssi": "loud"}
    assert told["timeline"][0]["what"] == "restart"
