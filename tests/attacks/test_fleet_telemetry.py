"""Attacks on what was measured: packs malformed, oversized, of another node, of the future."""

import json
import secrets
import socket
import ssl
import time

import cbor2
import pytest
from fleetserver import client_context, problem

JSON = "application/senml+json"
CBOR = "application/senml+cbor"


def stored(server, node):
    answer = server.admin.get(f"/devices/{node.device_id}/observations").json()
    return [(row["seq"], row["stream"]) for row in answer["observations"]]


def test_bad_records_are_named_by_index_and_good_ones_are_stored(server):
    node = server.node()
    now = int(time.time())
    pack = [
        node.record(1),
        node.record(2, t=now + 3600),
        node.record(3, v=True),
        node.record(4, v="12"),
        node.record(5, v=1e300),
        node.record(6, seq=-1),
        node.record(7, n="ozone"),
        node.record(8, u="kg"),
        node.record(9, v=None),
        node.record(10, t=100),
        node.record(11, max=100_000),
        node.record(12, cnt=True),
        node.record(13, t=now + 60),
    ]
    answer = node.send(pack)
    assert answer.status_code == 200
    assert answer.json()["stored"] == 2
    reasons = [(item["index"], item["reason"]) for item in answer.json()["rejected"]]
    assert reasons == [
        (1, "future"),
        (2, "value"),
        (3, "value"),
        (4, "value"),
        (5, "seq"),
        (6, "stream"),
        (7, "unit"),
        (8, "value"),
        (9, "time"),
        (10, "range"),
        (11, "count"),
    ]
    assert stored(server, node) == [(1, "pm25"), (13, "pm25")]


def test_nan_and_infinity_are_no_readings(server):
    node = server.node()
    for text in ("NaN", "Infinity", "-Infinity", "1e999"):
        body = json.dumps([node.record(1)]).replace("12.5", text).encode()
        assert node.send(body).json()["rejected"] == [{"index": 0, "reason": "value"}]
    for value in (float("nan"), float("inf")):
        body = cbor2.dumps([node.record(1, v=value)])
        assert node.send(body, CBOR).json()["rejected"] == [{"index": 0, "reason": "value"}]
    assert stored(server, node) == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[",
        b"{}",
        b"[]",
        b"17",
        b"\xff\xfe",
        b"[" * 60_000,
        b"[1,2]",
        b'[{"n":"pm25","v":' + b"9" * 5000 + b"}]",
        b'[{"bn":[]}]',
        b'[{"must_":1}]',
        b'["\\ud800"]',
    ],
    ids=range(12),
)
def test_what_is_no_pack_is_400(server, malformed, body):
    answer = malformed.send(body)
    assert (answer.status_code, problem(answer)) == (400, "pack-unreadable")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\x80",
        b"\xa0",
        b"\x81" * 1000,
        b"\x9f" * 1000,
        b"\x81\xc5\x82\x1b\x00\x0f\xff\xff\xff\xff\xff\xff\x01",
        b"\x81\xc4\x82\x1a\x7f\xff\xff\xff\x01",
        b"\xd8\x1c\x81\xd8\x1d\x00",
        b"\x81\xa1\xf5\x61x",
        b"\x81\xa2\x00\x61a\x61n\x61b",
        b"\x9b\x7f\xff\xff\xff\xff\xff\xff\xff",
        b"\x81\xa1\x18\x63\x00",
        b"\x81\xa1\x02\xd8\x23\x62((",
    ],
    ids=range(13),
)
def test_what_is_no_cbor_pack_is_400(server, malformed, body):
    answer = malformed.send(body, CBOR)
    assert (answer.status_code, problem(answer)) == (400, "pack-unreadable")


@pytest.fixture(scope="module")
def malformed(server):
    return server.node()


def test_a_pack_beyond_its_cap_is_413_and_nothing_of_it_is_stored(server):
    node = server.node()
    pack = [node.record(seq) for seq in range(900)]
    assert len(json.dumps(pack)) > 64 * 1024
    answer = node.send(pack)
    assert (answer.status_code, problem(answer)) == (413, "too-large")
    chunks = (json.dumps(pack).encode()[at : at + 4096] for at in range(0, 80_000, 4096))
    path = f"/telemetry/v1/{node.device_id}"
    answer = node.client.post(path, content=chunks, headers={"Content-Type": JSON})
    assert answer.status_code == 413
    assert stored(server, node) == []


@pytest.mark.parametrize("media_type", ["", "application/json", "text/plain", "*/*"])
def test_another_media_type_is_415(server, malformed, media_type):
    answer = malformed.send([malformed.record(1)], media_type)
    assert (answer.status_code, problem(answer)) == (415, "unsupported-media-type")


def test_another_nodes_name_in_a_pack_is_403_for_the_whole_pack(server):
    node, victim = server.node(), server.node()
    answer = node.send([node.record(1), victim.record(1)])
    assert (answer.status_code, problem(answer)) == (403, "other-node")
    hidden = victim.record(1, bn="urn:dev:mac:", n=f"{victim.device_id}/pm25")
    assert node.send([hidden]).status_code == 403
    assert stored(server, node) == stored(server, victim) == []
    refusals = [event["act"] for event in server.audit(node.device_id)]
    assert refusals.count("telemetry.other-node") == 2


def test_the_first_report_of_a_window_stands(server):
    node = server.node()
    node.send([node.record(1, v=10)])
    assert node.send([node.record(1, v=19)]).json()["duplicates"] == 1
    assert node.send([node.record(1), node.record(1, v=4)]).json()["duplicates"] == 2
    path = f"/devices/{node.device_id}/observations"
    rows = server.admin.get(path).json()["observations"]
    assert [row["value"] for row in rows] == [10]


def raw(server, data):
    """Send bytes to the device port and return all that comes back until it closes."""
    address = tuple(server.ports["device"])
    context = client_context(server)
    with (
        socket.create_connection(address, timeout=10) as plain,
        context.wrap_socket(plain, server_hostname=address[0]) as tls,
    ):
        tls.sendall(data)
        answer = b""
        while chunk := _receive(tls):
            answer += chunk
    return answer


def _receive(tls):
    try:
        return tls.recv(65536)
    except (ConnectionResetError, ssl.SSLEOFError):
        return b""


@pytest.mark.parametrize(
    "data",
    [
        b"\x00\x01\x02\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET /x HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 18_000,
        b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n",
    ],
    ids=range(5),
)
def test_what_is_no_http_is_answered_with_a_length_and_closed(server, data):
    head, _, body = raw(server, data).partition(b"\r\n\r\n")
    lines = head.lower().split(b"\r\n")
    assert lines[0].startswith(b"http/1.1 400")
    assert f"content-length: {len(body)}".encode() in lines
    assert json.loads(body)["type"] == "urn:lamppost:problem:not-http"


@pytest.mark.parametrize(
    "path",
    [
        "/files/..%2f..%2fpki%2fca.key",
        "/files/" + "0" * 63,
        "/tuf/metadata/..%2fkeys%2fsnapshot.pem",
        "/tuf/targets/..%2f..%2fpki/ca.key",
        "/tuf/targets/esp32/..%2f..%2fkeys%2fsnapshot.pem",
        "/tuf/keys/snapshot.pem",
        "/tuf/metadata/1.root.json%00",
        "//files//",
    ],
)
def test_static_paths_lead_nowhere_else(server, path):
    answer = server.anonymous.get(path)
    assert answer.status_code in (404, 422)
    problem(answer)
    missing = server.anonymous.get("/files/" + secrets.token_hex(32))
    assert missing.status_code == 404
