"""Attacks on enrolment: claims wrong, old, used, raced for; requests for others."""

import asyncio
import base64
import concurrent.futures
import time

import httpx2
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from fleetserver import Identity, certificate_of, client_context, csr, new_id, problem, refused

from fleet.db import Database
from fleet.identity import service
from fleet.settings import Home


def key():
    return ec.generate_private_key(ec.SECP256R1())


def test_a_wrong_claim_is_refused_and_audited(server):
    device_id = server.add()
    server.claim(device_id)
    answer = server.enroll(device_id, "guess", csr(key(), device_id))
    assert (answer.status_code, problem(answer)) == (401, "claim-unknown")
    assert answer.headers["www-authenticate"].startswith("Basic")
    assert refused(server, device_id) == ["claim-unknown"]


def test_a_claim_of_another_device_is_worth_nothing(server):
    mine, other = server.add(), server.add()
    answer = server.enroll(mine, server.claim(other), csr(key(), mine))
    assert (answer.status_code, problem(answer)) == (401, "claim-unknown")


def test_a_used_claim_is_refused_and_the_first_identity_lives_on(server):
    device_id = server.add()
    token = server.claim(device_id)
    mine = key()
    first = server.enroll(device_id, token, csr(mine, device_id))
    second = server.enroll(device_id, token, csr(key(), device_id))
    assert (second.status_code, problem(second)) == (401, "claim-used")
    assert refused(server, device_id) == ["claim-used"]
    node = Identity(server, device_id, mine, certificate_of(first.content))
    assert node.client.get(node.ddi).status_code == 200


def test_an_expired_claim_is_refused(server):
    device_id = server.add()
    database = Database(server.url or Home(server.home).database_url)

    async def old_claim():
        async with database.write() as session:
            long_ago = int(time.time()) - 7200
            token, _ = await service.add_claim(
                session, long_ago, "local", device_id, "harbour", 3600
            )
        await database.close()
        return token

    answer = server.enroll(device_id, asyncio.run(old_claim()), csr(key(), device_id))
    assert (answer.status_code, problem(answer)) == (401, "claim-expired")
    assert refused(server, device_id) == ["claim-expired"]


def test_of_many_who_use_a_claim_at_once_one_wins(server):
    device_id = server.add()
    token = server.claim(device_id)
    requests = [csr(key(), device_id) for _ in range(8)]

    def enroll(request):
        with httpx2.Client(base_url=server.device_url, verify=client_context(server)) as client:
            return client.post(
                "/.well-known/est/simpleenroll",
                content=request,
                auth=(device_id, token),
                headers={"Content-Type": "application/pkcs10"},
            ).status_code

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        statuses = sorted(pool.map(enroll, requests))
    assert statuses == [200] + [401] * 7
    assert [event["act"] for event in server.audit(device_id)].count("identity.enrol") == 8


def test_a_request_for_another_id_is_refused_and_does_not_burn_the_claim(server):
    device_id = server.add()
    token = server.claim(device_id)
    other = new_id()
    for request in (
        csr(key(), other),
        csr(key(), device_id, alternative=f"urn:dev:mac:{other}"),
        csr(key(), f"{device_id}/{other}"),
    ):
        answer = server.enroll(device_id, token, request)
        assert (answer.status_code, problem(answer)) == (403, "csr-for-another")
    assert refused(server, device_id) == ["csr-for-another"] * 3
    assert server.enroll(device_id, token, csr(key(), device_id)).status_code == 200


def test_requests_that_prove_nothing_are_refused(server):
    device_id = server.add()
    token = server.claim(device_id)
    sound = csr(key(), device_id)
    bent = bytearray(sound)
    bent[-12] ^= 1
    for request in (
        b"",
        b"AAAA",
        b"\xff\xfe",
        sound[:80],
        bytes(bent),
        csr(rsa.generate_private_key(65537, 2048), device_id),
        csr(ec.generate_private_key(ec.SECP384R1()), device_id),
        csr(key(), device_id, algorithm=hashes.SHA512()),
    ):
        answer = server.enroll(device_id, token, request)
        assert (answer.status_code, problem(answer)) == (400, "csr-refused")
    assert server.enroll(device_id, token, b"A" * 9000).status_code == 413
    assert server.enroll(device_id, token, sound).status_code == 200


def test_a_request_of_another_version_or_with_doubled_extensions_is_refused(server):
    device_id = server.add()
    token = server.claim(device_id)
    plain = base64.b64decode(csr(key(), device_id))
    version = bytearray(plain)
    version[plain.index(b"\x02\x01\x00") + 2] = 5
    named = base64.b64decode(csr(key(), device_id, alternative=f"urn:dev:mac:{device_id}"))
    for der in (bytes(version), doubled(named)):
        answer = server.enroll(device_id, token, base64.encodebytes(der))
        assert (answer.status_code, problem(answer)) == (400, "csr-refused")
    assert refused(server, device_id) == ["csr-refused"] * 2


def doubled(der):
    """Give a request its one extension twice; the lengths of all that it lies in grow."""
    request = bytearray(der)
    start = der.index(bytes.fromhex("0603551d11")) - 2
    extension = der[start : start + 2 + der[start + 1]]
    attribute = der.index(bytes.fromhex("06092a864886f70d01090e")) - 2
    for length in (3, 6, attribute - 1, attribute + 1, attribute + 14, start - 1):
        request[length] += len(extension)
    request[start:start] = extension
    return bytes(request)


@pytest.mark.parametrize(
    "header", ["", "Basic", "Basic %%%", "Basic /v8=", "Bearer x", "Basic OjoAOg=="]
)
def test_garbled_credentials_are_refused(server, header):
    answer = server.anonymous.post(
        "/.well-known/est/simpleenroll",
        content=csr(key(), new_id()),
        headers={"Content-Type": "application/pkcs10", "Authorization": header},
    )
    assert answer.status_code == 401
    problem(answer)
