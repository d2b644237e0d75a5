"""Metadata that is longer, shorter or other than it should be, whoever signed it."""

import io
import json

import pytest
from outcomes import finish
from updating import NOW

from ota.core import errors, limits, tuf


def test_more_bytes_than_the_cap(trust, repository):
    for name, cap in (("timestamp", limits.TIMESTAMP_BYTES), ("root", limits.ROOT_BYTES)):
        data = repository.sign(name) + b" " * cap
        update = getattr(tuf.Trusted(io.BytesIO(trust.kept["root"]), NOW), f"update_{name}")
        with pytest.raises(errors.BadLength, match=str(cap)):
            finish(update(io.BytesIO(data)))


def test_more_or_fewer_bytes_than_told(trust, repository):
    repository.publish()
    name = repository.name("snapshot")
    for data in (repository.files[name] + b"\n", repository.files[name][:-1]):
        repository.files[name] = data
        with pytest.raises(errors.BadLength):
            trust.refresh()


def test_other_bytes_than_told(trust, repository):
    repository.publish()
    name = repository.name("targets")
    repository.files[name] = repository.files[name][:-3] + b" }}"
    with pytest.raises(errors.BadHash):
        trust.refresh()


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


def test_metadata_that_is_not_what_it_should_be(trust, repository):
    count = 0
    for data in junk(repository):
        repository.files["timestamp.json"] = data
        trust.refuses(errors.BadFormat)
        count += 1
    assert count == 26


def test_signatures_that_are_not_hex(trust, repository):
    for sig in (None, 7, "zz", "abc", "", "00" * 70):
        with repository.bent("timestamp") as document:
            document["signatures"][0]["sig"] = sig
        trust.refuses(errors.BadSignature)


def test_meta_of_the_wrong_types(trust, repository):
    for meta in (
        {},
        {"snapshot.json": 3},
        {"snapshot.json": {"version": "1"}},
        {"snapshot.json": {"version": 9, "length": -1}},
        {"snapshot.json": {"version": 9, "hashes": 5}},
    ):
        repository.timestamp.version += 1
        repository.serve("timestamp", meta=meta)
        trust.refuses(errors.BadFormat)


@pytest.mark.parametrize("meta", [{}, {"targets.json": {"version": 3}, "esp32.json": 5}])
def test_a_snapshot_of_the_wrong_types(trust, repository, meta):
    repository.publish(hashes=False)
    repository.serve("snapshot", meta=meta)
    with pytest.raises(errors.BadFormat):
        trust.refresh()


def test_targets_of_the_wrong_types(trust, repository):
    repository.publish(hashes=False)
    repository.serve("targets", targets=[])
    with pytest.raises(errors.BadFormat, match="targets"):
        trust.refresh()


def test_roots_of_the_wrong_types(trust, repository):
    roles = repository.root.to_dict()["roles"]
    twice = roles["targets"]["keyids"] * 2
    repository.root.version = 2
    for change in (
        {"consistent_snapshot": False},
        {"consistent_snapshot": None},
        {"keys": []},
        {"roles": {"root": roles["root"]}},
        {"roles": roles | {"targets": {"keyids": twice, "threshold": 1}}},
        {"roles": roles | {"targets": {"keyids": twice[:1], "threshold": 0}}},
        {"roles": roles | {"targets": {"keyids": "x", "threshold": 1}}},
        {"roles": roles | {"targets": {"keyids": [5], "threshold": 1}}},
    ):
        repository.serve("root", **change)
        trust.refuses(errors.BadFormat)


def test_more_objects_or_nesting_than_a_node_holds(trust, repository):
    repository.timestamp.version += 1
    for extra, match in (([[]] * 300, "objects"), ([[[[[[[[[]]]]]]]]], "deep")):
        repository.serve("timestamp", extra=extra)
        trust.refuses(errors.BadFormat, match)


def test_unknown_fields_are_signed_and_ignored(trust, repository):
    repository.timestamp.version += 1
    later = {"text": 'q"b\\s\n\u00fc\u20ac', "n": [None, True, -5, 2**70], "e": [{}, []]}
    repository.serve("timestamp", later=later)
    assert trust.refresh().timestamp["version"] == repository.timestamp.version


def test_the_order_is_enforced(trust, repository):
    trusted = tuf.Trusted(io.BytesIO(trust.kept["root"]), NOW)
    with pytest.raises(ValueError, match="snapshot"):
        finish(trusted.update_snapshot(io.BytesIO(trust.kept["snapshot"])))
    with pytest.raises(ValueError, match="targets"):
        finish(trusted.update_targets(io.BytesIO(trust.kept["targets"])))
    for role in ("snapshot", "targets"):
        with pytest.raises(ValueError, match=role):
            trusted.told(role)
    with pytest.raises(ValueError, match="target"):
        trusted.target("x")
    trusted = trust.refresh()
    with pytest.raises(ValueError, match="root"):
        finish(trusted.update_root(io.BytesIO(trust.kept["root"])))
    with pytest.raises(ValueError, match="timestamp"):
        finish(trusted.update_timestamp(io.BytesIO(trust.kept["timestamp"])))


def test_a_target_without_sha256(trust, repository):
    trusted = trust.refresh()
    for entry in ({"length": 1}, {"length": 1, "hashes": {"md5": "x"}}, 5):
        trusted.targets["targets"]["x"] = entry
        with pytest.raises(errors.BadFormat):
            trusted.target("x")
