"""The TUF rules on both interpreters, with metadata that the reference library made."""

import io

from ota.core import errors, tuf
from outcomes import finish, refused

FOLDER = __file__.rsplit("/", 2)[0] + "/vectors/tuf/"
NOW = 1_795_000_000


def stream(name):
    with open(FOLDER + name, "rb") as file:
        return io.BytesIO(file.read())


def trusted_up_to_snapshot():
    trusted = tuf.Trusted(stream("1.root.json"), NOW)
    finish(trusted.update_root(stream("2.root.json")))
    assert finish(trusted.update_timestamp(stream("timestamp.json"))) is True
    finish(trusted.update_snapshot(stream("snapshot.json")))
    return trusted


def test_a_whole_refresh():
    trusted = trusted_up_to_snapshot()
    finish(trusted.update_targets(stream("targets.json")))
    assert trusted.target("esp32/1.0.0.jsonl") == (
        10,
        "e59625a822497c164d60705eb3fd6975c375ca213b8140137a826a77790986a9",
    )
    assert trusted.target("esp32/2.0.0.jsonl") is None


def test_the_same_timestamp_again_is_nothing_new():
    trusted = tuf.Trusted(stream("1.root.json"), NOW)
    assert finish(trusted.update_timestamp(stream("timestamp.json"))) is True
    assert finish(trusted.update_timestamp(stream("timestamp.json"))) is False


def test_below_the_threshold():
    trusted = trusted_up_to_snapshot()
    refused(errors.BadSignature, finish, trusted.update_targets(stream("targets_below.json")))
    assert not trusted.targets


def test_keys_of_the_root_before():
    trusted = tuf.Trusted(stream("1.root.json"), NOW)
    finish(trusted.update_timestamp(stream("timestamp.json")))
    finish(trusted.update_snapshot(stream("snapshot.json")))
    finish(trusted.update_targets(stream("targets.json")))  # the first key is enough there


def test_expired():
    trusted = tuf.Trusted(stream("1.root.json"), 4_102_444_800)  # 2100-01-01
    refused(errors.Expired, finish, trusted.update_timestamp(stream("timestamp.json")))


def test_a_skipped_root():
    trusted = tuf.Trusted(stream("2.root.json"), NOW)
    refused(errors.RepositoryError, finish, trusted.update_root(stream("1.root.json")))
    refused(errors.Rollback, finish, trusted.update_root(stream("2.root.json")))


def told_to_wait(text, step, *arguments):
    """Assert that a step out of order is the caller's mistake, and named."""
    assert refused(ValueError, lambda: finish(step(*arguments))) == text


def test_the_order_of_a_refresh_is_kept():
    trusted = tuf.Trusted(stream("1.root.json"), NOW)
    told_to_wait("snapshot before timestamp", trusted.told, "snapshot")
    told_to_wait("targets before snapshot", trusted.told, "targets")
    told_to_wait("snapshot out of order", trusted.update_snapshot, stream("snapshot.json"))
    told_to_wait("targets before snapshot", trusted.update_targets, stream("targets.json"))
    told_to_wait("target before targets", trusted.target, "esp32/1.0.0.jsonl")
    finish(trusted.update_timestamp(stream("timestamp.json")))
    told_to_wait("root after timestamp", trusted.update_root, stream("2.root.json"))
    finish(trusted.update_snapshot(stream("snapshot.json")))
    told_to_wait("timestamp after snapshot", trusted.update_timestamp, stream("timestamp.json"))
    finish(trusted.update_targets(stream("targets.json")))
    told_to_wait("snapshot out of order", trusted.update_snapshot, stream("snapshot.json"))


def test_a_rollback_is_told_with_role_and_versions():
    trusted = tuf.Trusted(stream("1.root.json"), NOW)
    text = refused(errors.Rollback, finish, trusted.update_root(stream("1.root.json")))
    assert text == "root 1, 2 expected"
    finish(trusted.update_timestamp(stream("timestamp.json")))
    trusted.timestamp["version"] = 99
    text = refused(errors.Rollback, finish, trusted.update_timestamp(stream("timestamp.json")))
    assert text == "timestamp 1 after 99"
    trusted.timestamp["meta"]["snapshot.json"] = {"version": 9}
    text = refused(errors.Rollback, finish, trusted.update_snapshot(stream("snapshot.json")))
    assert text == "snapshot 1, 9 expected"
    trusted = trusted_up_to_snapshot()
    trusted.snapshot["meta"]["gone.json"] = {"version": 1}
    text = refused(errors.Rollback, finish, trusted.update_snapshot(stream("snapshot.json")))
    assert text == "gone.json is gone from the snapshot"
    trusted.timestamp["meta"]["snapshot.json"] = {"version": 9}
    text = refused(errors.Rollback, finish, trusted.update_targets(stream("targets.json")))
    assert text == "snapshot 1, 9 expected"


def test_signatures_that_are_none_are_told():
    root = tuf.Trusted(stream("1.root.json"), NOW).root
    for bad in (None, {}, {"keyid": 5, "sig": ""}):
        text = refused(errors.BadFormat, finish, tuf.verify(root, "timestamp", {}, [bad]))
        assert text == "timestamp: a signature without key id"
    twice = [{"keyid": "0123456789abcdef", "sig": ""}] * 2
    text = refused(errors.BadSignature, finish, tuf.verify(root, "timestamp", {}, twice))
    assert text == "timestamp: key id 01234567 twice"
    text = refused(errors.BadSignature, finish, tuf.verify(root, "timestamp", {}, []))
    assert text == "timestamp: 0 of 1 good signatures"


def test_every_byte_of_a_timestamp_matters():
    with stream("timestamp.json") as file:
        data = file.read()
    for at in range(0, len(data), 37):
        trusted = tuf.Trusted(stream("1.root.json"), NOW)
        bad = io.BytesIO(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
        refused(errors.RepositoryError, finish, trusted.update_timestamp(bad))
        assert not trusted.timestamp


def test_json_that_only_micropython_reads_gains_nothing():
    with stream("timestamp.json") as file:
        data = file.read()
    for old, new in ((b",", b" "), (b":", b" "), (b'"version":1', b'"version":01')):
        assert old in data
        trusted = tuf.Trusted(stream("1.root.json"), NOW)
        try:
            finish(trusted.update_timestamp(io.BytesIO(data.replace(old, new))))
        except errors.RepositoryError:
            continue
        assert trusted.timestamp == genuine()  # read leniently, yet what was signed


def genuine():
    trusted = tuf.Trusted(stream("1.root.json"), NOW)
    finish(trusted.update_timestamp(stream("timestamp.json")))
    return trusted.timestamp
