"""The node's TUF rules against metadata of the reference implementation, one test an attack."""

import copy
import datetime as dt
import io
import json

import pytest
from outcomes import finish
from securesystemslib.formats import encode_canonical
from tuf.api.metadata import MetaFile

from ota.core import errors, limits, tuf

NOW = 1_795_000_000
PAST = dt.datetime.fromtimestamp(NOW, dt.UTC) - dt.timedelta(seconds=1)


class Node:
    """A node's trust: what it has verified, refreshed from a repository's files."""

    def __init__(self, repository, root="1.root.json"):
        self.repository = repository
        self.kept = {"root": repository.files[root]}

    def refresh(self, now=NOW):
        """Do what ota.device.fetch does, in memory; return what is trusted."""
        files = self.repository.files
        trusted = tuf.Trusted(io.BytesIO(self.kept["root"]), now)
        while data := files.get(f"{trusted.root['version'] + 1}.root.json"):
            finish(trusted.update_root(io.BytesIO(data)))
            self.kept["root"] = data
        self._offer(trusted.update_timestamp, "timestamp")
        if finish(trusted.update_timestamp(io.BytesIO(files["timestamp.json"]))):
            self.kept["timestamp"] = files["timestamp.json"]
        for name in ("snapshot", "targets"):
            update = getattr(trusted, f"update_{name}")
            options = (True,) if name == "snapshot" else ()
            if not self._offer(update, name, *options):
                data = files[f"{trusted.told(name)['version']}.{name}.json"]
                finish(update(io.BytesIO(data)))
                self.kept[name] = data
        return trusted

    def _offer(self, update, name, *options):
        try:
            finish(update(io.BytesIO(self.kept.get(name, b"")), *options))
        except errors.RepositoryError:
            return False
        return True

    def refuses(self, error, match=None, now=NOW):
        """Assert that a refresh raises and that nothing kept has changed."""
        before = dict(self.kept)
        with pytest.raises(error, match=match):
            self.refresh(now)
        assert self.kept == before


@pytest.fixture
def node(repository):
    repository.add("esp32/1.0.0.jsonl", b"first")
    repository.publish()
    made = Node(repository)
    made.refresh()
    return made


def test_a_target_is_found_with_length_and_hash(node):
    trusted = node.refresh()
    length, digest = trusted.target("esp32/1.0.0.jsonl")
    assert length == 5
    assert digest == "a7937b64b8caa58f03721bb6bacf5c78cb235febe0e70b1b84cd99541461a08e"
    assert trusted.target("esp32/9.9.9.jsonl") is None


def test_a_new_release_is_seen(node, repository):
    repository.add("esp32/1.1.0.jsonl", b"second")
    repository.publish()
    assert node.refresh().target("esp32/1.1.0.jsonl")[0] == 6


def test_nothing_new_is_no_error(node):
    before = dict(node.kept)
    node.refresh()
    assert node.kept == before


def test_metadata_without_lengths_and_hashes(node, repository):
    repository.publish(hashes=False)
    assert node.refresh().targets["version"] == repository.targets.version


# Arbitrary installation: other keys.


@pytest.mark.parametrize("role", ["timestamp", "snapshot", "targets"])
def test_signed_by_other_keys(node, repository, role):
    repository.signers[role] = [repository.spare[0]]
    repository.publish()
    before = dict(node.kept)
    with pytest.raises(errors.BadSignature):
        node.refresh()
    assert node.kept.get(role) == before[role]


@pytest.mark.parametrize("role", ["snapshot", "targets"])
def test_signed_by_the_timestamp_key_that_the_server_holds(node, repository, role):
    repository.signers[role] = repository.signers["timestamp"]
    repository.publish()
    with pytest.raises(errors.BadSignature):
        node.refresh()


def test_root_signed_only_by_itself(node, repository):
    repository.root.revoke_key(repository.signers["root"][0].public_key.keyid, "root")
    repository.root.add_key(repository.spare[0].public_key, "root")
    repository.next_root([repository.spare[0]])
    node.refuses(errors.BadSignature)


def test_root_not_signed_by_its_own_new_key(node, repository):
    repository.root.revoke_key(repository.signers["root"][0].public_key.keyid, "root")
    repository.root.add_key(repository.spare[0].public_key, "root")
    repository.next_root(repository.signers["root"])
    node.refuses(errors.BadSignature)


