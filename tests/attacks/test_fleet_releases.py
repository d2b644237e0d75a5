"""Attacks on what is genuine: bundles forged, old, bent, bombed. What is served stays."""

import json
import secrets
import zipfile
from io import BytesIO

import pytest
from bundles import Publisher, edit, forger, release
from fleetserver import problem

from ota.build import bundle, repository
from ota.build.entries import deflate
from ota.core import limits


@pytest.fixture
def files():
    """Give content that the server has not stored before."""
    long = secrets.token_bytes(9) * 50
    return {"firmware/main.mpy": secrets.token_bytes(9), "firmware/core/a.mpy": long}


@pytest.fixture
def publisher(server):
    return Publisher(server)


@pytest.fixture
def board():
    return f"board-{secrets.token_hex(4)}"


def served(server):
    """Return all that a node could see, and the releases that an operator sees."""
    tuf, files = server.home / "server/tuf", server.home / "server/files"
    paths = [*tuf.glob("metadata/*"), *tuf.glob("targets/**/*"), *files.glob("*")]
    content = {str(path): path.read_bytes() for path in paths if path.is_file()}
    return content, server.admin.get("/releases").json()


def refused(publisher, data):
    """Upload a bundle that must change nothing; return status and problem."""
    before = served(publisher.server)
    answer = publisher.upload(data)
    assert served(publisher.server) == before
    return answer.status_code, problem(answer)


def test_other_keys_make_no_release(server, publisher, board, tmp_path, files):
    data = forger(server, tmp_path).bundle("9.0.0", board, files)
    assert refused(publisher, data) == (422, "bundle-signature")


def test_online_keys_make_no_release(server, publisher, board, files):
    made = release("9.0.0", board, files)
    online = repository.keys.load(publisher.home.online_keys / "snapshot.pem", None)
    genuine = publisher.bundle("1.0.0", board, files)
    metadata = repository.Metadata.from_bytes(
        zipfile.ZipFile(BytesIO(genuine)).read("targets.json")
    )
    path = f"{board}/9.0.0.jsonl"
    metadata.signed.targets[path] = repository.TargetFile.from_data(path, made.manifest)
    metadata.sign(online)
    data = bundle.pack(made, metadata.to_bytes())
    assert refused(publisher, data) == (422, "bundle-signature")


def test_what_was_signed_cannot_be_changed(publisher, board, files):
    data = publisher.bundle("1.0.0", board, files)
    targets = json.loads(zipfile.ZipFile(BytesIO(data)).read("targets.json"))
    targets["signed"]["expires"] = "2099-01-01T00:00:00Z"
    bent = json.dumps(targets).encode()
    assert refused(publisher, edit(data, targets=bent)) == (422, "bundle-signature")
    del targets["signatures"]
    bent = json.dumps(targets).encode()
    assert refused(publisher, edit(data, targets=bent)) == (422, "bundle-signature")
    other = release("1.0.0", board, {"firmware/main.mpy": b"evil"})
    swapped = edit(
        data, manifest=other.manifest, **{f"files/{other.entries[0].sha256}": deflate(b"evil")}
    )
    assert refused(publisher, swapped) == (422, "bundle-content")
    assert publisher.upload(data).status_code == 201


def test_an_older_targets_version_is_refused_and_the_same_again_is_not(publisher, board, files):
    first = publisher.bundle("1.0.0", board, files)
    second = publisher.bundle("1.1.0", board, files)
    assert publisher.upload(second).status_code == 201
    assert refused(publisher, first) == (409, "bundle-version")
    before = served(publisher.server)
    assert publisher.upload(second).status_code == 201
    assert served(publisher.server) == before


def test_expired_metadata_is_refused(publisher, board, monkeypatch, files):
    monkeypatch.setitem(repository.EXPIRY_DAYS, "targets", -1)
    data = publisher.bundle("1.0.0", board, files)
    assert refused(publisher, data) == (422, "bundle-expired")


def test_a_file_must_inflate_to_what_was_signed(publisher, board, files):
    data = publisher.bundle("1.0.0", board, files)
    made = release("1.0.0", board, files)
    entry = made.entries[0]
    name = f"files/{entry.sha256}"
    wrong = bytearray(entry.deflated)
    wrong[-1] ^= 1
    for content in (
        deflate(b"b" * 500),
        bytes(wrong),
        entry.deflated + b"x",
        entry.deflated[:-1],
        b"",
        None,
    ):
        assert refused(publisher, edit(data, **{name: content})) == (422, "bundle-content")


def test_a_bomb_does_not_go_off(publisher, board):
    bomb = deflate(bytes(limits.FILE_BYTES * 40))
    made = release("1.0.0", board, {"firmware/main.mpy": b"x" * 1000})
    entry = made.entries[0]
    lines = made.manifest.splitlines()
    lines[1] = json.dumps([entry.path, len(entry.plain), entry.sha256, len(bomb)]).encode()
    manifest = b"".join(line + b"\n" for line in lines)
    signed = type(made)(made.header, made.entries, manifest)
    targets = repository.publish(publisher.home, signed, None)
    data = edit(bundle.pack(signed, targets), **{f"files/{entry.sha256}": bomb})
    assert refused(publisher, data) == (422, "bundle-content")


def zipped(**members):
    out = BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()


def test_what_is_no_bundle_is_400(publisher, board, files):
    good = publisher.bundle("1.0.0", board, files)
    for data in (
        b"",
        b"PK",
        good[:-30],
        edit(good, manifest=None),
        edit(good, targets=None),
        edit(good, **{"../../evil": b"x"}),
        edit(good, **{"files/../x": b"x"}),
        zipped(**{"manifest.jsonl": bytes(20_000_000)}),
        zipped(**{"manifest.jsonl": b"x", "targets.json": bytes(limits.TARGETS_BYTES + 1)}),
        zipped(**{f"files/{number:064x}": b"" for number in range(200)}),
    ):
        assert refused(publisher, data) == (400, "bundle-unreadable")
    answer = publisher.server.admin.post("/releases", content=good)
    assert (answer.status_code, problem(answer)) == (415, "unsupported-media-type")


@pytest.mark.parametrize(
    ("at", "value"),
    [(6, 99), (8, 0x20), (8, 0x40)],
    ids=["version", "patch", "encryption"],
)
def test_a_zip_of_features_unknown_here_is_400(publisher, at, value):
    data = bytearray(zipped(**{"manifest.jsonl": b"x", "targets.json": b"y"}))
    data[data.find(b"PK\x01\x02") + at] = value  # of the first member's directory entry
    assert refused(publisher, bytes(data)) == (400, "bundle-unreadable")


@pytest.mark.parametrize("path", ["../x.mpy", "/etc/x", "firmware/../../x", "boot.py"])
def test_a_manifest_reaches_no_file_outside_the_slot(publisher, board, path):
    made = release("1.0.0", board, {path: b"x"})
    targets = repository.publish(publisher.home, made, None)
    assert refused(publisher, bundle.pack(made, targets)) == (422, "bundle-content")


def test_only_an_admin_of_the_whole_fleet_uploads(server, publisher, board, files):
    data = publisher.bundle("1.0.0", board, files)
    headers = {"Content-Type": "application/zip"}
    for role, sites in (("operator", ()), ("auditor", ()), ("admin", ("harbour",))):
        answer = server.operator(role, *sites).post("/releases", content=data, headers=headers)
        assert (answer.status_code, problem(answer)) == (403, "forbidden")
