"""The boot record: codec, two copies, and every transition of DESIGN's trial boot."""

from ota.core import bootrecord as br
from outcomes import refused

M = "0123456789abcdef" * 4


def trial(record=None):
    return br.decide(br.stage(record or br.fresh(), "b", M, "7", "1.1.0"), "hard")


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
    assert br.decode(data)["manifest"] == M[:16]


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


def test_a_trial_begins_with_the_next_boot_whatever_reset_it_was():
    for cause in ("hard", "watchdog", "power_on", "soft", "deep_sleep"):
        staged = br.stage(br.fresh(), "b", M)
        assert br.running(staged) == "a"
        assert br.running(br.decide(staged, cause)) == "b"


def test_confirmed_becomes_the_slot():
    record = br.confirm(trial())
    assert (record["slot"], record["state"], record["outcome"]) == ("b", "steady", "confirmed")
    assert (record["action"], record["version"]) == ("7", "1.1.0")
    assert set(record) == set(br.fresh())
    for cause in ("power_on", "soft"):
        assert br.running(br.decide(record, cause)) == "b"


def test_watchdog_and_unplanned_reset_in_a_trial_go_back_at_once():
    for cause in ("watchdog", "hard"):
        record = br.decide(br.spend(trial(), 9), cause, "ValueError: oops")
        assert (br.running(record), record["outcome"]) == ("a", "rolled_back")
        assert record["reason"] == "ValueError: oops"
        assert record["spoilt"] == "b"
        assert record["tries"] == {M[:16]: [1, 0]}
    assert br.decide(trial(), "watchdog")["reason"] == "watchdog"
    assert br.decide(trial(), "hard")["reason"] == "crash"


def test_a_planned_reset_is_no_blame_once():
    assert br.planned(trial())["planned"] == 1
    record = br.decide(br.planned(trial()), "hard")
    assert (br.running(record), record["planned"]) == ("b", 0)
    assert br.running(br.decide(record, "hard")) == "a"
    assert br.running(br.decide(br.planned(trial()), "watchdog")) == "a"


def test_power_cuts_are_no_blame_ten_times():
    record = trial()
    for _ in range(10):
        record = br.decide(record, "power_on")
        assert br.running(record) == "b"
    record = br.decide(record, "power_on")
    assert (br.running(record), record["outcome"]) == ("a", "rolled_back")
    assert record["reason"] == "11 starts without a confirmation"
    assert record["tries"] == {M[:16]: [1, 0]}


def test_a_session_on_the_cable_is_no_blame_at_all():
    record = trial()
    for _ in range(50):
        record = br.decide(record, "soft")
    assert br.running(record) == "b"


def test_a_manifest_is_refused_after_three_failed_trials_and_another_is_not():
    record = br.fresh()
    for _ in range(3):
        assert not br.refused(record, M)
        record = br.decide(trial(record), "watchdog")
    assert br.refused(record, M)
    assert not br.refused(record, "f" * 64)
    text = refused(ValueError, br.stage, record, "b", M)
    assert text == "manifest 0123456789abcdef has failed 3 trials"
    assert br.running(br.decide(br.stage(record, "b", "f" * 64), "hard")) == "b"


def test_a_deferral_is_no_blame_ten_make_one():
    record = br.fresh()
    for _ in range(9):
        record = br.defer(trial(record), "no network")
        assert (br.running(record), record["outcome"], record["spoilt"]) == ("a", "deferred", "")
    record = br.defer(trial(record), "no network")
    assert (record["outcome"], record["tries"][M[:16]]) == ("rolled_back", [1, 0])


def test_success_wipes_the_manifests_slate():
    record = br.confirm(trial(br.decide(trial(), "watchdog")))
    assert record["tries"] == {}


def test_the_slot_in_use_cannot_be_staged():
    for record, slot in ((br.fresh(), "a"), (trial(), "a"), (trial(), "b")):
        text = refused(ValueError, br.stage, record, slot, M)
        assert text == "slot %s is in use" % slot


def test_nothing_can_be_confirmed_or_failed_without_a_trial():
    for act in (br.confirm, lambda r: br.fail(r, "x"), lambda r: br.defer(r, "x")):
        assert refused(ValueError, act, br.fresh()) == "no slot is on trial"
    never_began = br.stage(br.fresh(), "b", M)
    assert refused(ValueError, br.confirm, never_began) == "no slot is on trial"


