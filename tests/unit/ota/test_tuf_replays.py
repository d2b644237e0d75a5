"""Genuine metadata at the wrong time: rolled back, mixed, frozen, fast forwarded."""

import datetime as dt
import io

import pytest
from outcomes import finish
from tuf.api.metadata import MetaFile
from updating import NOW

from ota.core import errors, tuf

PAST = dt.datetime.fromtimestamp(NOW, dt.UTC) - dt.timedelta(seconds=1)


# Rollback.


def test_timestamp_rolled_back(trust, repository):
    old = repository.files["timestamp.json"]
    repository.publish()
    trust.refresh()
    repository.files["timestamp.json"] = old
    trust.refuses(errors.Rollback, "timestamp")


def test_snapshot_rolled_back(trust, repository):
    repository.publish()
    trust.refresh()
    repository.timestamp.version += 1
    repository.timestamp.snapshot_meta = MetaFile(repository.snapshot.version - 1)
    repository.sign_timestamp()
    trust.refuses(errors.Rollback, "snapshot")


def test_targets_rolled_back(trust, repository):
    repository.publish()
    trust.refresh()
    repository.snapshot.version += 1
    repository.timestamp.version += 1
    repository.snapshot.meta["targets.json"] = MetaFile(repository.targets.version - 1)
    repository.sign_snapshot()
    with pytest.raises(errors.Rollback, match="targets"):
        trust.refresh()


def test_targets_gone_from_the_snapshot(trust, repository):
    repository.snapshot.meta["esp32.json"] = MetaFile(1)
    repository.publish()
    trust.refresh()
    del repository.snapshot.meta["esp32.json"]
    repository.publish()
    with pytest.raises(errors.Rollback, match=r"esp32\.json is gone"):
        trust.refresh()


def test_root_rolled_back_or_skipped(trust, repository):
    repository.next_root()
    for version in (1, 2, 4):
        repository.root.version = version
        repository.files["3.root.json"] = repository.sign("root")
        with pytest.raises(errors.Rollback, match="root"):
            trust.refresh()
        assert trust.kept["root"] == repository.files["2.root.json"]


# Mix and match: pieces of different snapshots.


@pytest.mark.parametrize(
    ("role", "hashes", "error"),
    [
        ("snapshot", True, errors.RepositoryError),
        ("snapshot", False, errors.Rollback),
        ("targets", False, errors.Rollback),
    ],
)
def test_a_role_of_another_time(trust, repository, role, hashes, error):
    repository.publish(hashes=hashes)
    stale = repository.files[repository.name(role)]
    repository.publish(hashes=hashes)
    repository.files[repository.name(role)] = stale
    with pytest.raises(error):
        trust.refresh()


def test_one_role_served_as_another(trust, repository):
    repository.files["timestamp.json"] = repository.files[
        f"{repository.snapshot.version}.snapshot.json"
    ]
    trust.refuses(errors.BadFormat, "type")


# Freeze.


@pytest.mark.parametrize("role", ["timestamp", "snapshot", "targets"])
def test_expired(trust, repository, role):
    getattr(repository, role).expires = PAST
    repository.publish()
    with pytest.raises(errors.Expired, match=role):
        trust.refresh()


def test_expired_root_is_refused_but_walked_over(trust, repository):
    expires = repository.root.expires
    repository.root.expires = PAST
    repository.next_root()
    with pytest.raises(errors.Expired, match="root"):
        trust.refresh()
    repository.root.expires = expires
    repository.next_root()
    assert trust.refresh().root["version"] == 3


def test_frozen_repository(trust):
    with pytest.raises(errors.Expired):
        trust.refresh(NOW + 31 * 86400)


def test_an_expired_timestamp_still_guards_against_rollback(trust, repository):
    old = repository.files["timestamp.json"]
    soon = dt.datetime.fromtimestamp(NOW + 60, dt.UTC)
    repository.timestamp.expires = soon
    repository.publish()
    trust.refresh()
    repository.files["timestamp.json"] = old
    trust.refuses(errors.Rollback, now=NOW + 120)


def test_expired_while_it_was_kept(trust):
    """Each step refuses what has expired, also when the step before was skipped over."""
    trusted = tuf.Trusted(io.BytesIO(trust.kept["root"]), NOW)
    finish(trusted.update_timestamp(io.BytesIO(trust.kept["timestamp"])))
    late = trusted.now = NOW + 31 * 86400
    trusted.root["expires"] = "2100-01-01T00:00:00Z"
    assert finish(trusted.update_timestamp(io.BytesIO(trust.kept["timestamp"]))) is False
    with pytest.raises(errors.Expired, match="timestamp"):
        finish(trusted.update_snapshot(io.BytesIO(trust.kept["snapshot"])))
    again = tuf.Trusted(io.BytesIO(trust.kept["root"]), late)
    again.root["expires"] = "2100-01-01T00:00:00Z"
    with pytest.raises(errors.Expired, match="timestamp"):
        finish(again.update_timestamp(io.BytesIO(trust.kept["timestamp"])))


def test_targets_are_not_taken_below_an_old_snapshot(trust, repository):
    repository.publish()
    trusted = tuf.Trusted(io.BytesIO(trust.kept["root"]), NOW)
    finish(trusted.update_timestamp(io.BytesIO(repository.files["timestamp.json"])))
    with pytest.raises(errors.Rollback):
        finish(trusted.update_snapshot(io.BytesIO(trust.kept["snapshot"]), persisted=True))
    with pytest.raises(errors.Rollback, match="snapshot"):
        finish(trusted.update_targets(io.BytesIO(trust.kept["targets"])))


# Fast forward: recovered by rotating the keys that were stolen.


def test_fast_forward_is_undone_by_new_keys(trust, repository):
    repository.timestamp.version = repository.snapshot.version = 2**40
    repository.sign_snapshot()
    trust.refresh()
    for role, spare in zip(("timestamp", "snapshot"), repository.spare, strict=False):
        repository.rotate(role, spare)
    repository.next_root()
    repository.timestamp.version = repository.snapshot.version = 7
    repository.sign_snapshot()
    assert trust.refresh().timestamp["version"] == 7
