"""SBOM and provenance at the server: stored as signed, served to operators, never swapped."""

import hashlib
import json
import secrets

import pytest
from bundles import Publisher, edit, evidence
from fleetserver import lamppost, problem

MEMBERS = ("sbom.cdx.json", "provenance.json")


@pytest.fixture
def publisher(server):
    return Publisher(server)


@pytest.fixture
def board():
    return f"board-{secrets.token_hex(4)}"


@pytest.fixture
def files():
    return {"firmware/main.mpy": secrets.token_bytes(40)}


def refused(publisher, data):
    folder = publisher.server.home / "server/evidence"
    before = sorted(folder.glob("*"))
    answer = publisher.upload(data)
    assert sorted(folder.glob("*")) == before
    return answer.status_code, problem(answer)


def test_they_are_served_byte_for_byte_to_whoever_may_read_releases(
    server, publisher, board, files
):
    made = evidence("1.0.0")
    data = publisher.bundle("1.0.0", board, files, evidence=made)
    assert publisher.upload(data).status_code == 201
    reader = server.operator("auditor", "harbour")
    for name, content, kind in (
        ("sbom", made.sbom, "application/vnd.cyclonedx+json"),
        ("provenance", made.provenance, "application/vnd.in-toto+json"),
    ):
        answer = reader.get(f"/releases/{board}/1.0.0/{name}")
        assert (answer.status_code, answer.content) == (200, content)
        assert answer.headers["content-type"] == kind


def test_a_release_without_them_says_so(server, publisher, board, files):
    assert publisher.upload(publisher.bundle("1.0.0", board, files)).status_code == 201
    for version, part in (("1.0.0", "without SBOM"), ("7.0.0", "there is no release 7.0.0")):
        answer = server.admin.get(f"/releases/{board}/{version}/sbom")
        assert (answer.status_code, problem(answer)) == (404, "not-found")
        assert part in answer.json()["detail"]


def test_nobody_reads_them_without_a_token(server, publisher, board):
    answer = server.client(base_url=server.operator_url).get(
        f"/api/v1/releases/{board}/1.0.0/sbom"
    )
    assert (answer.status_code, problem(answer)) == (401, "unauthenticated")


@pytest.mark.parametrize("member", MEMBERS)
def test_one_that_is_swapped_missing_or_grown_is_refused(publisher, board, files, member):
    data = publisher.bundle("1.0.0", board, files, evidence=evidence("1.0.0"))
    other = dict(zip(MEMBERS, vars(evidence("6.6.6")).values(), strict=True))[member]
    for content in (other, None, b"{}", b"["):
        assert refused(publisher, edit(data, **{member: content})) == (422, "bundle-content")
    assert refused(publisher, edit(data, **{member: bytes(600_000)})) == (400, "bundle-unreadable")
    assert publisher.upload(data).status_code == 201


def test_one_that_nothing_names_is_refused(publisher, board, files):
    data = publisher.bundle("1.0.0", board, files)
    for member in MEMBERS:
        assert refused(publisher, edit(data, **{member: b"{}"})) == (422, "bundle-content")


def test_an_sbom_that_was_signed_and_names_no_provenance_is_refused(publisher, board, files):
    bare = b'{"externalReferences":[{"type":"attestation","hashes":[]}]}'
    for number, text in enumerate((b"[]", b"{}", bare)):
        made = type(evidence("x"))(text, b"{}")
        data = publisher.bundle(f"1.0.{number}", board, files, evidence=made)
        assert refused(publisher, data) == (422, "bundle-content")


def test_no_node_finds_them(server, publisher, board, files):
    made = evidence("1.0.0")
    publisher.upload(publisher.bundle("1.0.0", board, files, evidence=made))
    digest = hashlib.sha256(made.sbom).hexdigest()
    assert server.anonymous.get(f"/files/{digest}").status_code == 404


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_the_command_shows_a_built_release_in_words(server, publisher, tmp_path):
    out = lamppost("ota", "build", "--version", "4.5.6", "--out", str(tmp_path), "--json")
    assert out.returncode == 0, out.stderr
    environment = {
        "LAMPPOST_HOME": str(server.home),
        "LAMPPOST_URL": server.operator_url,
        "LAMPPOST_TOKEN": server.token(),
    }
    bundle = json.loads(out.stdout)["bundle"]
    done = lamppost("ota", "publish", bundle, **environment)
    assert done.returncode == 0, done.stderr
    file = tmp_path / "bom.json"
    shown = lamppost("release", "sbom", "4.5.6", "-o", str(file), **environment)
    assert shown.returncode == 0, shown.stderr
    for part in ("firmware/main.mpy", "MicroPython", "1.27.0", "Mbed TLS", "BSD-3-Clause"):
        assert part in shown.stdout
    header = server.home / "server/tuf/targets/esp32"
    (manifest,) = header.glob("*.4.5.6.jsonl")
    named = json.loads(manifest.read_bytes().splitlines()[0])["sbom"]
    assert hashlib.sha256(file.read_bytes()).hexdigest() == named
    shown = lamppost("release", "provenance", "4.5.6", **environment)
    assert "firmware/main.py" in shown.stdout
    assert "urn:lamppost:builder:desk" in shown.stdout
    says = lamppost("release", "sbom", "9.9.9", **environment)
    assert says.returncode == 2
    assert "there is no release 9.9.9" in says.stderr
