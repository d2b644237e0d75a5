"""The online half of the TUF repository: signed anew in time, with keys that root.json names."""

import asyncio
import hashlib
import json
import random
import time
from types import SimpleNamespace

import pytest
from bundles import release
from patching import patched

from fleet import atomic, limits, server
from fleet.releases.bundle import read as read_bundle
from fleet.releases.errors import NoRepository
from fleet.releases.repository import Repository
from fleet.settings import Home
from ota.build import ceremony, keys, repository
from ota.build.bundle import pack

NOW = int(time.time())
DAY = 86400
OTHERS = {f"firmware/n{n}.mpy": b"%d" % n * 400 for n in range(30)}


@pytest.fixture
def home(tmp_path):
    made = Home(tmp_path)
    made.make()
    repository.init(repository.Home(tmp_path), None)
    return made


def read(home, name):
    return json.loads((home.tuf / "metadata" / name).read_bytes())["signed"]


def test_metadata_is_signed_anew_before_it_expires(home):
    online = Repository(home)
    first = read(home, "timestamp.json")["version"]
    now, signed = NOW, 0
    for _ in range(90):
        signed += online.refresh(now)
        timestamp = read(home, "timestamp.json")
        snapshot = read(home, f"{timestamp['meta']['snapshot.json']['version']}.snapshot.json")
        ends = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now + DAY // 2))
        assert timestamp["expires"] > ends
        assert snapshot["expires"] > ends
        now += DAY // 2
    assert signed > 20
    assert read(home, "timestamp.json")["version"] == first + signed
    assert not online.refresh(now - DAY // 2)


def test_every_snapshot_and_root_stays(home):
    online = Repository(home)
    for days in (0, 20, 40):
        online.refresh(NOW + days * DAY)
    names = {path.name for path in (home.tuf / "metadata").iterdir()}
    assert {"1.root.json", "1.targets.json", "1.snapshot.json", "2.snapshot.json"} <= names


def test_keys_that_root_does_not_name_sign_nothing(home):
    (home.tuf / "keys/timestamp.pem").unlink()
    keys.generate(home.tuf / "keys/timestamp.pem", None)
    before = (home.tuf / "metadata/timestamp.json").read_bytes()
    with pytest.raises(NoRepository, match=r"root\.json"):
        Repository(home).refresh(NOW + limits.TIMESTAMP_S + 7 * DAY)
    assert (home.tuf / "metadata/timestamp.json").read_bytes() == before


def test_without_a_repository_there_is_nothing_to_do(tmp_path):
    online = Repository(Home(tmp_path))
    assert not online.refresh(NOW)
    made = release("1.0.0", "esp32", {"firmware/main.mpy": b"x"})
    bundle = read_bundle(pack(made, b"{}"))
    with pytest.raises(NoRepository, match="lamppost ota init"):
        online.accept(bundle, NOW)


def next_root(home, *roles):
    """Return root 2 with new keys for online roles, signed, as bytes."""
    place = repository.Home(home.root)
    made = ceremony.rotate(place, roles, (), None, None)
    made.sign(keys.load(place.keys / "root.pem", None))
    return made.root.to_bytes()


def test_what_a_crash_between_root_and_timestamp_left_is_made_up_for(home):
    root = next_root(home, "snapshot", "timestamp")
    (home.tuf / "metadata/2.root.json").write_bytes(root)  # and there it ended
    online = Repository(home)
    assert online.state(NOW).alarms == (
        "snapshot is not signed by the keys of root 2",
        "timestamp is not signed by the keys of root 2",
    )
    before = read(home, "timestamp.json")["version"]
    assert online.refresh(NOW)
    assert online.state(NOW).alarms == ()
    assert read(home, "timestamp.json")["version"] == before + 1
    assert not online.refresh(NOW)


@pytest.mark.parametrize("fails_at", range(1, 4))
def test_a_disk_that_fails_while_a_root_comes_into_force_leaves_old_or_new(
    home, monkeypatch, fails_at
):
    root = next_root(home, "snapshot", "timestamp")
    online, writes = Repository(home), []

    def write(path, data, mode=0o600):
        writes.append(path)
        if len(writes) == fails_at:
            raise OSError(28, "No space left on device")
        real(path, data, mode)

    real = atomic.write
    monkeypatch.setattr(atomic, "write", write)
    with pytest.raises(OSError, match="No space"):
        online.take_root(root, None, NOW)
    monkeypatch.undo()
    online.refresh(NOW)
    assert online.state(NOW).alarms == ()
    online.take_root(root, None, NOW)
    assert online.state(NOW).alarms == ()
    assert online.state(NOW).roles["root"].version == 2


def test_metadata_that_nobody_signs_anew_is_an_alarm_before_it_expires(home):
    online = Repository(home)
    assert online.refresh(NOW + 7 * DAY - 3600)
    (home.tuf / "keys/timestamp.pem").unlink()
    later = NOW + 7 * DAY + limits.TIMESTAMP_S * 3 // 4
    with pytest.raises(NoRepository):
        online.refresh(later)
    alarms = online.state(later).alarms
    assert any(each.startswith("timestamp expires ") for each in alarms), alarms
    assert "the timestamp key that root 1 names is not in tuf/keys" in alarms
    assert any(
        each.startswith("timestamp expired ") for each in online.state(NOW + 60 * DAY).alarms
    )


def test_what_cannot_be_signed_is_logged_as_an_error(home, caplog):
    (home.tuf / "keys/timestamp.pem").unlink()
    for days, said in ((0, "the timestamp key"), (7, "TUF metadata cannot be signed")):
        now = NOW + days * DAY
        context = SimpleNamespace(repository=Repository(home), now=lambda now=now: now)
        caplog.clear()
        asyncio.run(server._refresh(context))
        assert any(
            record.levelname == "ERROR" and said in record.getMessage()
            for record in caplog.records
        ), caplog.text


def test_what_changed_between_listed_releases_is_kept_as_patches(home):
    """Both ways, from each to each; not where the whole is as short, nor of other boards."""
    online, manager = Repository(home), repository.Home(home.root)
    body = random.Random(3).randbytes(3000)
    made = {}
    for version, board, main in (
        ("1.0.0", "esp32", body),
        ("1.1.0", "esp32", body[:1500] + b"line" + body[1500:]),
        ("1.2.0", "esp32", random.Random(4).randbytes(3000)),
        ("1.0.0", "esp32c3", body[:100] + body),
    ):
        files = {"firmware/main.mpy": main, "firmware/other.mpy": body[:900], **OTHERS}
        one = release(version, board, files)
        data = pack(one, repository.publish(manager, one, None))
        online.accept(read_bundle(data), NOW)
        made[version, board] = one, main
    (first, old), (second, new) = made["1.0.0", "esp32"], made["1.1.0", "esp32"]
    for older, newer, before, after in ((first, second, old, new), (second, first, new, old)):
        path = home.files / f"{sha256(after)}.{sha256(before)}"
        assert path.stat().st_size < 100
        assert patched(before, path.read_bytes()) == after
        name = f"{sha256(newer.manifest)}.{newer.header.version}.jsonl.{sha256(older.manifest)}"
        patch = online.target("esp32", name).read_bytes()
        assert len(patch) < len(newer.manifest) // 3
        assert patched(older.manifest, patch) == newer.manifest
    assert len([path for path in home.files.iterdir() if "." in path.name]) == 2


@pytest.mark.parametrize("damage", [b"", b"no deflate", None])
def test_a_damaged_file_keeps_no_later_release_from_being_taken(home, damage):
    online, manager = Repository(home), repository.Home(home.root)
    for version in ("1.0.0", "1.1.0"):
        main = version.encode() * 300
        one = release(version, "esp32", {"firmware/main.mpy": main})
        data = pack(one, repository.publish(manager, one, None))
        assert f"esp32/{version}.jsonl" in online.accept(read_bundle(data), NOW).listed
        (home.files / sha256(main)).unlink()
        if damage is not None:
            (home.files / sha256(main)).write_bytes(damage)


def sha256(data):
    return hashlib.sha256(data).hexdigest()
