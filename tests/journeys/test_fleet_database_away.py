"""PostgreSQL goes away and comes back under a running server."""

import time

import fleetserver
import postgres
import pytest
from fleetserver import lamppost


@pytest.mark.postgres
def test_requests_are_told_to_come_again_and_do(tmp_path):
    try:
        database = postgres.Postgres()
    except postgres.CannotStartError as error:
        pytest.skip(f"no PostgreSQL: {error}")
    server = fleetserver.Server(tmp_path / "home", database.create("fleet"))
    try:
        missing = lamppost(
            "serve", "--home", str(server.home), "--database-url", database.url("nowhere")
        )
        assert missing.returncode == 2
        assert 'database "nowhere" does not exist' in missing.stderr
        server.start()
        node = server.node()
        assert node.send([node.record(1)]).json()["stored"] == 1
        database.halt()
        for answer in (
            node.send([node.record(2)]),
            node.client.get(node.ddi),
            server.admin.get("/devices"),
            server.client(base_url=server.operator_url).get("/healthz"),
        ):
            assert answer.status_code == 503
            assert answer.headers["content-type"] == "application/problem+json"
            assert int(answer.headers["retry-after"]) > 0
        said(server, "rollouts stand still")
        database.start()
        assert node.send([node.record(1), node.record(2)]).json() == {
            "stored": 1,
            "duplicates": 1,
            "rejected": [],
        }
        # The rollout engine says once that it cannot see, and once that it can again.
        said(server, "rollouts go on")
        assert server.log().count("rollouts stand still") == 1
        assert "Traceback" not in server.log()
    finally:
        server.close()
        database.stop()


def said(server, words):
    """Wait until the server's log has these words."""
    deadline = time.monotonic() + 30
    while words not in server.log():
        assert time.monotonic() < deadline, server.log()
        time.sleep(0.05)
