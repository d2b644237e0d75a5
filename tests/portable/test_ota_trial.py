"""Every transition of a boot record: a trial boot, what confirms and what ends it."""

from ota.core import bootrecord as br
from outcomes import refused
from trials import MANIFEST, trial


def test_a_trial_begins_with_the_next_boot_whatever_reset_it_was():
    for cause in ("hard", "watchdog", "power_on", "soft", "deep_sleep"):
        staged = br.stage(br.fresh(), "b", MANIFEST)
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
        assert record["tries"] == {MANIFEST[:16]: [1, 0]}
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
    assert record["tries"] == {MANIFEST[:16]: [1, 0]}


def test_a_session_on_the_cable_is_no_blame_at_all():
    record = trial()
    for _ in range(50):
        record = br.decide(record, "soft")
    assert br.running(record) == "b"


def test_a_manifest_is_refused_after_three_failed_trials_and_another_is_not():
    record = br.fresh()
    for _ in range(3):
        assert not br.refused(record, MANIFEST)
        record = br.decide(trial(record), "watchdog")
    assert br.refused(record, MANIFEST)
    assert not br.refused(record, "f" * 64)
    text = refused(ValueError, br.stage, record, "b", MANIFEST)
    assert text == "manifest 0123456789abcdef has failed 3 trials"
    assert br.running(br.decide(br.stage(record, "b", "f" * 64), "hard")) == "b"


def test_a_deferral_is_no_blame_ten_make_one():
    record = br.fresh()
    for _ in range(9):
        record = br.defer(trial(record), "no network")
        assert (br.running(record), record["outcome"], record["spoilt"]) == ("a", "deferred", "")
    record = br.defer(trial(record), "no network")
    assert (record["outcome"], record["tries"][MANIFEST[:16]]) == ("rolled_back", [1, 0])


def test_success_wipes_the_manifests_slate():
    record = br.confirm(trial(br.decide(trial(), "watchdog")))
    assert record["tries"] == {}


def test_the_slot_in_use_cannot_be_staged():
    for record, slot in ((br.fresh(), "a"), (trial(), "a"), (trial(), "b")):
        text = refused(ValueError, br.stage, record, slot, MANIFEST)
        assert text == "slot %s is in use" % slot


def test_nothing_can_be_confirmed_or_failed_without_a_trial():
    for act in (br.confirm, lambda r: br.fail(r, "x"), lambda r: br.defer(r, "x")):
        assert refused(ValueError, act, br.fresh()) == "no slot is on trial"
    never_began = br.stage(br.fresh(), "b", MANIFEST)
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
    br.stage(record, "b", MANIFEST)
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
