"""Offline bundles: all that a node will ask for is in, and what a node would refuse is named."""

import datetime as dt
import io
import time
import zipfile

import pytest
from tuf.api.metadata import DelegatedRole, Delegations, MetaFile, Targets
from updating import NEW, OLD

from ota.build import offline
from ota.build.errors import BuildError


@pytest.fixture
def served(repository, make_release):
    """Give a repository of today with two releases, and the files that a server would serve."""
    later = dt.datetime.fromtimestamp(int(time.time()) + 86400, dt.UTC)
    for role in ("root", "targets", "snapshot", "timestamp"):
        getattr(repository, role).expires = later
    repository.sign_root()
    files = {}
    for release in (make_release("1.0.0", OLD), make_release("1.1.0", NEW)):
        files |= {f"files/{digest}": data for digest, data in release.files.items()}
        repository.add(release.target, release.manifest)
    repository.publish()
    return repository, files


def source(served):
    """Return the source that a server's folder would be."""
    repository, files = served

    def get(path, _limit):
        if path.startswith("tuf/"):
            name = path.removeprefix("tuf/").removeprefix("metadata/")
            return repository.files.get(name)
        return files.get(path)

    return get


def packed(made, path):
    path.write_bytes(offline.pack(made))
    return path


def test_what_comes_out_is_what_went_in(served, tmp_path):
    made = offline.collect(source(served), "esp32", "1.1.0")
    assert {name.rpartition("/")[0] for name in made.members} == {
        "tuf/metadata",
        "tuf/targets/esp32",
        "files",
    }
    assert len(made.files) == len(NEW)
    assert offline.load(packed(made, tmp_path / "b.zip")) == made
    assert made.until == int(served[0].timestamp.expires.timestamp())


def test_every_root_is_carried(served):
    repository, _ = served
    for _ in range(3):
        repository.next_root()
    made = offline.collect(source(served), "esp32", "1.0.0")
    roots = [name for name in made.members if name.endswith(".root.json")]
    assert sorted(roots) == [f"tuf/metadata/{n}.root.json" for n in (1, 2, 3, 4)]


def test_a_delegated_role_that_lists_it_is_carried(served, make_release):
    repository, files = served
    release = make_release("2.0.0", NEW, board="esp32s3")
    files |= {f"files/{digest}": data for digest, data in release.files.items()}
    signer = repository.spare[0]
    role = DelegatedRole("esp32s3", [signer.public_key.keyid], 1, True, paths=["esp32s3/*"])
    repository.targets.delegations = Delegations({}, {"esp32s3": role})
    repository.targets.delegations.keys[signer.public_key.keyid] = signer.public_key
    repository.esp32s3 = Targets(expires=repository.targets.expires)
    repository.signers["esp32s3"] = [signer]
    top, repository.targets = repository.targets, repository.esp32s3
    repository.add(release.target, release.manifest)
    repository.targets = top
    repository.files["1.esp32s3.json"] = repository.sign("esp32s3")
    repository.snapshot.meta["esp32s3.json"] = MetaFile(1)
    repository.publish()
    made = offline.collect(source(served), "esp32s3", "2.0.0")
    assert "tuf/metadata/1.esp32s3.json" in made.members
    assert offline.collect(source(served), "esp32", "1.0.0").header.board == "esp32"


def test_a_release_that_is_no_target(served):
    with pytest.raises(BuildError, match=r"esp32/3\.0\.0\.jsonl is not among the signed targets"):
        offline.collect(source(served), "esp32", "3.0.0")


@pytest.mark.parametrize("role", ["timestamp", "snapshot", "targets"])
def test_metadata_that_is_over(served, tmp_path, role):
    repository, _ = served
    made = offline.collect(source(served), "esp32", "1.1.0")
    getattr(repository, role).expires = dt.datetime.fromtimestamp(int(time.time()) - 1, dt.UTC)
    repository.publish()
    with pytest.raises(offline.StaleError, match=f"(?i){role}.*expired.*export it anew"):
        offline.collect(source(served), "esp32", "1.1.0")
    for name, data in repository.files.items():
        if not name.startswith("targets/"):
            made.members[f"tuf/metadata/{name}"] = data
    with pytest.raises(offline.StaleError, match=r"bundle .*b\.zip"):
        offline.load(packed(made, tmp_path / "b.zip"))


def test_a_bundle_that_lost_a_member_or_a_byte_is_refused(served, tmp_path):
    made = offline.collect(source(served), "esp32", "1.1.0")
    path = tmp_path / "b.zip"
    for name, data in dict(made.members).items():
        for damaged in (None, data[:-1], bytes([data[0] ^ 0x20]) + data[1:]):
            if damaged is None:
                del made.members[name]
            else:
                made.members[name] = damaged
            with pytest.raises(BuildError):
                offline.load(packed(made, path))
            made.members[name] = data
    offline.load(packed(made, path))


def test_a_flipped_bit_anywhere_never_passes_as_another_release(served, tmp_path):
    made = offline.collect(source(served), "esp32", "1.1.0")
    whole = offline.pack(made)
    path = tmp_path / "b.zip"
    for at in range(0, len(whole), len(whole) // 50):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        try:
            found = offline.load(path)
        except BuildError:
            continue
        assert found == made  # a bit that says nothing: a time, an attribute


@pytest.mark.parametrize(
    "members", [{}, {"manifest.jsonl": b"x"}, {"tuf/targets/a/b": b"", "tuf/targets/c/d": b""}]
)
def test_what_is_no_offline_bundle(tmp_path, members):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    (tmp_path / "b.zip").write_bytes(out.getvalue())
    with pytest.raises(BuildError, match="bundle-export"):
        offline.load(tmp_path / "b.zip")


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04", b"no zip at all" * 100])
def test_what_is_no_zip(tmp_path, data):
    (tmp_path / "b.zip").write_bytes(data)
    with pytest.raises(BuildError, match="damaged, or no zip file"):
        offline.load(tmp_path / "b.zip")
