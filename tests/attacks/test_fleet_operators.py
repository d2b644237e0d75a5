"""Attacks on the operator port: tokens, roles, other people's sites, the audit, odd requests."""

import asyncio
import secrets
import time

import httpx2
import pytest
from fleetserver import new_id, problem
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from fleet.access import service
from fleet.db import Database
from fleet.settings import Home


def database(server):
    return Database(server.url or Home(server.home).database_url)


def site():
    return f"site-{secrets.token_hex(4)}"


def with_token(server, secret):
    return server.client(
        base_url=server.operator_url + "/api/v1", headers={"Authorization": f"Bearer {secret}"}
    )


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer x", "Basic eDp5", "Bearer \xe9"])
def test_without_a_good_token_nothing_answers(server, header):
    with httpx2.Client(base_url=server.operator_url) as client:
        for method, path in (
            ("GET", "/api/v1/devices"),
            ("POST", "/api/v1/devices"),
            ("GET", f"/api/v1/devices/{new_id()}/observations"),
            ("POST", "/api/v1/releases"),
            ("GET", "/api/v1/audit"),
            ("POST", "/api/v1/tokens"),
        ):
            headers = {"Authorization": header.encode("latin-1")}
            answer = client.request(method, path, headers=headers)
            assert answer.status_code == 401
            assert answer.headers["www-authenticate"].startswith("Bearer")
            problem(answer)
        assert client.get("/healthz").status_code == 200


def test_an_expired_or_revoked_token_is_refused_at_once(server):
    made = server.admin.post("/tokens", json={"name": "guest", "role": "auditor"}).json()
    guest = with_token(server, made["token"])
    assert guest.get("/devices").status_code == 200
    server.admin.post(f"/tokens/{made['id']}/revoke")
    answer = guest.get("/devices")
    assert (answer.status_code, problem(answer)) == (401, "token-refused")

    async def old():
        found = database(server)
        async with found.write() as session:
            long_ago = int(time.time()) - 100
            _, secret = await service.create(
                session, long_ago, "local", name="old", role="admin", sites=None, ttl_s=60
            )
        await found.close()
        return secret

    answer = with_token(server, asyncio.run(old())).get("/devices")
    assert (answer.status_code, problem(answer)) == (401, "token-refused")


def test_no_secret_is_kept(server):
    device_id = server.add()
    claim, token = server.claim(device_id), server.token()

    async def dump():
        found, rows = database(server), []
        async with found.read() as session:
            for table in ("tokens", "claims", "audit"):
                rows += (await session.execute(text(f"SELECT * FROM {table}"))).all()
        await found.close()
        return str(rows)

    content = asyncio.run(dump())
    assert claim not in content
    assert token not in content
    assert device_id in content


def test_another_site_does_not_exist(server):
    mine, other = site(), site()
    own, foreign = server.add(mine), server.node(other)
    foreign.send([foreign.record(1)])
    scoped = server.operator("admin", mine)
    assert [row["id"] for row in scoped.get("/devices").json()["devices"]] == [own]
    assert scoped.get("/devices", params={"site": other}).json()["devices"] == []
    for method, path in (
        ("GET", ""),
        ("GET", "/observations"),
        ("POST", "/claims"),
        ("POST", "/revoke"),
    ):
        answer = scoped.request(method, f"/devices/{foreign.device_id}{path}")
        assert (answer.status_code, problem(answer)) == (404, "not-found")
        # Word for word as if it had never existed.
        nobody = new_id()
        missing = scoped.request(method, f"/devices/{nobody}{path}")
        assert missing.text.replace(nobody, foreign.device_id) == answer.text
    body = {"version": "1.0.0", "devices": [foreign.device_id]}
    answer = scoped.post("/rollouts", json=body)
    assert (answer.status_code, answer.json()["devices"]) == (422, [foreign.device_id])
    body = {"id": new_id(), "site": other, "name": "x", "board": "esp32"}
    answer = scoped.post("/devices", json=body)
    assert (answer.status_code, problem(answer)) == (403, "forbidden")
    events = scoped.get("/audit", params={"limit": 1000}).json()["events"]
    assert {event["site"] for event in events} <= {mine}
    assert foreign.client.get(foreign.ddi).status_code == 200


