"""Attacks with connections that say nothing: they must not take the server's open files."""

import socket

import fleetserver
import pytest

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