def test_root_rotates_through_a_chain(node, repository):
    for spare in repository.spare[:3]:
        old = repository.signers["root"][0]
        repository.root.revoke_key(old.public_key.keyid, "root")
        repository.root.add_key(spare.public_key, "root")
        repository.next_root([old, spare])
        repository.signers["root"] = [spare]
    assert node.refresh().root["version"] == 4
    assert node.kept["root"] == repository.files["4.root.json"]


def test_one_changed_byte_in_what_is_signed(node, repository):
    repository.publish()
    data = repository.files["timestamp.json"]
    repository.files["timestamp.json"] = data.replace(b'"length":', b'"length":1')
    node.refuses(errors.BadSignature)


# Compromise below the threshold.


def two_of_three(repository):
    for spare in repository.spare[:2]:
        repository.root.add_key(spare.public_key, "targets")
    repository.root.roles["targets"].threshold = 2
    repository.next_root()


def test_threshold_reached(node, repository):
    two_of_three(repository)
    repository.signers["targets"] = [repository.spare[1], repository.spare[0]]
    repository.publish()
    node.refresh()


def test_threshold_not_reached(node, repository):
    two_of_three(repository)
    repository.publish()
    with pytest.raises(errors.BadSignature, match="1 of 2"):
        node.refresh()


@pytest.mark.parametrize("forged", [0, 1])
def test_one_good_signature_beside_a_forged_one_is_not_two(node, repository, forged):
    two_of_three(repository)
    repository.signers["targets"] = repository.spare[:2]
    repository.publish(hashes=False)
    name = f"{repository.targets.version}.targets.json"
    data = json.loads(repository.files[name])
    data["signatures"][forged]["sig"] = data["signatures"][1 - forged]["sig"]
    repository.files[name] = json.dumps(data).encode()
    with pytest.raises(errors.BadSignature, match="1 of 2"):
        node.refresh()


def test_one_signature_twice_is_not_two(node, repository):
    two_of_three(repository)
    repository.publish(hashes=False)
    name = f"{repository.targets.version}.targets.json"
    data = json.loads(repository.files[name])
    data["signatures"] *= 2
    repository.files[name] = json.dumps(data).encode()
    with pytest.raises(errors.BadSignature, match="twice"):
        node.refresh()


def test_one_key_under_two_ids_counts_once(node, repository):
    first = repository.signers["targets"][0]
    twin = dict(repository.root.keys)[first.public_key.keyid]
    document = json.loads(repository.sign("root"))
    role = document["signed"]["roles"]["targets"]
    document["signed"]["keys"]["f" * 64] = twin.to_dict()
    role["keyids"].append("f" * 64)
    role["threshold"] = 2
    trusted = node.refresh()
    trusted.root = document["signed"]
    trusted.targets = {}
    data = json.loads(repository.sign("targets"))
    data["signatures"].append({"keyid": "f" * 64, "sig": data["signatures"][0]["sig"]})
    with pytest.raises(errors.BadSignature, match="1 of 2"):
        finish(trusted.update_targets(_told(trusted, data)))


def _told(trusted, data):
    trusted.snapshot["meta"]["targets.json"] = {"version": data["signed"]["version"]}
    return io.BytesIO(json.dumps(data).encode())


def test_a_key_of_another_scheme_counts_for_nothing(node, repository):
    keyid = repository.signers["timestamp"][0].public_key.keyid
    repository.root.keys[keyid] = copy.deepcopy(repository.root.keys[keyid])
    repository.root.keys[keyid].scheme = "rsassa-pss-sha256"
    repository.next_root()
    with pytest.raises(errors.BadSignature):
        node.refresh()


# Rollback.


def test_timestamp_rolled_back(node, repository):
    old = repository.files["timestamp.json"]
    repository.publish()
    node.refresh()
    repository.files["timestamp.json"] = old
    node.refuses(errors.Rollback, "timestamp")


def test_snapshot_rolled_back(node, repository):
    repository.publish()
    node.refresh()
    repository.timestamp.version += 1
    repository.timestamp.snapshot_meta = MetaFile(repository.snapshot.version - 1)
    repository.sign_timestamp()
    node.refuses(errors.Rollback, "snapshot")


