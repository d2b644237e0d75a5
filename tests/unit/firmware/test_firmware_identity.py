"""From claim to certificate, and on: every refusal ends in a clear line, never in a crash."""

import asyncio
import datetime as dt
import email.utils
from base64 import b64decode, b64encode

import faketime
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import pkcs7
from cryptography.x509.oid import NameOID

from firmware.tasks import identity
from ota.core import errors
from ota.device.http import Response

T = 1_795_000_000
DAYS = 90
CA_KEY = ec.generate_private_key(ec.SECP256R1())
CA_NAME = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test CA")])


def issue(request, name=None, key=None):
    """Sign a request as the fleet's CA would; give DER."""
    start = dt.datetime.fromtimestamp(T, dt.UTC)
    subject = (
        request.subject
        if name is None
        else x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    )
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(CA_NAME)
        .public_key(key or request.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + dt.timedelta(days=DAYS))
        .sign(CA_KEY, hashes.SHA256())
    )


class Est:
    """An EST server by a script: functions from a request to (status, headers, body)."""

    def __init__(self, *script):
        self.script = list(script)
        self.asked = []
        self.closed = 0

    async def request(self, method, path, body, content_type, *, headers=(), limit=0):
        assert (method, content_type) == ("POST", "application/pkcs10")
        assert 0 < limit <= 8192
        request = x509.load_der_x509_csr(b64decode(body))
        assert request.is_signature_valid
        self.asked.append((path, dict(headers), request))
        step = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        found = step(request)
        if isinstance(found, Exception):
            raise found
        response = Response(found[0], found[1], 0)
        response.body = found[2]
        return response

    async def close(self):
        self.closed += 1


def bundle(certificate):
    return b64encode(pkcs7.serialize_certificates([certificate], serialization.Encoding.DER))


def good(request):
    return 200, {}, bundle(issue(request))


def refused(_):
    return 401, {}, b'{"title": "Unauthorized", "detail": "the claim token has expired"}'


def play(monkeypatch, est, files, seconds=60, before=lambda _node: None):
    """Run the identity task against an EST server; give the node."""
    made = []

    def client(_node, pair):
        if pair and pair[0] == b"broken":
            raise ValueError("invalid cert")
        made.append(pair)
        return est

    monkeypatch.setattr(identity, "client", client)

    async def main():
        node = faketime.node()
        node.storage.files.update(files)
        node.clock.set(T, "sntp")
        node.date_s = 1
        node.online.set()
        before(node)
        task = asyncio.create_task(identity.run(node))
        await asyncio.sleep(seconds)
        if task.done():
            task.result()
        task.cancel()
        node.made = made
        return node

    return faketime.run(main())


def test_a_claim_becomes_a_certificate_and_goes(monkeypatch):
    est = Est(good)
    node = play(monkeypatch, est, {"/etc/claim": b"t0ken\n"})
    path, headers, request = est.asked[0]
    assert path == "/.well-known/est/simpleenroll"
    assert b64decode(headers["Authorization"].split()[1]) == b"240ac4fffe000001:t0ken"
    assert "/etc/claim" not in node.storage.files
    assert node.enrolled.is_set()
    key, certificate = identity.load(node.storage)
    private = serialization.load_der_private_key(key, None)
    assert private.public_key() == request.public_key()
    assert x509.load_der_x509_certificate(certificate).public_key() == request.public_key()
    assert node.made == [None, (certificate, key)]
    assert est.closed == 1
    shown = " ".join(text for _, _, text in node.console.lines)
    assert "t0ken" not in shown


def test_an_authority_beside_the_certificate_becomes_no_trust_anchor(monkeypatch):
    """A stolen server's way to other anchors: in the answer; `cacerts` is never asked for."""
    anchors = dict.fromkeys(identity.ANCHORS[:2], b"genuine")

    def with_authority(request):
        chain = [issue(request, "Thief CA"), issue(request)]
        return 200, {}, b64encode(pkcs7.serialize_certificates(chain, serialization.Encoding.DER))

    est = Est(with_authority)
    node = play(monkeypatch, est, {"/etc/claim": b"t0ken\n", **anchors})
    assert node.enrolled.is_set()
    assert [path for path, _, _ in est.asked] == ["/.well-known/est/simpleenroll"]
    lies = {path: data for path, data in node.storage.files.items() if path.startswith("/etc/")}
    assert set(lies) == {*anchors, identity.IDENTITY}
    assert {path: lies[path] for path in anchors} == anchors
    assert b"Thief CA" not in lies[identity.IDENTITY]


def test_a_refused_claim_is_said_and_tried_again_slowly(monkeypatch):
    est = Est(refused)
    node = play(monkeypatch, est, {"/etc/claim": b"old"}, seconds=1300)
    assert 2 <= len(est.asked) <= 3
    assert node.console.texts("error")[0] == "refused with status 401 the claim token has expired"
    assert node.storage.files["/etc/claim"] == b"old"
    assert not node.enrolled.is_set()


def test_without_a_claim_it_waits_for_the_cable(monkeypatch):
    node = play(monkeypatch, Est(good), {})
    assert node.console.texts("warn") == ["no claim token: put one on by cable"]


