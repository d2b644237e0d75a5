"""The policy of rollouts, rule by rule: what it decides of which tally."""

import pytest

from fleet.rollouts import policy, waves
from fleet.rollouts.policy import (
    Expire,
    Finish,
    NextWave,
    Offer,
    Pause,
    Plan,
    Settle,
    Status,
    Tally,
    decide,
)

NOW = 1_760_000_000
PLAN = {
    "success_percent": 90,
    "failure_percent": 10,
    "min_sample": 1,
    "soak_s": 100,
    "deadline_s": 1000,
    "max_in_flight": 5,
    "max_restarts": 2,
}


def decided(*tallies, state="active", wave=1, settled_at=None, accepted=0, now=NOW, **plan):
    status = Status(state, wave, settled_at, accepted, tallies)
    return decide(Plan(**{**PLAN, **plan}), status, now)


def reason(*tallies, **options):
    (effect,) = decided(*tallies, **options)
    assert isinstance(effect, Pause), effect
    return effect.reason


def test_offers_go_out_within_the_cap_to_waves_that_are_reached():
    later = Tally(size=9, pending=9)
    assert decided(Tally(size=3, pending=3), later) == [Offer(3)]
    assert decided(Tally(size=9, pending=9), later) == [Offer(5)]
    assert decided(Tally(size=9, pending=5, under_way=4), later) == [Offer(1)]
    assert decided(Tally(size=9, pending=4, under_way=5), later) == []
    full = Tally(size=9, confirmed=9, late_under_way=5)
    assert decided(full, Tally(size=3, pending=3), wave=2) == []


def test_a_wave_settles_soaks_and_gives_way():
    done, later = Tally(size=2, confirmed=2, latest=NOW - 7), Tally(size=9, pending=9)
    assert decided(done, later) == [Settle(NOW - 7)]
    assert decided(done, later, settled_at=NOW - 99) == []
    assert decided(done, later, settled_at=NOW - 100) == [NextWave(2)]
    assert decided(done, done, wave=2, settled_at=NOW - 99) == []
    assert decided(done, done, wave=2, settled_at=NOW - 100) == [Finish()]
    assert decided(Tally(size=2, confirmed=1, under_way=1), later) == []


@pytest.mark.parametrize(
    ("confirmed", "failed", "stops"),
    [(0, 1, True), (9, 1, True), (10, 1, False), (89, 10, True), (91, 10, False)],
)
def test_failures_are_judged_against_us(confirmed, failed, stops):
    wave = Tally(size=200, pending=50, confirmed=confirmed, failed=failed)
    found = decided(wave, Tally(size=1, pending=1))
    assert (found == [Offer(5)]) is not stops
    assert any(isinstance(effect, Pause) for effect in found) is stops


def test_a_sample_is_waited_for_as_far_as_the_wave_has_nodes():
    assert decided(Tally(size=20, pending=9, failed=1), min_sample=4) == [Offer(5)]
    assert "1 of 4 failed" in reason(Tally(size=20, failed=1, confirmed=3), min_sample=4)
    canary = Tally(size=1, failed=1)
    assert "1 of 1 failed" in reason(canary, Tally(size=9, pending=9), min_sample=4)


def test_a_settled_wave_needs_its_share_of_success():
    wave = Tally(size=10, confirmed=8, failed=2)
    assert "8 of 10 confirmed, 90 % wanted" in reason(wave, failure_percent=50)
    assert decided(wave, failure_percent=50, success_percent=80) == [Settle(NOW)]


def test_silence_before_anything_was_staged_is_no_blame_but_no_evidence_either():
    silent, rest = Tally(size=1), Tally(size=9, pending=10)
    assert "0 of 1 outcomes" in reason(silent, rest)
    assert decided(silent, rest, accepted=1) == [Settle(NOW)]
    assert decided(Tally(size=4, confirmed=3), rest) == [Settle(NOW)]
    assert "3 of 4 outcomes" in reason(Tally(size=4, confirmed=3), rest, min_sample=5)
    # Nobody follows the last wave.
    assert decided(Tally(size=1, confirmed=1), Tally(size=9), wave=2) == [Settle(NOW)]


def test_an_earlier_wave_whose_nodes_restart_stops_a_later_one():
    crashing, now_on = Tally(size=1, failed=1), Tally(size=9, pending=9)
    assert reason(crashing, now_on, wave=2) == "wave 1: 1 of 1 failed"
    assert reason(crashing, now_on, settled_at=NOW) == "wave 1: 1 of 1 failed"


def test_accepted_failures_do_not_stop_it_again_by_themselves():
    accepted = Tally(size=10, pending=5, confirmed=3, failed=2, forgiven=2)
    assert decided(accepted) == [Offer(5)]
    assert decided(Tally(size=5, confirmed=3, failed=2, forgiven=2)) == [Settle(NOW)]
    more = Tally(size=10, pending=4, confirmed=3, failed=3, forgiven=2)
    assert reason(more) == "wave 1: 3 of 6 failed"


def test_what_is_overdue_is_ended_before_anything_is_judged():
    wave = Tally(size=9, pending=1, failed=8, overdue=1)
    for state in ("active", "paused", "aborted", "finished", "rolled_back"):
        assert decided(wave, state=state) == [Expire()]


def test_only_an_active_rollout_goes_on_and_a_finished_one_serves_those_who_come_back():
    wave = Tally(size=9, pending=9, late_pending=2)
    for state in ("paused", "aborted", "rolled_back"):
        assert decided(wave, state=state) == []
    assert decided(Tally(size=9, confirmed=7, late_pending=2), state="finished") == [Offer(2)]
    # No wave waits for them.
    late = Tally(size=9, confirmed=8, late_under_way=1)
    assert decided(late, settled_at=NOW - 100) == [Finish()]


@pytest.mark.parametrize(
    ("steps", "total", "sizes"),
    [
        ([{"count": 1}, {"percent": 50}, {"percent": 100}], 8, [1, 3, 4]),
        ([{"count": 1}, {"percent": 10}, {"percent": 100}], 1000, [1, 99, 900]),
        ([{"count": 1}, {"percent": 10}, {"percent": 100}], 8, [1, 1, 6]),
        ([{"count": 1}, {"percent": 10}, {"percent": 100}], 2, [1, 1]),
        ([{"percent": 10}, {"percent": 100}], 19, [1, 18]),
        ([{"count": 5}, {"count": 5}], 7, [5, 2]),
        ([{"count": 5}], 7, [5]),
        ([{"percent": 100}], 1, [1]),
    ],
)
def test_waves(steps, total, sizes):
    assert waves.sizes(steps, total) == sizes


def test_percentages_count_all_nodes_so_far():
    assert waves.growing([{"percent": 1}, {"count": 5}, {"percent": 100}])
    assert not waves.growing([{"percent": 50}, {"percent": 50}])


def test_the_state_of_a_wave():
    plan = Plan(**PLAN)

    def states(*tallies, **options):
        status = Status(**{"state": "active", "wave": 1, "settled_at": None, "accepted_wave": 0,
                           "waves": tallies, **options})  # fmt: skip
        return [policy.wave_state(plan, status, number) for number in range(1, len(tallies) + 1)]

    good, bad, more = Tally(confirmed=1), Tally(failed=1), Tally(pending=4)
    assert states(more, more) == ["running", "waiting"]
    assert states(good, more, settled_at=NOW) == ["soaking", "waiting"]
    assert states(good, more, wave=2) == ["passed", "running"]
    assert states(bad, more, state="paused") == ["failed", "waiting"]
    assert states(good, good, wave=2, settled_at=NOW, state="finished") == ["passed", "passed"]