def test_targets_rolled_back(node, repository):
    repository.publish()
    node.refresh()
    repository.snapshot.version += 1
    repository.timestamp.version += 1
    repository.snapshot.meta["targets.json"] = MetaFile(repository.targets.version - 1)
    repository.sign_snapshot()
    with pytest.raises(errors.Rollback, match="targets"):
        node.refresh()


def test_targets_gone_from_the_snapshot(node, repository):
    repository.snapshot.meta["esp32.json"] = MetaFile(1)
    repository.publish()
    node.refresh()
    del repository.snapshot.meta["esp32.json"]
    repository.publish()
    with pytest.raises(errors.Rollback, match=r"esp32\.json is gone"):
        node.refresh()


def test_root_rolled_back_or_skipped(node, repository):
    repository.next_root()
    for version in (1, 2, 4):
        repository.root.version = version
        repository.files["3.root.json"] = repository.sign("root")
        with pytest.raises(errors.Rollback, match="root"):
            node.refresh()
        assert node.kept["root"] == repository.files["2.root.json"]


# Mix and match: pieces of different snapshots.


def test_snapshot_of_another_time(node, repository):
    repository.publish()
    stale = repository.files[f"{repository.snapshot.version}.snapshot.json"]
    repository.publish()
    repository.files[f"{repository.snapshot.version}.snapshot.json"] = stale
    with pytest.raises(errors.RepositoryError):
        node.refresh()


def test_snapshot_of_another_time_without_hashes(node, repository):
    repository.publish(hashes=False)
    stale = repository.files[f"{repository.snapshot.version}.snapshot.json"]
    repository.publish(hashes=False)
    repository.files[f"{repository.snapshot.version}.snapshot.json"] = stale
    with pytest.raises(errors.Rollback):
        node.refresh()


def test_targets_of_another_time_without_hashes(node, repository):
    repository.publish(hashes=False)
    stale = repository.files[f"{repository.targets.version}.targets.json"]
    repository.publish(hashes=False)
    repository.files[f"{repository.targets.version}.targets.json"] = stale
    with pytest.raises(errors.Rollback):
        node.refresh()


def test_one_role_served_as_another(node, repository):
    repository.files["timestamp.json"] = repository.files[
        f"{repository.snapshot.version}.snapshot.json"
    ]
    node.refuses(errors.BadFormat, "type")


# Freeze.


@pytest.mark.parametrize("role", ["timestamp", "snapshot", "targets"])
def test_expired(node, repository, role):
    getattr(repository, role).expires = PAST
    repository.publish()
    with pytest.raises(errors.Expired, match=role):
        node.refresh()


def test_expired_root_is_refused_but_walked_over(node, repository):
    expires = repository.root.expires
    repository.root.expires = PAST
    repository.next_root()
    with pytest.raises(errors.Expired, match="root"):
        node.refresh()
    repository.root.expires = expires
    repository.next_root()
    assert node.refresh().root["version"] == 3


def test_frozen_repository(node):
    with pytest.raises(errors.Expired):
        node.refresh(NOW + 31 * 86400)


def test_an_expired_timestamp_still_guards_against_rollback(node, repository):
    old = repository.files["timestamp.json"]
    soon = dt.datetime.fromtimestamp(NOW + 60, dt.UTC)
    repository.timestamp.expires = soon
    repository.publish()
    node.refresh()
    repository.files["timestamp.json"] = old
    node.refuses(errors.Rollback, now=NOW + 120)


def test_expired_while_it_was_kept(node):
    """Each step refuses what has expired, also when the step before was skipped over."""
    trusted = tuf.Trusted(io.BytesIO(node.kept["root"]), NOW)
    finish(trusted.update_timestamp(io.BytesIO(node.kept["timestamp"])))
    late = trusted.now = NOW + 31 * 86400
    trusted.root["expires"] = "2100-01-01T00:00:00Z"
    assert finish(trusted.update_timestamp(io.BytesIO(node.kept["timestamp"]))) is False
    with pytest.raises(errors.Expired, match="timestamp"):
        finish(trusted.update_snapshot(io.BytesIO(node.kept["snapshot"])))
    again = tuf.Trusted(io.BytesIO(node.kept["root"]), late)
    again.root["expires"] = "2100-01-01T00:00:00Z"
    with pytest.raises(errors.Expired, match="timestamp"):
        finish(again.update_timestamp(io.BytesIO(node.kept["timestamp"])))


