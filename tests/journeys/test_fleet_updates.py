"""A release goes from its publisher through the server to nodes, and their words come back."""

import hashlib
import json
import secrets
import socket
import ssl
import time
import zlib

import pytest
from bundles import Publisher
from fleetserver import client_context
from tuf.ngclient import Updater
from tuf.ngclient.fetcher import FetcherInterface

AT_ONCE = {
    "waves": [{"percent": 100}],
    "success_percent": 0,
    "failure_percent": 100,
    "soak_s": 0,
}


@pytest.fixture
def publisher(server):
    return Publisher(server)


@pytest.fixture
def board():
    return f"board-{secrets.token_hex(4)}"


def rollout(server, version, *nodes):
    """Offer a version to all nodes at once; nothing but their words ends it."""
    body = {"version": version, "devices": [node.device_id for node in nodes], **AT_ONCE}
    return server.admin.post("/rollouts", json=body)


def poll(node):
    return node.client.get(node.ddi).json()["_links"]


def follow(node, link):
    return node.client.get(link["href"]).json()


def say(node, action, word, *, kind="deploymentBase", reason=None):
    execution, finished = {
        "confirmed": ("closed", "success"),
        "rolled_back": ("closed", "failure"),
        "failed": ("closed", "failure"),
    }.get(word, ("proceeding", "none"))
    details = [f"state={word}"] + ([f"reason={reason}"] if reason else [])
    status = {"execution": execution, "result": {"finished": finished}, "details": details}
    body = {"id": action, "status": status}
    return node.client.post(f"{node.ddi}/{kind}/{action}/feedback", json=body)


def comes_to(server, rollout_id, state):
    deadline = time.monotonic() + 10
    while (found := server.admin.get(f"/rollouts/{rollout_id}").json())["state"] != state:
        assert time.monotonic() < deadline, found
        time.sleep(0.02)
    return found


def state_of(server, rollout_id, node):
    answer = server.admin.get(f"/rollouts/{rollout_id}").json()
    return next(row for row in answer["actions"] if row["device"] == node.device_id)


def test_a_release_reaches_the_named_nodes_and_the_outcome_comes_back(server, publisher, board):
    publisher.publish("1.1.0", board, main=b"print(1)")
    good, bad, other = (server.node(board=board) for _ in range(3))
    made = rollout(server, "1.1.0", good, bad).json()
    assert made["counts"] == {"requested": 2}
    assert "deploymentBase" not in poll(other)
    for node in (good, bad):
        document = follow(node, poll(node)["deploymentBase"])
        action = document["id"]
        (chunk,) = document["deployment"]["chunks"]
        (artifact,) = chunk["artifacts"]
        assert (chunk["name"], chunk["version"]) == ("lamppost", "1.1.0")
        assert artifact["filename"] == "1.1.0.jsonl"
        content = node.client.get(artifact["_links"]["download"]["href"]).content
        assert len(content) == artifact["size"]
        for name in ("sha1", "md5", "sha256"):
            assert hashlib.new(name, content).hexdigest() == artifact["hashes"][name]
        for word in ("requested", "downloading", "verified", "staged", "booted"):
            assert say(node, action, word).status_code == 200
            assert state_of(server, made["id"], node)["state"] == word
    assert say(good, state_of(server, made["id"], good)["id"], "confirmed").status_code == 200
    assert server.admin.get(f"/rollouts/{made['id']}").json()["state"] == "active"
    late = state_of(server, made["id"], bad)["id"]
    assert say(bad, late, "rolled_back", reason="SelfTestError: lamp").status_code == 200
    ended = comes_to(server, made["id"], "finished")
    assert ended["counts"] == {"confirmed": 1, "rolled_back": 1}
    assert state_of(server, made["id"], bad)["reason"] == "SelfTestError: lamp"
    words = [report["state"] for report in state_of(server, made["id"], good)["reports"]]
    assert words == ["requested", "downloading", "verified", "staged", "booted", "confirmed"]
    assert server.admin.get(f"/devices/{good.device_id}").json()["version"] == "1.1.0"
    assert server.admin.get(f"/devices/{bad.device_id}").json()["version"] is None
    assert server.audit(bad.device_id)[0]["act"] == "update.rolled_back"
    assert "deploymentBase" not in poll(good)
    assert say(good, state_of(server, made["id"], good)["id"], "confirmed").status_code == 410


