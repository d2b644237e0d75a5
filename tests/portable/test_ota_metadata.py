"""Metadata as a node reads it, on both interpreters: caps, syntax, canonical JSON, dates."""

import io

from ota.core import errors, limits, metadata
from outcomes import refused

FOLDER = __file__.rsplit("/", 2)[0] + "/vectors/tuf/"
SIGNED = (
    b'{"_type": "timestamp", "spec_version": "1.0.31", "version": 1,'
    b' "expires": "2030-01-01T00:00:00Z"%s}'
)
WHOLE = b'{"signatures": [], "signed": ' + SIGNED % b"" + b"}"


def read(data, told=None, role="timestamp"):
    return metadata.read(io.BytesIO(data), role, told or {})


def unread(error, *arguments):
    return refused(error, read, *arguments)


def test_a_refused_file_is_told_with_its_role():
    for old, new, text in (
        (b"}", b"", "timestamp: not JSON"),
        (b"[]", b"{}", "timestamp: no signatures"),
        (b'"timestamp"', b'"snapshot"', "timestamp: type snapshot"),
        (b'"1.0.31"', b'"2.0.0"', "timestamp: specification 2.0.0"),
        (b'"signed"', b'"sealed"', "signed: object expected"),
        (b": 1,", b": 0,", "version: integer of at least 1 expected"),
        (b"2030-01-01T", b"2030-01-01 ", "date expected: 2030-01-01 00:00:00Z"),
        (b"00:00:00Z", b"24:00:00Z", "time expected: 2030-01-01T24:00:00Z"),
    ):
        assert old in WHOLE
        assert unread(errors.BadFormat, WHOLE.replace(old, new)) == text
    told = {"length": len(WHOLE) - 1}
    text = "timestamp: %d bytes, %d expected" % (len(WHOLE), len(WHOLE) - 1)
    assert unread(errors.BadLength, WHOLE, told) == text
    told = {"hashes": {"sha256": "0" * 64}}
    assert unread(errors.BadHash, WHOLE, told) == "timestamp: other bytes than told"
    for hashes in ({}, {"sha256": "0"}, {"md5": "0" * 64}, {"sha512": 5}):
        text = unread(errors.BadFormat, WHOLE, {"hashes": hashes})
        assert text == "neither SHA-256 nor SHA-512"


def test_a_root_without_what_a_node_needs_is_told():
    with open(FOLDER + "1.root.json", "rb") as file:
        good = metadata.read(file, "root", {})[0]
    for change, text in (
        ({"consistent_snapshot": False}, "root: consistent snapshots expected"),
        ({"keys": []}, "keys: object expected"),
        ({"roles": dict(good["roles"], snapshot=[])}, "snapshot: object expected"),
        ({"roles": dict(good["roles"], targets={"keyids": ["a", "a"]})}, "key ids of targets"),
        ({"roles": dict(good["roles"], targets={"keyids": "aa"})}, "key ids of targets"),
    ):
        assert refused(errors.BadFormat, metadata.checked_root, dict(good, **change)) == text


def test_files_as_long_as_the_cap_and_files_without_end():
    cap = limits.TIMESTAMP_BYTES
    assert read(WHOLE + b" " * (cap - len(WHOLE)))[0]["version"] == 1
    long = WHOLE + b" " * (cap + 1 - len(WHOLE))
    assert unread(errors.BadLength, long) == "timestamp: more than %d bytes" % cap

    class Endless:
        given = 0

        def seek(self, position):
            assert position == 0

        def read(self, size):
            self.given += size
            return b" " * size

    for role, cap in (("timestamp", limits.TIMESTAMP_BYTES), ("targets", limits.TARGETS_BYTES)):
        file = Endless()
        refused(errors.BadLength, metadata.read, file, role, {})
        assert file.given <= cap + limits.METADATA_WHOLE_BYTES


def test_arrays_and_objects_are_counted_wherever_they_stand():
    most = limits.METADATA_CONTAINERS - 3  # beside the file itself, its signatures and signed
    signed = SIGNED.replace(b'"timestamp"', b'"targets"')
    for one in (b"[]", b"{}"):
        for gap in (0, limits.METADATA_WHOLE_BYTES):  # before or behind the first piece
            for behind in (0, limits.METADATA_WHOLE_BYTES):
                for count in (most, most + 1):
                    list_ = one + (b"," + one) * (count - 2)
                    more = b', "x": ' + b" " * gap + b"[" + list_ + b"]"
                    data = b'{"signatures": [], "signed": ' + signed % more + b"}" + b" " * behind
                    if count == most:
                        assert read(data, None, "targets")[0]["version"] == 1
                    else:
                        text = unread(errors.BadFormat, data, None, "targets")
                        assert text == "targets: too many objects"


def test_lengths_that_may_be_told():
    told = {"meta": {"x": {"version": 1, "length": 1}}}
    assert metadata.meta(told, "x") == {"version": 1, "length": 1}
    told["meta"]["x"]["length"] = 0
    text = refused(errors.BadFormat, metadata.meta, told, "x")
    assert text == "length: integer of at least 1 expected"
    empty = {"targets": {"x": {"length": 0, "hashes": {"sha256": "0" * 64}}}}
    assert metadata.target(empty, "x") == (0, "0" * 64)


def test_canonical_json():
    value = {"b": [1, True, None, {}], "a": 'q"\\\n\u20ac', "c": {"z": -1, "y": []}}
    text = '{"a":"q\\"\\\\\n\u20ac","b":[1,true,null,{}],"c":{"y":[],"z":-1}}'
    from hashlib import sha256  # noqa: PLC0415

    assert metadata.digest(value) == sha256(text.encode()).digest()
    for bad, kind in (
        (0.5, "float"),
        ({"a": 1.0}, "float"),
        ({1: 2}, "dict"),
        ((1,), "tuple"),
        ([b"x"], "bytes"),
    ):
        assert indigestible(bad) == "metadata holds a " + kind


def indigestible(value):
    return refused(errors.BadFormat, metadata.digest, value)


def test_canonical_json_is_as_deep_as_the_limit():
    for wrap in (lambda inner: [inner], lambda inner: {"a": inner}):
        value = 1
        for _ in range(limits.METADATA_DEPTH):
            value = wrap(value)
        assert len(metadata.digest(value)) == 32
        assert indigestible(wrap(value)) == "metadata nested too deeply"


def test_dates():
    for text, seconds in (
        ("1970-01-01T00:00:00Z", 0),
        ("2000-02-29T12:34:56Z", 951827696),
        ("2026-11-24T07:00:00Z", 1795503600),
        ("2000-03-01T00:00:00Z", 951868800),
        ("2028-03-01T00:00:00Z", 1835481600),
        ("2028-12-31T00:00:00Z", 1861833600),
        ("2100-03-01T00:00:00Z", 4107542400),
        ("2400-03-01T00:00:00Z", 13574649600),
        ("2401-01-01T00:00:00Z", 13601088000),
        ("2026-12-31T23:59:60Z", 1798761600),
        ("2501-01-01T00:00:00Z", 16756761600),
        ("9999-12-31T23:59:59Z", 253402300799),
    ):
        assert metadata.seconds(text) == seconds
    for bad in (
        "2026-11-24 07:00:00Z",
        "2026-00-24T07:00:00Z",
        "2026-11-00T07:00:00Z",
        "2026-10-32T07:00:00Z",
        "2026-11-24T24:00:00Z",
        "2026-11-24T07:60:00Z",
        "2026-11-24T07:00:61Z",
        "2026-11-24T07:0X:00Z",
        "",
        None,
    ):
        refused(errors.BadFormat, metadata.seconds, bad)
