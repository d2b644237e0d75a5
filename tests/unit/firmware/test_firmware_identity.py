"""From claim to certificate, and on: every refusal ends in a clear line, never in a crash."""

import email.utils
from base64 import b64decode, b64encode

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import pkcs7
from est import DUE, Est, T, bundle, enrolled, good, issue, play, refused

from firmware.tasks import identity
from ota.core import errors
from ota.device.http import Response


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


def test_it_renews_at_two_thirds_of_the_certificates_life(monkeypatch):
    files = enrolled(monkeypatch)
    est = Est(good)
    node = play(
        monkeypatch, est, files, 7200 + 3600, lambda node: node.clock.set(DUE - 7200, "sntp")
    )
    assert [path for path, _, _ in est.asked] == ["/.well-known/est/simplereenroll"]
    assert est.asked[0][1] == {}
    assert node.storage.files["/etc/identity"] != files["/etc/identity"]
    assert (node.client, est.closed) == (est, 2)  # the one that renewed, and the one before it


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
    assert "/etc/claim" not in node.storage.files
    assert node.enrolled.is_set()


def test_a_new_claim_that_reached_no_server_is_tried_each_hour(monkeypatch):
    files = enrolled(monkeypatch)
    est = Est(lambda _: errors.Unreachable("no route"))
    node = play(monkeypatch, est, {**files, "/etc/claim": b"new"}, 2.5 * 3600)
    assert [path for path, _, _ in est.asked] == ["/.well-known/est/simpleenroll"] * 3
    assert node.storage.files["/etc/claim"] == b"new"
    assert node.storage.files["/etc/identity"] == files["/etc/identity"]


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