class Fetcher(FetcherInterface):
    def __init__(self, client):
        self.client = client

    def _fetch(self, url):
        answer = self.client.get(url)
        if answer.status_code != 200:
            from tuf.api.exceptions import DownloadHTTPError  # noqa: PLC0415

            raise DownloadHTTPError(answer.text, answer.status_code)
        yield answer.content


def test_a_reference_tuf_client_believes_the_server(server, publisher, board, tmp_path):
    first = {"main": secrets.token_bytes(2000), "light": b"light"}
    publisher.publish("1.0.0", board, **first)
    publisher.publish("1.1.0", board, main=first["main"], light=b"brighter")
    node = server.node(board=board)
    updater = Updater(
        metadata_dir=str(tmp_path),
        metadata_base_url=server.device_url + "/tuf/metadata/",
        target_base_url=server.device_url + "/tuf/targets/",
        target_dir=str(tmp_path),
        fetcher=Fetcher(node.client),
        bootstrap=(server.home / "keys/root.json").read_bytes(),
    )
    updater.refresh()
    for version in ("1.0.0", "1.1.0"):
        target = updater.get_targetinfo(f"{board}/{version}.jsonl")
        path = updater.download_target(target, str(tmp_path / version))
        lines = (tmp_path / version).read_bytes().splitlines()
        assert path == str(tmp_path / version)
        assert json.loads(lines[0])["version"] == version
        for line in lines[1:]:
            _, size, digest, zsize = json.loads(line)
            deflated = node.client.get(f"/files/{digest}").content
            assert len(deflated) == zsize
            plain = zlib.decompress(deflated, 12)
            assert (len(plain), hashlib.sha256(plain).hexdigest()) == (size, digest)


def test_one_update_at_a_time(server, publisher, board):
    publisher.publish("1.1.0", board, main=b"1")
    publisher.publish("1.2.0", board, main=b"2")
    busy, free = server.node(board=board), server.node(board=board)
    assert rollout(server, "1.1.0", busy).status_code == 201
    refused = rollout(server, "1.2.0", busy, free)
    assert refused.status_code == 409
    assert refused.json()["devices"] == [busy.device_id]
    assert "deploymentBase" not in poll(free)
    assert rollout(server, "1.2.0", free).status_code == 201


def test_an_offer_taken_back_before_anyone_saw_it_is_gone_at_once(server, publisher, board):
    publisher.publish("1.1.0", board, main=b"1")
    node = server.node(board=board)
    made = rollout(server, "1.1.0", node).json()
    ended = server.admin.post(f"/rollouts/{made['id']}/abort").json()
    assert (ended["state"], ended["counts"]) == ("aborted", {"cancelled": 1})
    assert set(poll(node)) <= {"configData"}
    assert rollout(server, "1.1.0", node).status_code == 201


def test_an_offer_that_was_seen_is_cancelled_by_the_node(server, publisher, board):
    publisher.publish("1.1.0", board, main=b"1")
    node = server.node(board=board)
    made = rollout(server, "1.1.0", node).json()
    action = follow(node, poll(node)["deploymentBase"])["id"]
    server.admin.post(f"/rollouts/{made['id']}/abort")
    assert state_of(server, made["id"], node)["cancelling"]
    links = poll(node)
    assert "deploymentBase" not in links
    stop = follow(node, links["cancelAction"])
    assert stop["cancelAction"]["stopId"] == action
    assert say(node, action, "failed", kind="cancelAction").status_code == 200
    assert "deploymentBase" in poll(node)
    server.admin.post(f"/rollouts/{made['id']}/abort")
    assert say(node, action, "confirmed", kind="cancelAction").status_code == 200
    assert state_of(server, made["id"], node)["state"] == "cancelled"
    assert set(poll(node)) <= {"configData"}


