"""The boot record on flash: its codec, and two copies of which one may be damaged."""

from ota.core import bootrecord as br
from trials import MANIFEST, trial


def test_a_new_node_runs_slot_a_and_has_nothing_to_tell():
    record = br.fresh()
    assert (record["slot"], record["state"], record["tries"]) == ("a", "steady", {})
    for key in ("n", "boots", "minutes", "planned", "crashes"):
        assert record[key] == 0, key
    for key in ("trial", "manifest", "action", "version", "spoilt", "outcome", "reason"):
        assert record[key] == "", key


def test_a_record_survives_its_codec():
    record = br.fail(trial(), 'ImportError: no module "x"\n\\')
    data = br.encode(record)
    assert len(data) <= br.LIMIT_BYTES
    assert br.decode(data) == record
    assert record["reason"] == "ImportError: no module 'x'''"


def test_the_fullest_record_fits():
    record = br.fresh()
    for i in range(5):
        record = br.stage(record, br.other(record["slot"]), f"{i:016x}", "9" * 99, "8" * 99)
        record = br.fail(record, "x" * 200)
    for key in ("n", "boots", "minutes", "crashes", "pending"):
        record[key] = 0xFFFFFFFF
    assert len(br.encode(record)) <= br.LIMIT_BYTES
    assert br.decode(br.encode(record)) == record
    assert len(record["tries"]) == 3


def test_unknown_keys_are_kept():
    record = trial()
    record["later"] = [1, {"x": 2}]
    record = br.confirm(br.decode(br.encode(record)))
    assert record["later"] == [1, {"x": 2}]
    assert br.decode(br.encode(record))["later"] == [1, {"x": 2}]


def test_a_record_outgrown_by_a_later_version_still_chooses_the_slot():
    record = trial()
    record["later"] = "y" * 600
    data = br.encode(record)
    assert len(data) <= br.LIMIT_BYTES
    assert br.running(br.decode(data)) == "b"
    assert br.decode(data)["manifest"] == MANIFEST[:16]


def test_what_an_outgrown_record_keeps():
    """Else the older copy would count, or the spoilt slot be run, or an outcome go untold."""
    record = br.stage(br.confirm(trial()), "a", "f" * 64)
    record = br.planned(br.fail(br.decide(record, "hard"), "x"))
    record["n"], record["crashes"] = 77, 2
    record["manifest"] = "f" * 600
    found = br.decode(br.encode(record))
    assert (found["slot"], found["spoilt"], found["outcome"]) == ("b", "a", "rolled_back")
    assert (found["n"], found["crashes"], found["planned"]) == (77, 2, 1)
    assert (found["manifest"], found["reason"], found["tries"]) == ("f" * 16, "", {})


def test_a_record_as_long_as_the_limit_is_whole():
    record = trial()
    record["later"] = ""
    record["later"] = "y" * (br.LIMIT_BYTES - len(br.encode(record)))
    data = br.encode(record)
    assert len(data) == br.LIMIT_BYTES
    assert br.decode(data) == record
    record["later"] += "y"
    assert "later" not in br.decode(br.encode(record))
    assert br.decode(data[:-1] + b" \n") is None


def test_every_flipped_byte_is_noticed():
    data = br.encode(trial())
    for i in range(len(data)):
        assert br.decode(data[:i] + bytes([data[i] ^ 1]) + data[i + 1 :]) is None
        assert br.decode(data[:i]) is None
    for junk in (None, b"", b"\n", b"xxxxxxxx {}\n", b"\xff" * 40, b"00000000 []\n", data + b" "):
        assert br.decode(junk) is None


def test_records_that_make_no_sense_are_no_records():
    for key, value in (
        ("slot", "c"),
        ("state", "dancing"),
        ("trial", "b"),
        ("n", "1"),
        ("tries", []),
        ("planned", None),
    ):
        record = br.fresh()
        record[key] = value
        assert br.decode(br.encode(record)) is None


def test_the_newer_copy_counts_and_one_damaged_copy_costs_one_step():
    first = br.seal(br.fresh())[2]
    second = br.seal(trial(first))[2]
    a, b = br.encode(first), br.encode(second)
    assert br.newest([a, b]) == br.newest([b, a]) == second
    assert br.newest([a, b[:-3]]) == first
    assert br.newest([None, b]) == second
    assert br.newest([b"junk", None]) == br.fresh()
    assert br.newest([None, None]) == br.fresh()


def test_writes_alternate_between_the_copies_and_the_counter_wraps():
    record = br.fresh()
    record["n"] = 0xFFFFFFFE
    seen = []
    copies = [None, None]
    for _ in range(4):
        index, data, record = br.seal(record)
        seen.append((index, record["n"]))
        copies[index] = data
        assert br.newest(copies) == record
    assert seen == [(1, 0xFFFFFFFF), (0, 0), (1, 1), (0, 2)]
