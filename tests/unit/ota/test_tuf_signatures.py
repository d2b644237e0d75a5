"""Whom a node believes: other keys, too few of them, one that counts twice."""

import copy
import io
import json

import pytest
from outcomes import finish

from ota.core import errors


def test_a_target_is_found_with_length_and_hash(trust):
    trusted = trust.refresh()
    length, digest = trusted.target("esp32/1.0.0.jsonl")
    assert length == 5
    assert digest == "a7937b64b8caa58f03721bb6bacf5c78cb235febe0e70b1b84cd99541461a08e"
    assert trusted.target("esp32/9.9.9.jsonl") is None


def test_a_new_release_is_seen(trust, repository):
    repository.add("esp32/1.1.0.jsonl", b"second")
    repository.publish()
    assert trust.refresh().target("esp32/1.1.0.jsonl")[0] == 6


def test_nothing_new_is_no_error(trust):
    before = dict(trust.kept)
    trust.refresh()
    assert trust.kept == before


def test_metadata_without_lengths_and_hashes(trust, repository):
    repository.publish(hashes=False)
    assert trust.refresh().targets["version"] == repository.targets.version


# Arbitrary installation: other keys.


@pytest.mark.parametrize("role", ["timestamp", "snapshot", "targets"])
def test_signed_by_other_keys(trust, repository, role):
    repository.signers[role] = [repository.spare[0]]
    repository.publish()
    before = dict(trust.kept)
    with pytest.raises(errors.BadSignature):
        trust.refresh()
    assert trust.kept.get(role) == before[role]


@pytest.mark.parametrize("role", ["snapshot", "targets"])
def test_signed_by_the_timestamp_key_that_the_server_holds(trust, repository, role):
    repository.signers[role] = repository.signers["timestamp"]
    repository.publish()
    with pytest.raises(errors.BadSignature):
        trust.refresh()


def test_root_signed_only_by_itself(trust, repository):
    repository.rotate("root", repository.spare[0])
    repository.next_root()
    trust.refuses(errors.BadSignature)


def test_root_not_signed_by_its_own_new_key(trust, repository):
    repository.next_root([repository.rotate("root", repository.spare[0])])
    trust.refuses(errors.BadSignature)


def test_root_rotates_through_a_chain(trust, repository):
    for spare in repository.spare[:3]:
        repository.next_root([repository.rotate("root", spare), spare])
    assert trust.refresh().root["version"] == 4
    assert trust.kept["root"] == repository.files["4.root.json"]


def test_one_changed_byte_in_what_is_signed(trust, repository):
    repository.publish()
    data = repository.files["timestamp.json"]
    repository.files["timestamp.json"] = data.replace(b'"length":', b'"length":1')
    trust.refuses(errors.BadSignature)


# Compromise below the threshold.


def two_of_three(repository):
    for spare in repository.spare[:2]:
        repository.root.add_key(spare.public_key, "targets")
    repository.root.roles["targets"].threshold = 2
    repository.next_root()


def test_threshold_reached(trust, repository):
    two_of_three(repository)
    repository.signers["targets"] = [repository.spare[1], repository.spare[0]]
    repository.publish()
    assert trust.refresh().targets["version"] == repository.targets.version


def test_threshold_not_reached(trust, repository):
    two_of_three(repository)
    repository.publish()
    with pytest.raises(errors.BadSignature, match="1 of 2"):
        trust.refresh()


@pytest.mark.parametrize("forged", [0, 1])
def test_one_good_signature_beside_a_forged_one_is_not_two(trust, repository, forged):
    two_of_three(repository)
    repository.signers["targets"] = repository.spare[:2]
    repository.publish(hashes=False)
    with repository.bent("targets") as document:
        first, second = document["signatures"][forged], document["signatures"][1 - forged]
        first["sig"] = second["sig"]
    with pytest.raises(errors.BadSignature, match="1 of 2"):
        trust.refresh()


def test_one_signature_twice_is_not_two(trust, repository):
    two_of_three(repository)
    repository.publish(hashes=False)
    with repository.bent("targets") as document:
        document["signatures"] *= 2
    with pytest.raises(errors.BadSignature, match="twice"):
        trust.refresh()


def test_one_key_under_two_ids_counts_once(trust, repository):
    first = repository.signers["targets"][0]
    twin = dict(repository.root.keys)[first.public_key.keyid]
    document = json.loads(repository.sign("root"))
    role = document["signed"]["roles"]["targets"]
    document["signed"]["keys"]["f" * 64] = twin.to_dict()
    role["keyids"].append("f" * 64)
    role["threshold"] = 2
    trusted = trust.refresh()
    trusted.root = document["signed"]
    trusted.targets = {}
    data = json.loads(repository.sign("targets"))
    data["signatures"].append({"keyid": "f" * 64, "sig": data["signatures"][0]["sig"]})
    with pytest.raises(errors.BadSignature, match="1 of 2"):
        finish(trusted.update_targets(_told(trusted, data)))


def _told(trusted, data):
    trusted.snapshot["meta"]["targets.json"] = {"version": data["signed"]["version"]}
    return io.BytesIO(json.dumps(data).encode())


def test_a_key_of_another_scheme_counts_for_nothing(trust, repository):
    keyid = repository.signers["timestamp"][0].public_key.keyid
    repository.root.keys[keyid] = copy.deepcopy(repository.root.keys[keyid])
    repository.root.keys[keyid].scheme = "rsassa-pss-sha256"
    repository.next_root()
    with pytest.raises(errors.BadSignature):
        trust.refresh()
