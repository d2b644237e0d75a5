"""Slot and app partition on the boot record, on both interpreters."""

from firmware.root import partition
from ota.core import bootrecord as br

M = "0123456789abcdef" * 4


def trial():
    return br.decide(br.stage(br.fresh(), "b", M, "7", "1.1.0"), "hard")


def elsewhere(record, cause):
    """Return the record after a start in which another app runs than the slot needs."""
    return partition.aim(br, br.decide(record, cause), cause)


def test_a_trial_waits_for_its_app():
    record = elsewhere(br.stage(br.fresh(), "b", M), "hard")
    assert (record["state"], record["pending"], record["planned"]) == ("staged", 1, 1)
    record = partition.met(br.decide(record, "hard"))
    assert (br.running(record), record["state"], record["pending"]) == ("b", "trying", 0)
    assert partition.met(record) is record


def test_an_app_that_does_not_come_up_has_failed_and_a_power_cut_is_no_blame():
    for cause in ("hard", "watchdog"):
        record = elsewhere(br.stage(br.fresh(), "b", M), "hard")
        record = elsewhere(record, cause)
        assert (br.running(record), record["outcome"]) == ("a", "rolled_back")
        assert record["reason"] == "its MicroPython does not start"
        assert record["tries"] == {M[:16]: [1, 0]}
        assert record["pending"] == 0
    record = elsewhere(br.stage(br.fresh(), "b", M), "hard")
    for aims in range(2, br.BOOTS_MAX + 1):
        record = elsewhere(record, "power_on")
        assert (record["state"], record["pending"]) == ("staged", aims)
    assert elsewhere(record, "power_on")["outcome"] == "rolled_back"


def test_a_power_cut_in_the_trial_asks_for_the_app_again_so_many_times():
    record = partition.met(br.decide(elsewhere(br.stage(br.fresh(), "b", M), "hard"), "hard"))
    for boots in range(1, br.BOOTS_MAX + 1):
        record = elsewhere(record, "power_on")
        assert (record["state"], record["boots"], record["pending"]) == ("staged", boots, 1)
        record = partition.met(br.decide(record, "hard"))
        assert (record["state"], record["boots"], record["pending"]) == ("trying", boots, 0)
    record = br.decide(record, "power_on")
    assert (record["state"], record["outcome"]) == ("steady", "rolled_back")


def test_a_crash_in_the_trial_goes_back_whichever_app_runs():
    record = partition.met(br.decide(elsewhere(br.stage(br.fresh(), "b", M), "hard"), "hard"))
    assert br.decide(record, "hard")["outcome"] == "rolled_back"


def test_a_confirmed_slot_asks_three_times_and_then_runs_on_what_there_is():
    record = br.confirm(trial())
    for aims in (1, 2, 3):
        record = elsewhere(record, "power_on" if aims == 1 else "hard")
        assert (record["state"], record["pending"], record["crashes"]) == ("steady", aims, 0)
    settled = br.decide(record, "hard")
    assert partition.aim(br, settled, "hard") is settled
    assert br.running(settled) == "b"
