"""Attacks with connections that say little: they must not take the server's open files."""

import asyncio
import socket

import fleetserver
import pytest
from starlette.exceptions import HTTPException

from fleet import bodies, limits

SILENT = 200


@pytest.fixture
def narrow_server(tmp_path, monkeypatch):
    """Give a server that was started, as many are, with a low soft limit on open files."""
    narrowed = ["sh", "-c", 'ulimit -Sn 100; exec "$@"', "sh", *fleetserver.LAMPPOST]
    monkeypatch.setattr(fleetserver, "LAMPPOST", narrowed)
    made = fleetserver.Server(tmp_path / "home", None)
    made.start()
    yield made
    made.close()


def test_silent_connections_keep_no_node_and_no_operator_out(narrow_server):
    where = tuple(narrow_server.ports["device"])
    silent = [socket.create_connection(where, 5) for _ in range(SILENT)]
    try:
        node = narrow_server.node()
        assert node.client.get(node.ddi).status_code == 200
        assert narrow_server.admin.get("/devices").status_code == 200
    finally:
        for one in silent:
            one.close()


def test_a_body_that_was_refused_and_still_comes_holds_no_connection(server):
    head = "POST /api/v1/devices HTTP/1.1\r\nHost: x\r\nContent-Length: 9999999\r\n"
    with socket.create_connection(tuple(server.ports["operator"]), 5) as line:
        line.settimeout(20)
        line.sendall(f"{head}Content-Type: application/json\r\n\r\n".encode())
        line.sendall(b" " * (limits.JSON_BYTES + 1))
        answer = b""
        while more := line.recv(4096):
            answer += more
    assert b" 413 " in answer.split(b"\r\n", 1)[0]


def test_a_json_body_that_never_ends_is_refused(monkeypatch):
    monkeypatch.setattr(limits, "BODY_S", 0.05)

    async def trickle():
        await asyncio.sleep(0)
        return {"type": "http.request", "body": b"", "more_body": True}

    async def parser(_, receive, __):
        while True:
            await receive()

    application = bodies.CappedBodies(parser)
    with pytest.raises(HTTPException) as refused:
        asyncio.run(application({"type": "http", "path": "/api/v1/devices"}, trickle, None))
    assert refused.value.status_code == 408


def test_a_peer_may_be_silent_once_its_body_is_there(monkeypatch):
    monkeypatch.setattr(limits, "BODY_S", 0.05)
    messages = [{"type": "http.request", "body": b"{}"}, {"type": "http.disconnect"}]

    async def receive():
        if len(messages) == 1:
            await asyncio.sleep(0.2)
        return messages.pop(0)

    async def application(_, receive, __):
        while (await receive())["type"] != "http.disconnect":
            pass

    capped = bodies.CappedBodies(application)
    asyncio.run(capped({"type": "http", "path": "/api/v1/devices"}, receive, None))
    assert not messages