def test_targets_are_not_taken_below_an_old_snapshot(node, repository):
    repository.publish()
    trusted = tuf.Trusted(io.BytesIO(node.kept["root"]), NOW)
    finish(trusted.update_timestamp(io.BytesIO(repository.files["timestamp.json"])))
    with pytest.raises(errors.Rollback):
        finish(trusted.update_snapshot(io.BytesIO(node.kept["snapshot"]), persisted=True))
    with pytest.raises(errors.Rollback, match="snapshot"):
        finish(trusted.update_targets(io.BytesIO(node.kept["targets"])))


# Fast forward: recovered by rotating the keys that were stolen.


def test_fast_forward_is_undone_by_new_keys(node, repository):
    repository.timestamp.version = repository.snapshot.version = 2**40
    repository.sign_snapshot()
    node.refresh()
    for role, spare in zip(("timestamp", "snapshot"), repository.spare, strict=False):
        old = repository.signers[role][0]
        repository.root.revoke_key(old.public_key.keyid, role)
        repository.root.add_key(spare.public_key, role)
        repository.signers[role] = [spare]
    repository.next_root()
    repository.timestamp.version = repository.snapshot.version = 7
    repository.sign_snapshot()
    assert node.refresh().timestamp["version"] == 7


# Endless data, and data that is not what it should be.


def test_more_bytes_than_the_cap(node, repository):
    for name, cap in (("timestamp", limits.TIMESTAMP_BYTES), ("root", limits.ROOT_BYTES)):
        data = repository.sign(name) + b" " * cap
        update = getattr(tuf.Trusted(io.BytesIO(node.kept["root"]), NOW), f"update_{name}")
        with pytest.raises(errors.BadLength, match=str(cap)):
            finish(update(io.BytesIO(data)))


def test_more_or_fewer_bytes_than_told(node, repository):
    repository.publish()
    name = f"{repository.snapshot.version}.snapshot.json"
    for data in (repository.files[name] + b"\n", repository.files[name][:-1]):
        repository.files[name] = data
        with pytest.raises(errors.BadLength):
            node.refresh()


def test_other_bytes_than_told(node, repository):
    repository.publish()
    name = f"{repository.targets.version}.targets.json"
    repository.files[name] = repository.files[name][:-3] + b" }}"
    with pytest.raises(errors.BadHash):
        node.refresh()


def junk(repository):
    good = json.loads(repository.sign("timestamp"))
    yield from (b"", b"{", b"[]", b"null", b'"x"', b"\xff\xfe", b"[" * 200, b"[" * 2000)
    yield from (b"{}", b'{"signatures": []}', b'{"signatures": {}, "signed": {}}')
    for path, value in (
        (("signed", "version"), 0),
        (("signed", "version"), 1.0),
        (("signed", "version"), True),
        (("signed", "version"), "3"),
        (("signed", "expires"), "2030-01-01"),
        (("signed", "expires"), "2030-13-01T00:00:00Z"),
        (("signed", "expires"), "20\u00b230-1-01T00:00:00Z"),
        (("signed", "spec_version"), "2.0.0"),
        (("signed", "spec_version"), 1),
        (("signed", "_type"), None),
        (("signed", "extra"), 0.5),
        (("signed", "extra"), "\ud800"),
        (("signatures",), [None]),
        (("signatures",), [{"keyid": 1, "sig": ""}]),
        (("signed",), []),
    ):
        document = json.loads(json.dumps(good))
        place = document
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = value
        yield json.dumps(document).encode()


def test_metadata_that_is_not_what_it_should_be(node, repository):
    count = 0
    for data in junk(repository):
        repository.files["timestamp.json"] = data
        node.refuses(errors.BadFormat)
        count += 1
    assert count == 26


def test_signatures_that_are_not_hex(node, repository):
    for sig in (None, 7, "zz", "abc", "", "00" * 70):
        document = json.loads(repository.sign("timestamp"))
        document["signatures"][0]["sig"] = sig
        repository.files["timestamp.json"] = json.dumps(document).encode()
        node.refuses(errors.BadSignature)


def test_meta_of_the_wrong_types(node, repository):
    for meta in (
        {},
        {"snapshot.json": 3},
        {"snapshot.json": {"version": "1"}},
        {"snapshot.json": {"version": 9, "length": -1}},
        {"snapshot.json": {"version": 9, "hashes": 5}},
    ):
        repository.timestamp.version += 1
        signed = repository.timestamp.to_dict()
        repository.files["timestamp.json"] = signed_raw(repository, {**signed, "meta": meta})
        node.refuses(errors.BadFormat)


