"""Attacks with certificates: of others, revoked, expired, of nodes put aside."""

import asyncio
import ssl
import time

import httpx2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from fleetserver import Identity, certificate_of, client_context, csr, new_id, problem, refused

from fleet.db import Database
from fleet.identity import ca, service
from fleet.settings import Home


def key():
    return ec.generate_private_key(ec.SECP256R1())


def fake_ca(folder):
    home = Home(folder)
    home.make()
    ca.create(home, int(time.time()))
    return ca.load(home)


def test_a_certificate_of_another_ca_is_refused_in_the_handshake(server, tmp_path):
    node = server.node()
    mine = key()
    other = fake_ca(tmp_path / "other")
    forged = other.issue_node(mine.public_key(), node.device_id, int(time.time()), 1)
    context = client_context(server, mine, forged)
    # TLS 1.2, as a node speaks it: the refusal comes before any request can be sent.
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with httpx2.Client(verify=context) as client, pytest.raises(httpx2.ConnectError):
        client.get(server.device_url + node.ddi)


def test_our_ca_but_a_serial_that_we_never_issued_is_refused(server):
    node = server.node()
    mine = key()
    authority = ca.load(Home(server.home))
    stray = authority.issue_node(mine.public_key(), node.device_id, int(time.time()), 1)
    answer = Identity(server, node.device_id, mine, stray).client.get(node.ddi)
    assert (answer.status_code, problem(answer)) == (403, "certificate-unknown")


def test_the_server_certificate_is_no_identity_of_a_node(server):
    pki = server.home / "server/pki"
    context = client_context(server)
    context.load_cert_chain(pki / "tls.pem", pki / "tls.key")
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with httpx2.Client(verify=context) as client, pytest.raises(httpx2.ConnectError):
        client.get(server.device_url + "/.well-known/est/cacerts")


def test_tls_below_1_2_is_refused(server):
    context = client_context(server)
    context.set_ciphers("DEFAULT@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="deprecated"):
        context.minimum_version = ssl.TLSVersion.TLSv1
    with pytest.warns(DeprecationWarning, match="deprecated"):
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    with httpx2.Client(verify=context) as client, pytest.raises(httpx2.ConnectError):
        client.get(server.device_url + "/.well-known/est/cacerts")


def test_without_a_certificate_only_enrolment_and_static_files_answer(server):
    device_id = server.add()
    for method, path in (
        ("GET", f"/default/controller/v1/{device_id}"),
        ("PUT", f"/default/controller/v1/{device_id}/configData"),
        ("POST", f"/telemetry/v1/{device_id}"),
        ("POST", "/.well-known/est/simplereenroll"),
    ):
        answer = server.anonymous.request(method, path)
        assert (answer.status_code, problem(answer)) == (403, "certificate-required")


def test_an_expired_certificate_may_only_renew_itself(server):
    node = server.node()
    mine = key()
    database = Database(server.url or Home(server.home).database_url)

    async def long_ago():
        async with database.write() as session:
            issued = await service.issue(
                session,
                ca.load(Home(server.home)),
                int(time.time()) - 200 * 86400,
                node.device_id,
                mine.public_key(),
                90,
                "identity.renew",
            )
        await database.close()
        return x509.load_der_x509_certificate(issued.der)

    old = Identity(server, node.device_id, mine, asyncio.run(long_ago()))
    for answer in (old.client.get(old.ddi), old.send([old.record(1)])):
        assert (answer.status_code, problem(answer)) == (403, "certificate-expired")
    fresh = key()
    answer = old.client.post(
        "/.well-known/est/simplereenroll",
        content=csr(fresh, node.device_id),
        headers={"Content-Type": "application/pkcs10"},
    )
    assert answer.status_code == 200
    again = Identity(server, node.device_id, fresh, certificate_of(answer.content))
    assert again.client.get(node.ddi).status_code == 200


def test_renewal_is_for_oneself_only(server):
    node = server.node()
    answer = node.client.post(
        "/.well-known/est/simplereenroll",
        content=csr(key(), new_id()),
        headers={"Content-Type": "application/pkcs10"},
    )
    assert (answer.status_code, problem(answer)) == (403, "csr-for-another")
    assert refused(server, node.device_id) == ["csr-for-another"]


def test_a_revoked_certificate_is_refused_at_once_on_an_open_connection(server):
    node = server.node()
    waiting = server.claim(node.device_id)
    assert node.client.get(node.ddi).status_code == 200
    path = f"/devices/{node.device_id}/revoke"
    answer = server.admin.post(path, json={"reason": "key_compromise"})
    assert answer.json() == {"certificates": 1}
    renewal = node.client.post(
        "/.well-known/est/simplereenroll",
        content=csr(key(), node.device_id),
        headers={"Content-Type": "application/pkcs10"},
    )
    for answer in (node.client.get(node.ddi), node.send([node.record(1)]), renewal):
        assert (answer.status_code, problem(answer)) == (403, "certificate-revoked")
    stale = server.enroll(node.device_id, waiting, csr(key(), node.device_id))
    assert problem(stale) == "claim-used"
    acts = [event["act"] for event in server.audit(node.device_id)]
    assert acts.count("identity.certificate-revoked") == 3
    assert acts.count("device.revoke") == 1


def test_a_new_claim_takes_the_old_identity_away(server):
    node = server.node()
    answer = server.enroll(
        node.device_id, server.claim(node.device_id), csr(key(), node.device_id)
    )
    assert answer.status_code == 200
    assert problem(node.client.get(node.ddi)) == "certificate-revoked"


@pytest.mark.parametrize("state", ["quarantined", "retired"])
def test_a_node_put_aside_may_not_speak(server, state):
    node = server.node()
    path = f"/devices/{node.device_id}/state"
    assert server.admin.post(path, json={"state": state}).status_code == 200
    for answer in (node.client.get(node.ddi), node.send([node.record(1)])):
        assert answer.status_code == 403
    back = server.admin.post(path, json={"state": "active"})
    if state == "retired":
        assert back.status_code == 409
    else:
        assert node.client.get(node.ddi).status_code == 200


def test_a_claim_is_not_burnt_by_a_quarantine(server):
    device_id = server.add()
    token, path = server.claim(device_id), f"/devices/{device_id}/state"
    server.admin.post(path, json={"state": "quarantined"})
    answer = server.enroll(device_id, token, csr(key(), device_id))
    assert (answer.status_code, problem(answer)) == (403, "device-refused")
    assert server.admin.get(f"/devices/{device_id}").json()["state"] == "quarantined"
    server.admin.post(path, json={"state": "active"})
    assert server.enroll(device_id, token, csr(key(), device_id)).status_code == 200


def test_a_node_may_only_speak_for_itself(server):
    node, other = server.node(), server.node()
    for answer in (
        node.client.get(other.ddi),
        node.client.get(f"{other.ddi}/deploymentBase/1"),
        node.client.post(f"{other.ddi}/deploymentBase/1/feedback", json={}),
        node.client.put(f"{other.ddi}/configData", json={"data": {}}),
        node.client.post(f"/telemetry/v1/{other.device_id}", json=[other.record(1)]),
    ):
        assert (answer.status_code, problem(answer)) == (403, "other-node")
    acts = [event["act"] for event in server.audit(other.device_id)]
    assert acts.count("identity.other-node") == 5