def test_the_artifact_comes_in_ranges(server, publisher, board):
    publisher.publish("1.1.0", board, main=b"1")
    node = server.node(board=board)
    rollout(server, "1.1.0", node)
    document = follow(node, poll(node)["deploymentBase"])
    (artifact,) = document["deployment"]["chunks"][0]["artifacts"]
    url = artifact["_links"]["download"]["href"]
    whole = node.client.get(url)
    assert whole.headers["etag"] == f'"{artifact["hashes"]["sha256"]}"'
    part = node.client.get(url, headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, whole.content[10:20])
    assert part.headers["content-range"] == f"bytes 10-19/{artifact['size']}"
    rest = node.client.get(url, headers={"Range": "bytes=10-", "If-Range": '"other"'})
    assert (rest.status_code, rest.content) == (200, whole.content)
    beyond = node.client.get(url, headers={"Range": f"bytes={artifact['size']}-"})
    assert beyond.status_code == 416
    assert beyond.headers["content-range"] == f"bytes */{artifact['size']}"
    known = node.client.get(url, headers={"If-None-Match": whole.headers["etag"]})
    assert known.status_code == 304
    line = node.client.get(artifact["_links"]["md5sum"]["href"]).text
    assert line == f"{artifact['hashes']['md5']}  1.1.0.jsonl\n"


def record_lengths(context, address, request):
    """Return the lengths of the TLS records in which a request was answered, and the rest came.

    The answer has to end the connection. Lengths are those of the encrypted content.
    """
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(incoming, outgoing, server_hostname=address[0])
    came = bytearray()
    with socket.create_connection(address, timeout=30) as connection:

        def do(step, *arguments):
            while True:
                try:
                    return step(*arguments)
                except ssl.SSLWantReadError:
                    connection.sendall(outgoing.read())
                    data = connection.recv(65536)
                    came.extend(data)
                    incoming.write(data) if data else incoming.write_eof()

        do(client.do_handshake)
        do(client.write, request)
        came.clear()
        try:
            while do(client.read, 65536):
                pass
        except ssl.SSLEOFError:
            pass
    lengths, at = [], 0
    while at < len(came):
        lengths.append(int.from_bytes(came[at + 3 : at + 5], "big"))
        at += 5 + lengths[-1]
    return lengths


def test_files_come_in_tls_records_that_a_node_has_room_for(server, publisher, board):
    content = secrets.token_bytes(50_000)
    publisher.publish("1.1.0", board, main=content)
    node = server.node(board=board)
    context = client_context(server, node.key, node.certificate)
    host, port = server.ports["device"]
    path = f"/files/{hashlib.sha256(content).hexdigest()}"
    request = f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    lengths = record_lengths(context, (host, port), request.encode())
    assert sum(lengths) > len(content)
    assert max(lengths) <= 4096 + 64


def test_a_release_that_is_no_longer_listed_is_offered_to_nobody(server, publisher, board):
    publisher.publish("1.0.0", board, main=b"1")
    paths = {"firmware/main.mpy": b"2"}
    assert publisher.upload(publisher.bundle("2.0.0", board, paths, floor="2.0.0")).is_success
    rows = server.admin.get("/releases").json()["releases"]
    listed = {row["version"]: row["listed"] for row in rows if row["board"] == board}
    assert listed == {"1.0.0": False, "2.0.0": True}
    refused = rollout(server, "1.0.0", server.node(board=board))
    assert (refused.status_code, refused.json()["type"]) == (
        422,
        "urn:lamppost:problem:release-missing",
    )


def test_a_node_says_what_it_is(server):
    node = server.node()
    assert "configData" in poll(node)
    data = {"hardware": "esp32", "version": "1.0.0"}
    answer = node.client.put(f"{node.ddi}/configData", json={"mode": "merge", "data": data})
    assert answer.status_code == 200
    device = server.admin.get(f"/devices/{node.device_id}").json()
    assert (device["attributes"], device["version"]) == (data, "1.0.0")
    assert "configData" not in poll(node)
    assert node.client.get(node.ddi).json()["config"]["polling"]["sleep"].startswith("00:0")