def test_a_confirmed_slot_that_keeps_crashing_falls_to_the_other():
    record = br.confirm(trial())
    for _ in range(4):
        record = br.decide(record, "hard")
        assert br.running(record) == "b"
    record = br.decide(record, "watchdog", "MemoryError: ")
    assert (br.running(record), record["outcome"], record["crashes"]) == ("a", "fell", 0)
    assert record["reason"] == "MemoryError: "


def test_crashes_are_forgiven_once_healthy_and_never_lead_to_a_spoilt_slot():
    record = br.fresh()
    for _ in range(20):
        record = br.healthy(br.decide(record, "hard"))
        assert (br.running(record), record["crashes"]) == ("a", 0)
    assert br.healthy(record) is record
    back_on_a = br.fail(trial(), "bad")
    on_b = br.confirm(trial())
    back_on_b = br.fail(br.decide(br.stage(on_b, "a", "f" * 64), "hard"), "bad")
    for slot, record in (("a", back_on_a), ("b", back_on_b)):
        for _ in range(20):
            record = br.decide(record, "hard")  # noqa: PLW2901 - one life
            assert br.running(record) == slot


def test_transitions_leave_their_argument_alone():
    record = br.decide(trial(), "watchdog")
    before = br.encode(record)
    br.stage(record, "b", M)
    br.decide(record, "hard")
    br.planned(record)
    br.reported(record)
    br.spend(record, 5)
    br.fall(record, "x")
    assert br.encode(record) == before
    record = trial(record)
    before = br.encode(record)
    br.fail(record, "x")
    br.defer(record, "x")
    br.confirm(record)
    assert br.encode(record) == before


def test_an_outcome_stays_until_it_is_reported():
    record = br.fail(trial(), "bad")
    assert br.decide(record, "power_on")["outcome"] == "rolled_back"
    record = br.reported(record)
    assert (record["outcome"], record["reason"], record["action"]) == ("", "", "7")


def test_a_new_trial_starts_with_a_clean_sheet():
    """What the last one came to is told by then, and what the slot held is gone."""
    before = br.planned(br.decide(br.spend(trial(), 5), "power_on"))
    failed = br.fail(before, "bad")
    for key in ("boots", "minutes", "planned", "crashes"):
        assert failed[key] == 0, key
    record = br.stage(failed, "b", "f" * 64)
    for key in ("spoilt", "outcome", "reason", "action", "version"):
        assert record[key] == "", key
    assert br.confirm(br.decide(record, "hard"))["reason"] == ""


def test_the_least_guilty_manifest_is_forgotten_first():
    record = br.fresh()
    blame = (("c", 2, 0), ("b", 1, 9), ("a", 2, 0))  # neither the first by name nor by time
    for name, failures, deferrals in blame:
        for act, times in ((br.fail, failures), (br.defer, deferrals)):
            for _ in range(times):
                staged = br.stage(record, "b", name * 64)
                record = act(br.decide(staged, "hard"), "x")
    assert record["tries"] == {"c" * 16: [2, 0], "b" * 16: [1, 9], "a" * 16: [2, 0]}
    record = br.fail(br.decide(br.stage(record, "b", "d" * 64), "hard"), "x")
    assert sorted(record["tries"]) == ["a" * 16, "c" * 16, "d" * 16]


def test_a_reason_keeps_what_can_be_read():
    assert br.fail(trial(), "OSError: EXDEV ~ 18")["reason"] == "OSError: EXDEV ~ 18"
    assert br.fail(trial(), 'a"b\\c\x7fd\u00e9')["reason"] == "a'b'c'd'"


def test_minutes_of_a_trial_add_up_over_power_cuts():
    record = br.spend(trial(), 5)
    record = br.spend(br.decide(record, "power_on"), 5)
    assert record["minutes"] == 10
    assert br.fail(record, "x")["minutes"] == 0


def test_a_start_has_one_cause():
    record, planned = br.fresh(), br.planned(br.fresh())
    for before, cause, note, word in (
        (record, "power_on", "", "power_on"),
        (planned, "power_on", "", "power_on"),
        (record, "power_on", "words of a run before the cut", "power_on"),
        (record, "hard", "", "hard"),
        (planned, "hard", "", "planned"),
        (record, "hard", "ValueError: x", "crash"),
        (planned, "hard", "OSError: on the way to the reset", "crash"),
        (record, "watchdog", "", "watchdog"),
        (planned, "watchdog", "", "watchdog"),
        (planned, "soft", "", "soft"),
        (record, "deep_sleep", "", "planned"),
    ):
        assert br.started(before, cause, note) == word
        assert note or br.started(before, cause) == word
        counted = word in ("crash", "watchdog", "hard")
        assert br.decide(before, cause, note)["crashes"] == counted