@pytest.mark.parametrize(
    "fault",
    [
        lambda _: errors.Unreachable("no route"),
        lambda _: errors.Untrusted("not our CA"),
        lambda _: (503, {"retry-after": "20"}, b""),
        lambda _: (202, {}, b""),
    ],
)
def test_a_server_that_is_away_or_busy_is_asked_again_soon(monkeypatch, fault):
    est = Est(fault, fault, good)
    node = play(monkeypatch, est, {"/etc/claim": b"t"}, seconds=120)
    assert len(est.asked) == 3
    assert node.enrolled.is_set()


OTHER = ec.generate_private_key(ec.SECP256R1()).public_key()


@pytest.mark.parametrize(
    "answer",
    [
        lambda request: bundle(issue(request, key=OTHER)),
        lambda request: bundle(issue(request, name="240ac4fffe000002")),
        lambda _: b"",
        lambda _: b"not base64 at all!",
        lambda _: b64encode(b"\x30\x03\x02\x01\x01"),
        lambda request: bundle(issue(request))[:-40],
    ],
)
def test_a_certificate_that_is_not_ours_is_not_taken(monkeypatch, answer):
    est = Est(lambda request: (200, {}, answer(request)))
    node = play(monkeypatch, est, {"/etc/claim": b"t"})
    assert identity.load(node.storage) is None
    assert node.storage.files["/etc/claim"] == b"t"
    assert len(node.console.texts("error")) == 1
    assert len(est.asked) == 1


def enrolled(monkeypatch):
    """Give the files of a node that has enrolled."""
    return dict(play(monkeypatch, Est(good), {"/etc/claim": b"t"}).storage.files)


DUE = T + DAYS * 86400 * 2 // 3


def test_it_renews_at_two_thirds_of_the_certificates_life(monkeypatch):
    files = enrolled(monkeypatch)
    est = Est(good)
    node = play(
        monkeypatch, est, files, 7200 + 3600, lambda node: node.clock.set(DUE - 7200, "sntp")
    )
    assert [path for path, _, _ in est.asked] == ["/.well-known/est/simplereenroll"]
    assert est.asked[0][1] == {}
    assert node.storage.files["/etc/identity"] != files["/etc/identity"]
    assert (node.client, est.closed) == (est, 1)


def test_it_does_not_renew_before(monkeypatch):
    files = enrolled(monkeypatch)
    est = Est(good)
    play(monkeypatch, est, files, 7100, lambda node: node.clock.set(DUE - 7200, "sntp"))
    assert est.asked == []


def test_a_time_servers_word_alone_makes_no_renewal_due(monkeypatch):
    def lied_to(node):
        node.clock.set(DUE + 86_400, "sntp")
        node.date_s = 0

    async def tell(method, path, *_rest, **_options):
        assert (method, path[:5]) == ("GET", "/tuf/")
        return Response(200, {"date": email.utils.formatdate(T + 60, usegmt=True)}, 0)

    files = enrolled(monkeypatch)
    est = Est(good)
    est.request = tell
    node = play(monkeypatch, est, files, before=lied_to)
    assert node.clock.source == "date"
    assert est.asked == []


def test_a_failed_renewal_leaves_the_certificate_and_comes_again(monkeypatch):
    files = enrolled(monkeypatch)
    est = Est(refused)
    node = play(monkeypatch, est, files, 2.5 * 3600, lambda node: node.clock.set(DUE, "sntp"))
    assert len(est.asked) == 3
    assert node.storage.files["/etc/identity"] == files["/etc/identity"]
    assert node.client is est


def test_a_new_claim_replaces_an_identity_and_a_used_one_does_no_harm(monkeypatch):
    files = enrolled(monkeypatch)
    node = play(monkeypatch, Est(good), {**files, "/etc/claim": b"new"})
    assert node.storage.files["/etc/identity"] != files["/etc/identity"]
    assert "/etc/claim" not in node.storage.files
    node = play(monkeypatch, Est(refused), {**files, "/etc/claim": b"used"})
    assert node.storage.files["/etc/identity"] == files["/etc/identity"]
    assert node.enrolled.is_set()


@pytest.mark.parametrize("damage", [b"", b"\0", b"\xff\xff\xff\xff", b"\0\x03keybroken"])
def test_a_damaged_identity_is_said_and_a_claim_mends_it(monkeypatch, damage):
    node = play(monkeypatch, Est(good), {"/etc/identity": damage})
    assert not node.enrolled.is_set()
    assert node.console.texts("warn") == ["no claim token: put one on by cable"]
    node = play(monkeypatch, Est(good), {"/etc/identity": damage, "/etc/claim": b"t"})
    assert node.enrolled.is_set()


@pytest.mark.parametrize("name", ["/etc/claim", "/etc/identity"])
def test_a_file_that_is_far_too_long_is_none(monkeypatch, name):
    files = {"/etc/claim": b"t0ken", name: b"x" * 20_000}
    node = play(monkeypatch, Est(good), files)
    assert node.enrolled.is_set() == (name == "/etc/identity")
    if name == "/etc/claim":
        assert node.console.texts("error") == ["/etc/claim is longer than 256 bytes"]


def test_without_time_it_gives_the_time_servers_half_a_minute(monkeypatch):
    def unsynced(node):
        node.clock.synced = False

    est = Est(good)
    play(monkeypatch, est, {"/etc/claim": b"t"}, seconds=29, before=unsynced)
    assert est.asked == []
    node = play(monkeypatch, est, {"/etc/claim": b"t"}, seconds=31, before=unsynced)
    assert node.enrolled.is_set()