def test_an_auditor_reads_and_does_nothing(server):
    device_id = server.add()
    auditor = server.operator("auditor")
    for path in ("/devices", f"/devices/{device_id}", "/rollouts", "/releases", "/audit"):
        assert auditor.get(path).status_code == 200
    body = {"id": new_id(), "site": "harbour", "name": "x", "board": "esp32"}
    for path, content in (
        ("/devices", body),
        (f"/devices/{device_id}/claims", {}),
        (f"/devices/{device_id}/revoke", {}),
        (f"/devices/{device_id}/state", {"state": "retired"}),
        ("/rollouts", {"version": "1.0.0", "devices": [device_id]}),
        ("/tokens", {"name": "x", "role": "admin"}),
    ):
        answer = auditor.post(path, json=content)
        assert (answer.status_code, problem(answer)) == (403, "forbidden")
    assert auditor.get("/tokens").status_code == 403
    refusals = [event for event in server.audit(device_id) if event["outcome"] == "refused"]
    assert {event["act"] for event in refusals} == {
        "device.claim",
        "device.revoke",
        "device.state",
    }


JSON = {"Content-Type": "application/json"}
DEVICE = {"id": "0" * 16, "site": "a", "name": "x", "board": "b"}
CHANGES = {
    "sqlite": [
        "UPDATE audit SET actor = 'nobody'",
        "DELETE FROM audit",
        """INSERT OR REPLACE INTO audit (id, at, actor, act, subject, outcome, detail)
        VALUES (1, 0, 'x', 'x', 'x', 'x', '{}')""",
    ],
    "postgresql": [
        "UPDATE audit SET actor = 'nobody'",
        "DELETE FROM audit",
        "TRUNCATE audit",
    ],
}


def test_the_audit_refuses_to_change(server, engine):
    server.add()
    before = server.admin.get("/audit", params={"limit": 1000}).json()

    async def attack(statement):
        found = database(server)
        try:
            async with found.write() as session:
                await session.execute(text(statement))
        finally:
            await found.close()

    for statement in CHANGES[engine]:
        with pytest.raises(DBAPIError, match="append-only"):
            asyncio.run(attack(statement))
    assert server.admin.get("/audit", params={"limit": 1000}).json() == before


@pytest.mark.parametrize(
    ("method", "path", "options", "status"),
    [
        ("POST", "/devices", {"content": b"{", "headers": JSON}, 422),
        ("POST", "/devices", {"json": []}, 422),
        ("POST", "/devices", {"json": {"id": "x"}}, 422),
        ("POST", "/devices", {"json": {**DEVICE, "name": "\x00"}}, 422),
        ("POST", "/devices", {"json": {**DEVICE, "site": "A B"}}, 422),
        ("POST", "/devices", {"content": b"[" * 100_000, "headers": JSON}, 400),
        ("POST", "/devices", {"content": b" " * 300_000, "headers": JSON}, 413),
        ("GET", "/devices/AABBCCFFFEDDEEFF", {}, 422),
        ("GET", "/devices?limit=99999999999999999999", {}, 422),
        ("GET", "/devices?after=%00", {}, 422),
        ("GET", "/rollouts/99999999999999999999", {}, 422),
        ("GET", "/rollouts/2147483647", {}, 404),
        ("GET", "/audit?before=9223372036854775808", {}, 422),
        ("DELETE", "/audit", {}, 405),
        ("GET", "/nowhere", {}, 404),
        ("POST", "/tokens", {"json": {"name": "x", "role": "root"}}, 422),
        ("POST", "/tokens", {"json": {"name": "x", "role": "admin", "ttl_s": 10**12}}, 422),
        ("POST", "/tokens", {"json": {"name": "x", "role": "admin", "sites": []}}, 422),
        ("POST", "/rollouts", {"json": {"version": "1", "devices": ["0" * 16]}}, 422),
        ("POST", "/rollouts", {"json": {"version": "1.0.0", "devices": []}}, 422),
    ],
)  # fmt: skip
def test_odd_requests_get_a_problem_document(server, method, path, options, status):
    answer = server.admin.request(method, path, **options)
    assert answer.status_code == status
    problem(answer)
    assert "Traceback" not in answer.text


def test_a_validation_error_does_not_repeat_what_was_sent(server):
    body = {"name": "x", "role": "admin", "ttl_s": "my secret"}
    answer = server.admin.post("/tokens", json=body)
    assert answer.json()["errors"][0]["at"] == "body/ttl_s"
    assert "my secret" not in answer.text