@pytest.mark.parametrize("meta", [{}, {"targets.json": {"version": 3}, "esp32.json": 5}])
def test_a_snapshot_of_the_wrong_types(node, repository, meta):
    repository.publish(hashes=False)
    name = f"{repository.snapshot.version}.snapshot.json"
    signed = repository.snapshot.to_dict() | {"meta": meta}
    repository.files[name] = signed_raw(repository, signed, "snapshot")
    with pytest.raises(errors.BadFormat):
        node.refresh()


def test_targets_of_the_wrong_types(node, repository):
    repository.publish(hashes=False)
    name = f"{repository.targets.version}.targets.json"
    signed = repository.targets.to_dict() | {"targets": []}
    repository.files[name] = signed_raw(repository, signed, "targets")
    with pytest.raises(errors.BadFormat, match="targets"):
        node.refresh()


def test_roots_of_the_wrong_types(node, repository):
    good = repository.root.to_dict()
    twice = good["roles"]["targets"]["keyids"] * 2
    for change in (
        {"consistent_snapshot": False},
        {"consistent_snapshot": None},
        {"keys": []},
        {"roles": {"root": good["roles"]["root"]}},
        {"roles": good["roles"] | {"targets": {"keyids": twice, "threshold": 1}}},
        {"roles": good["roles"] | {"targets": {"keyids": twice[:1], "threshold": 0}}},
        {"roles": good["roles"] | {"targets": {"keyids": "x", "threshold": 1}}},
        {"roles": good["roles"] | {"targets": {"keyids": [5], "threshold": 1}}},
    ):
        signed = {**good, "version": 2, **change}
        repository.files["2.root.json"] = signed_raw(repository, signed, "root")
        node.refuses(errors.BadFormat)


def test_more_objects_or_nesting_than_a_node_holds(node, repository):
    for extra, match in (([[]] * 300, "objects"), ([[[[[[[[[]]]]]]]]], "deep")):
        signed = repository.timestamp.to_dict() | {"version": 9, "extra": extra}
        repository.files["timestamp.json"] = signed_raw(repository, signed)
        node.refuses(errors.BadFormat, match)


def signed_raw(repository, signed, role="timestamp"):
    """Sign what the reference library would not write."""
    signer = repository.signers[role][0]
    signature = signer.sign(encode_canonical(signed).encode())
    return json.dumps({"signatures": [signature.to_dict()], "signed": signed}).encode()


def test_unknown_fields_are_signed_and_ignored(node, repository):
    repository.timestamp.version += 1
    signed = repository.timestamp.to_dict()
    signed["later"] = {"text": 'q"b\\s\n\u00fc\u20ac', "n": [None, True, -5, 2**70], "e": [{}, []]}
    repository.files["timestamp.json"] = signed_raw(repository, signed)
    assert node.refresh().timestamp["version"] == signed["version"]


def test_the_order_is_enforced(node, repository):
    trusted = tuf.Trusted(io.BytesIO(node.kept["root"]), NOW)
    with pytest.raises(ValueError, match="snapshot"):
        finish(trusted.update_snapshot(io.BytesIO(node.kept["snapshot"])))
    with pytest.raises(ValueError, match="targets"):
        finish(trusted.update_targets(io.BytesIO(node.kept["targets"])))
    for role in ("snapshot", "targets"):
        with pytest.raises(ValueError, match=role):
            trusted.told(role)
    with pytest.raises(ValueError, match="target"):
        trusted.target("x")
    trusted = node.refresh()
    with pytest.raises(ValueError, match="root"):
        finish(trusted.update_root(io.BytesIO(node.kept["root"])))
    with pytest.raises(ValueError, match="timestamp"):
        finish(trusted.update_timestamp(io.BytesIO(node.kept["timestamp"])))


def test_a_target_without_sha256(node, repository):
    trusted = node.refresh()
    for entry in ({"length": 1}, {"length": 1, "hashes": {"md5": "x"}}, 5):
        trusted.targets["targets"]["x"] = entry
        with pytest.raises(errors.BadFormat):
            trusted.target("x")
