"""A node's refresh: how often it verifies, what damage on its flash does, what it asks for."""

import asyncio

import pytest

from ota.core import errors, p256
from ota.device import fetch


@pytest.fixture
def verified(quick, monkeypatch):
    """Count the verifications of signatures."""
    seen = []
    verify = p256.verify

    def counting(key, digest, signature):
        seen.append(digest)
        return verify(key, digest, signature)

    monkeypatch.setattr(p256, "verify", counting)
    return seen


def test_the_same_timestamp_again_costs_no_verification(flash, verified, repository):
    repository.next_root()
    flash.refresh()
    assert len(verified) == 5  # the factory's root, the next, and what the server has under it
    verified.clear()
    before = {path.name: path.read_bytes() for path in (flash.data / "tuf").iterdir()}
    flash.refresh()
    assert len(verified) == 3  # each file that is kept, once
    assert flash.asked() == ["3.root.json", "timestamp.json"]
    assert before == {path.name: path.read_bytes() for path in (flash.data / "tuf").iterdir()}
    repository.files["timestamp.json"] += b" "  # other bytes: looked at, and nothing new
    verified.clear()
    flash.refresh()
    assert len(verified) == 4


def test_a_key_that_stays_in_the_next_root_is_verified_once(flash, verified, repository):
    repository.next_root()
    flash.refresh()
    repository.next_root()
    verified.clear()
    flash.refresh()
    assert len(verified) == 1 + 3


def test_metadata_of_another_version_is_refused_before_its_signatures(flash, verified, repository):
    repository.publish(hashes=False)
    flash.refresh()
    old = repository.files[repository.name("targets")]
    repository.publish(hashes=False)
    repository.files[repository.name("targets")] = old
    verified.clear()
    with pytest.raises(errors.Rollback, match="targets"):
        flash.refresh()
    assert len(verified) == 5  # the root that is kept, both timestamps, both snapshots


@pytest.mark.parametrize("name", ["timestamp", "snapshot", "targets", "root"])
def test_what_is_damaged_on_flash_is_fetched_again(flash, repository, name):
    repository.next_root()
    flash.refresh()
    good = flash.kept(name).read_bytes()
    flash.kept(name).write_bytes(good[: len(good) // 2])
    trusted = flash.refresh()
    assert trusted.root["version"] == 2
    assert flash.kept(name).read_bytes() == good


def test_a_root_with_one_bit_wrong_is_walked_up_to_again(flash, repository):
    """It still reads as a root, of other keys; nothing passes under it; the factory's does."""
    repository.next_root()
    repository.next_root()
    flash.refresh()
    good = flash.kept("root").read_bytes()
    keyid = repository.signers["timestamp"][0].public_key.keyid
    bad = good.replace(keyid.encode(), (("1" if keyid[0] == "0" else "0") + keyid[1:]).encode())
    assert bad != good
    flash.kept("root").write_bytes(bad)
    assert flash.refresh().root["version"] == 3
    assert flash.kept("root").read_bytes() == good
    assert flash.asked()[:2] == ["4.root.json", "timestamp.json"]  # and then from the start
    assert flash.asked()[2:5] == ["2.root.json", "3.root.json", "4.root.json"]


def test_a_sound_root_is_not_doubted_for_what_others_do(flash, repository):
    flash.refresh()
    repository.next_root()
    flash.refresh()
    repository.signers["timestamp"] = [repository.spare[0]]
    repository.publish()
    with pytest.raises(errors.BadSignature):
        flash.refresh()
    assert flash.kept("root").read_bytes() == repository.files["2.root.json"]
    assert flash.asked() == ["3.root.json", "timestamp.json"]


def test_a_factory_root_that_did_not_sign_itself_asks_for_nothing(flash, repository):
    repository.signers["root"], true = [repository.spare[0]], repository.signers["root"]
    flash.factory.write_bytes(repository.sign("root"))
    with pytest.raises(errors.BadSignature, match="root"):
        flash.refresh()
    assert flash.asked() == []
    assert not flash.kept("root").exists()
    repository.signers["root"] = true


def test_roots_beyond_the_bound_wait_for_the_next_refresh(flash, repository, monkeypatch):
    monkeypatch.setattr("ota.core.limits.ROOTS_PER_REFRESH", 3)
    for _ in range(5):
        repository.next_root()
    assert flash.refresh().root["version"] == 4
    assert flash.refresh().root["version"] == 6


def test_a_target_is_fetched_once_and_whole(flash, repository, tmp_path):
    repository.add("esp32/x", b"content")
    repository.publish()
    trusted = flash.refresh()
    found = trusted.target("esp32/x")
    path = tmp_path / "x"

    def get():
        flash.served.clear()
        asyncio.run(fetch.target(flash.client, "esp32/x", found, str(path)))
        return len(flash.served)

    assert (get(), get()) == (1, 0)
    assert path.read_bytes() == b"content"
    path.unlink()
    for bad, error in ((b"content.", errors.TooLong), (b"conten", errors.BadLength)):
        repository.files[f"targets/esp32/{found[1]}.x"] = bad
        with pytest.raises(error):
            get()
        assert not path.exists()
    repository.files[f"targets/esp32/{found[1]}.x"] = b"CONTENT"
    with pytest.raises(errors.BadHash):
        get()
    assert not path.exists()
