"""Windows of a time when no date was known: dated later, and never with one made up."""

from firmware.tasks.outbox import Outbox
from outboxes import RANDOM, add, filled, waiting, window


def test_windows_before_the_first_sync_wait_and_are_dated_then():
    storage, box = filled()
    box.add(window(up=600))
    box.add(window(up=1200))
    assert waiting(box) == []
    box.dated(1_700_000_000)
    box.add(window(1_700_001_800))
    for each in (box, Outbox(storage, RANDOM)):
        seen = [t for _, _, t in waiting(each)]
        assert seen == [1_700_000_600, 1_700_001_200, 1_700_001_800]
    assert box.lost == 0


def test_what_a_lie_has_dated_is_dated_by_the_next_word():
    lie = 2_400_000_000
    storage, box = filled()
    box.add(window(1_699_990_000))  # of an earlier start
    box = Outbox(storage, RANDOM)
    box.add(window(up=600))
    box.dated(lie)
    box.add(window(lie + 1200))
    box.dated(1_700_000_000)
    box.add(window(1_700_001_800))
    box.dated(1_700_000_001)
    seen = [1_699_990_000, 1_700_000_600, 1_700_001_200, 1_700_001_800]
    assert [t for _, _, t in waiting(box)] == seen


def test_dates_are_kept_through_many_segments():
    storage, box = filled()
    box.add(window(up=600))
    box.dated(1_700_000_000)
    add(box, range(1_700_001_000, 1_700_001_060))
    assert waiting(Outbox(storage, RANDOM))[0][2] == 1_700_000_600


def test_windows_that_can_never_be_dated_are_counted_not_made_up():
    storage, box = filled()
    box.add(window(up=600))
    again = Outbox(storage, RANDOM)
    again.add(window(1_700_000_000))
    assert [t for _, _, t in waiting(again)] == [1_700_000_000]
    assert [t for _, _, t in waiting(again)] == [1_700_000_000]
    assert again.lost == 1


def test_nothing_is_written_down_when_nothing_waits_for_a_date():
    storage, box = filled()
    before = storage.changes
    box.dated(1_700_000_000)
    assert storage.changes == before
