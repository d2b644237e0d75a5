"""The outbox: in order, nothing lost, nothing twice, and no more than there is room for."""

from firmware.tasks.outbox import BLOCK_BYTES, FOLDER, REJECTED, RESERVE_BLOCKS, Outbox
from outboxes import RANDOM, acknowledge, add, filled, waiting, window
from outcomes import refused


def test_windows_come_out_in_order_and_survive_a_restart():
    storage, box = filled()
    for t in range(40):
        assert box.add(window(t)) == t + 1
    expected = [(box.box, t + 1, t) for t in range(40)]
    assert waiting(box) == expected
    again = Outbox(storage, RANDOM)
    assert (waiting(again), again.box) == (expected, box.box)
    assert again.add(window(40)) == 41


def test_segments_are_a_block_at_most():
    storage, _ = filled(100)
    segments = storage.list(FOLDER)
    assert len(segments) > 2
    for name in segments:
        assert storage.size(FOLDER + "/" + name) <= BLOCK_BYTES


def test_only_what_was_acknowledged_goes_also_over_a_restart():
    storage, box = filled(60)
    acknowledge(box, 25)
    assert [seq for _, seq, _ in waiting(box)] == list(range(26, 61))
    again = Outbox(storage, RANDOM)
    assert [seq for _, seq, _ in waiting(again)] == list(range(26, 61))
    acknowledge(again, 35)
    assert waiting(again) == []
    assert len(storage.list(FOLDER)) == 1
    assert Outbox(storage, RANDOM).add(window(60)) == 61


def test_acknowledging_twice_or_late_is_harmless():
    _, box = filled(30)
    found = list(box.pending())
    early, late = found[4], found[20]
    box.acknowledge(late[0], late[1], late[2]["seq"])
    box.acknowledge(early[0], early[1], early[2]["seq"])
    box.acknowledge(late[0], late[1], late[2]["seq"])
    assert [seq for _, seq, _ in waiting(box)] == list(range(22, 31))


def test_when_it_is_full_the_oldest_go_and_are_counted():
    storage, box = filled(200, segments_max=3)
    left = [seq for _, seq, _ in waiting(box)]
    assert len(storage.list(FOLDER)) == 3
    assert left == list(range(left[0], 201))
    assert box.lost == left[0] - 1 > 80
    assert Outbox(storage, RANDOM, segments_max=3).lost == box.lost


def test_what_was_acknowledged_is_not_lost_when_it_goes():
    _, box = filled(segments_max=3)
    for t in range(200):
        box.add(window(t))
        acknowledge(box, 1)
    assert box.lost == 0


def test_it_leaves_room_for_an_update():
    storage, box = filled(60)
    storage.free = RESERVE_BLOCKS - 1
    add(box, range(60, 120))
    assert len(storage.list(FOLDER)) == 2
    assert box.lost + len(waiting(box)) == 120


def test_a_flash_that_refuses_costs_the_oldest_segment_then_says_so():
    storage, box = filled(60)
    storage.full = True
    refused(OSError, box.add, window(60))
    storage.full = False
    assert box.add(window(60)) == 61


def test_refused_records_are_kept_bounded():
    storage, box = filled()
    for i in range(60):
        box.set_aside("future " + "x" * 500 + str(i))
    assert box.rejected == 60
    assert storage.size(REJECTED) <= BLOCK_BYTES
    assert storage.size(REJECTED + ".1") <= BLOCK_BYTES
