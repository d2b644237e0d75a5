"""The TUF rules on both interpreters, with metadata that the reference library made."""

import io

from ota.core import errors, metadata, tuf

FOLDER = __file__.rsplit("/", 2)[0] + "/vectors/tuf/"
NOW = 1_795_000_000


def stream(name):
    with open(FOLDER + name, "rb") as file:
        return io.BytesIO(file.read())


def finish(generator):
    while True:
        try:
            next(generator)
        except StopIteration as end:
            return end.value


def refused(error, generator):
    try:
        finish(generator)
    except error:
        return
    raise AssertionError


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
    refused(errors.BadSignature, trusted.update_targets(stream("targets_below.json")))
    assert not trusted.targets


def test_keys_of_the_root_before():
    trusted = tuf.Trusted(stream("1.root.json"), NOW)
    finish(trusted.update_timestamp(stream("timestamp.json")))
    finish(trusted.update_snapshot(stream("snapshot.json")))
    finish(trusted.update_targets(stream("targets.json")))  # the first key is enough there


def test_expired():
    trusted = tuf.Trusted(stream("1.root.json"), 4_102_444_800)  # 2100-01-01
    refused(errors.Expired, trusted.update_timestamp(stream("timestamp.json")))


def test_a_skipped_root():
    trusted = tuf.Trusted(stream("2.root.json"), NOW)
    refused(errors.RepositoryError, trusted.update_root(stream("1.root.json")))
    refused(errors.Rollback, trusted.update_root(stream("2.root.json")))


def test_every_byte_of_a_timestamp_matters():
    with stream("timestamp.json") as file:
        data = file.read()
    for at in range(0, len(data), 37):
        trusted = tuf.Trusted(stream("1.root.json"), NOW)
        bad = io.BytesIO(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
        refused(errors.RepositoryError, trusted.update_timestamp(bad))
        assert not trusted.timestamp


def test_canonical_json():
    value = {"b": [1, True, None, {}], "a": 'q"\\\n\u20ac', "c": {"z": -1, "y": []}}
    text = '{"a":"q\\"\\\\\n\u20ac","b":[1,true,null,{}],"c":{"y":[],"z":-1}}'
    from hashlib import sha256  # noqa: PLC0415

    assert metadata.digest(value) == sha256(text.encode()).digest()
    for bad in (0.5, {"a": 1.0}, {1: 2}, (1,), [b"x"]):
        try:
            metadata.digest(bad)
        except errors.BadFormat:
            continue
        raise AssertionError(bad)


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


def test_dates():
    for text, seconds in (
        ("1970-01-01T00:00:00Z", 0),
        ("2000-02-29T12:34:56Z", 951827696),
        ("2026-11-24T07:00:00Z", 1795503600),
        ("2100-03-01T00:00:00Z", 4107542400),
    ):
        assert metadata.seconds(text) == seconds
    for bad in ("2026-11-24 07:00:00Z", "2026-00-24T07:00:00Z", "2026-11-24T24:00:00Z", "", None):
        try:
            metadata.seconds(bad)
        except errors.BadFormat:
            continue
        raise AssertionError(bad)
