"""The outbox over a storage in memory: nothing lost, nothing twice, nothing made up."""

from firmware.core import outboxlog
from firmware.tasks import outbox
from outcomes import refused
from sim import memory

Box = outbox.Outbox


def entropy():
    """Give a source of bytes that never repeats."""
    state = [0]

    def take(n):
        state[0] += 1
        return state[0].to_bytes(n, "big")

    return take


RANDOM = entropy()


def window(t=None, up=None, value=12.5):
    entry = {"len": 600, "exp": 60, "streams": {"pm25": [60, value, 1, 30]}}
    if t is not None:
        entry["t"] = t
    if up is not None:
        entry["up"] = up
    return entry


def waiting(box):
    """List (box, seq, t) of all that is to be sent."""
    found = box.pending()
    listed = [(name, entry["seq"], entry["t"]) for _, name, entry in found]
    found.close()
    return listed


def acknowledge(box, count):
    """Acknowledge the first `count` windows."""
    found = box.pending()
    last = None
    for position, name, entry in found:
        last = (position, name, entry["seq"])
        count -= 1
        if not count:
            break
    found.close()
    box.acknowledge(*last)


def test_windows_come_out_in_order_and_survive_a_restart():
    storage = memory.Storage()
    box = Box(storage, RANDOM)
    for t in range(40):
        assert box.add(window(t)) == t + 1
    expected = [(box.box, t + 1, t) for t in range(40)]
    assert waiting(box) == expected
    again = Box(storage, RANDOM)
    assert (waiting(again), again.box) == (expected, box.box)
    assert again.add(window(40)) == 41


def test_segments_are_a_block_at_most():
    storage = memory.Storage()
    box = Box(storage, RANDOM)
    for t in range(100):
        box.add(window(t))
    segments = storage.list(outbox.FOLDER)
    assert len(segments) > 2
    for name in segments:
        assert storage.size(outbox.FOLDER + "/" + name) <= outbox.BLOCK_BYTES


def test_only_what_was_acknowledged_goes_also_over_a_restart():
    storage = memory.Storage()
    box = Box(storage, RANDOM)
    for t in range(60):
        box.add(window(t))
    acknowledge(box, 25)
    assert [seq for _, seq, _ in waiting(box)] == list(range(26, 61))
    again = Box(storage, RANDOM)
    assert [seq for _, seq, _ in waiting(again)] == list(range(26, 61))
    acknowledge(again, 35)
    assert waiting(again) == []
    assert len(storage.list(outbox.FOLDER)) == 1
    assert Box(storage, RANDOM).add(window(60)) == 61


def test_acknowledging_twice_or_late_is_harmless():
    storage = memory.Storage()
    box = Box(storage, RANDOM)
    for t in range(30):
        box.add(window(t))
    found = list(box.pending())
    early, late = found[4], found[20]
    box.acknowledge(late[0], late[1], late[2]["seq"])
    box.acknowledge(early[0], early[1], early[2]["seq"])
    box.acknowledge(late[0], late[1], late[2]["seq"])
    assert [seq for _, seq, _ in waiting(box)] == list(range(22, 31))


def test_when_it_is_full_the_oldest_go_and_are_counted():
    storage = memory.Storage()
    box = Box(storage, RANDOM, segments_max=3)
    for t in range(200):
        box.add(window(t))
    left = [seq for _, seq, _ in waiting(box)]
    assert len(storage.list(outbox.FOLDER)) == 3
    assert left == list(range(left[0], 201))
    assert box.lost == left[0] - 1 > 80
    assert Box(storage, RANDOM, segments_max=3).lost == box.lost


def test_what_was_acknowledged_is_not_lost_when_it_goes():
    box = Box(memory.Storage(), RANDOM, segments_max=3)
    for t in range(200):
        box.add(window(t))
        acknowledge(box, 1)
    assert box.lost == 0


def test_it_leaves_room_for_an_update():
    storage = memory.Storage()
    box = Box(storage, RANDOM)
    for t in range(60):
        box.add(window(t))
    storage.free = outbox.RESERVE_BLOCKS - 1
    for t in range(60, 120):
        box.add(window(t))
    assert len(storage.list(outbox.FOLDER)) == 2
    assert box.lost + len(waiting(box)) == 120


def test_windows_before_the_first_sync_wait_and_are_dated_then():
    storage = memory.Storage()
    box = Box(storage, RANDOM)
    box.add(window(up=600))
    box.add(window(up=1200))
    assert waiting(box) == []
    box.dated(1_700_000_000)
    box.add(window(1_700_001_800))
    assert [t for _, _, t in waiting(box)] == [1_700_000_600, 1_700_001_200, 1_700_001_800]
    assert [t for _, _, t in waiting(Box(storage, RANDOM))] == [
        1_700_000_600,
        1_700_001_200,
        1_700_001_800,
    ]
    assert box.lost == 0


def test_what_a_lie_has_dated_is_dated_by_the_next_word():
    lie = 2_400_000_000
    storage = memory.Storage()
    box = Box(storage, RANDOM)
    box.add(window(1_699_990_000))  # of an earlier start
    box = Box(storage, RANDOM)
    box.add(window(up=600))
    box.dated(lie)
    box.add(window(lie + 1200))
    box.dated(1_700_000_000)
    box.add(window(1_700_001_800))
    box.dated(1_700_000_001)
    seen = [1_699_990_000, 1_700_000_600, 1_700_001_200, 1_700_001_800]
    assert [t for _, _, t in waiting(box)] == seen


def test_dates_are_kept_through_many_segments():
    storage = memory.Storage()
    box = Box(storage, RANDOM)
    box.add(window(up=600))
    box.dated(1_700_000_000)
    for t in range(60):
        box.add(window(1_700_001_000 + t))
    assert waiting(Box(storage, RANDOM))[0][2] == 1_700_000_600


def test_windows_that_can_never_be_dated_are_counted_not_made_up():
    storage = memory.Storage()
    box = Box(storage, RANDOM)
    box.add(window(up=600))
    again = Box(storage, RANDOM)
    again.add(window(1_700_000_000))
    assert [t for _, _, t in waiting(again)] == [1_700_000_000]
    assert [t for _, _, t in waiting(again)] == [1_700_000_000]
    assert again.lost == 1


def test_nothing_is_written_down_when_nothing_waits_for_a_date():
    storage = memory.Storage()
    box = Box(storage, RANDOM)
    before = storage.changes
    box.dated(1_700_000_000)
    assert storage.changes == before


def test_a_damaged_newest_segment_makes_a_new_box_so_that_no_number_comes_twice():
    storage = memory.Storage()
    box = Box(storage, RANDOM)
    for t in range(3):
        box.add(window(t))
    name = outbox.FOLDER + "/" + storage.list(outbox.FOLDER)[-1]
    data = storage.files[name]
    storage.files[name] = data[:-5] + b"x" + data[-4:]
    again = Box(storage, RANDOM)
    assert again.box != box.box
    assert again.add(window(9)) == 1
    assert waiting(again) == [(box.box, 1, 0), (box.box, 2, 1), (again.box, 1, 9)]
    assert again.lost == 1


def test_foreign_and_half_made_files_do_no_harm():
    storage = memory.Storage()
    for name in ("readme", "00000007", "x0000001.00000000", "00000003.0badbeef.new"):
        storage.files[outbox.FOLDER + "/" + name] = b"junk"
    box = Box(storage, RANDOM)
    box.add(window(5))
    assert [t for _, _, t in waiting(box)] == [5]
    assert not storage.exists(outbox.FOLDER + "/00000003.0badbeef.new")


def test_an_empty_or_foreign_newest_segment_does_no_harm():
    for junk in (b"", b"\n\n", b"\xff" * 300, outboxlog.encode({"seq": 7, "streams": {}})):
        storage = memory.Storage()
        box = Box(storage, RANDOM)
        box.add(window(1))
        storage.files[outbox.FOLDER + "/89999998.deadbeef"] = junk
        again = Box(storage, RANDOM)
        assert again.box not in (box.box, "deadbeef")
        again.add(window(2))
        assert [t for _, _, t in waiting(again)][-1] == 2


def test_a_flash_that_refuses_costs_the_oldest_segment_then_says_so():
    storage = memory.Storage()
    box = Box(storage, RANDOM)
    for t in range(60):
        box.add(window(t))
    storage.full = True
    refused(OSError, box.add, window(60))
    storage.full = False
    assert box.add(window(60)) == 61


def test_refused_records_are_kept_bounded():
    storage = memory.Storage()
    box = Box(storage, RANDOM)
    for i in range(60):
        box.set_aside("future " + "x" * 500 + str(i))
    assert box.rejected == 60
    assert storage.size(outbox.REJECTED) <= outbox.BLOCK_BYTES
    assert storage.size(outbox.REJECTED + ".1") <= outbox.BLOCK_BYTES


def live(box, taken, acknowledged):
    """Put windows away, acknowledge three of every seven; note what has been promised."""
    for t in range(30):
        seq = box.add(window(t))
        taken.append((box.box, seq, t))
        if t % 7 == 6:
            acknowledged.extend(waiting(box)[:3])
            acknowledge(box, 3)


def test_a_power_cut_at_any_change_loses_nothing_that_was_taken():
    for cut_after in (False, True):
        for cut_at in range(1, 40):
            storage = memory.Storage()
            storage.cut_at, storage.cut_after = cut_at, cut_after
            taken, acknowledged = [], []
            try:
                live(Box(storage, RANDOM), taken, acknowledged)
            except memory.PowerCut:
                pass
            storage.cut_at = 0
            box = Box(storage, RANDOM)
            left = waiting(box)
            assert [each for each in taken if each not in left and each not in acknowledged] == []
            # The window that was being put away may be there, though nobody was told so.
            assert len([each for each in left if each not in taken]) <= cut_after
            numbers = [each[:2] for each in taken + left]
            assert (box.box, box.add(window(99))) not in numbers


def test_a_newest_segment_written_otherwise_starts_a_new_box_and_its_windows_still_go():
    heads = (
        {"seq": 7},
        {"seq": 7, "ack": "0", "lost": 0, "times": []},
        {"seq": 7, "ack": 0, "lost": None, "times": []},
        {"seq": 7, "ack": 0, "lost": 0, "times": 3},
        {"seq": 7, "ack": 0, "lost": 0, "times": [["aa", "bb"]]},
    )
    for head in heads:
        head.update({"mark": "head", "streams": {}})
        data = outboxlog.encode(head) + outboxlog.encode(dict(window(7), seq=7))
        storage = memory.Storage({"/data/outbox/00000003.0000abcd": data})
        box = Box(storage, RANDOM)
        assert box.box != "0000abcd"
        assert waiting(box) == [("0000abcd", 7, 7)]
        assert box.add(window(8)) == 1
        assert waiting(Box(storage, RANDOM)) == [("0000abcd", 7, 7), (box.box, 1, 8)]


def test_a_window_written_otherwise_does_not_stop_those_behind_it():
    storage = memory.Storage()
    box = Box(storage, RANDOM)
    odd = (
        {"len": 600, "exp": 60, "t": 1, "streams": {"pm25": [60, 1, 1]}},
        {"len": 600, "exp": 60, "t": 1, "streams": {"pm25": None}},
        {"len": 600, "exp": 60, "t": 1, "streams": {"pm25": [60, 1, None, 1]}},
        {"len": 600, "exp": 60, "t": 1, "streams": {"pm25": ["60", 1, 1, 1]}},
        {"len": 600, "exp": 60, "t": "1", "streams": {}},
        {"exp": 60, "t": 1, "streams": {}},
        {"len": 600, "exp": 60, "boot": box.boot, "streams": {}},
        {"len": 600, "exp": 60, "up": 5, "boot": None, "streams": {}},
    )
    path = "/data/outbox/00000001." + box.box
    for number, entry in enumerate(odd):
        storage.append(path, outboxlog.encode(dict(entry, seq=number + 1)))
    box = Box(storage, RANDOM)
    box.add({"len": 600, "exp": 60, "t": 9, "streams": {"pm25": [0, None, None, None]}})
    assert waiting(box) == [(box.box, len(odd) + 1, 9)]
    assert box.lost == len(odd)


def test_names_of_no_segment_are_left_alone():
    names = ("00000009.", "99999999.0000abcd", "00000009.abc", "0000000x.0000abcd")
    storage = memory.Storage({"/data/outbox/" + name: b"" for name in names})
    box = Box(storage, RANDOM)
    box.add(window(5))
    assert waiting(Box(storage, RANDOM)) == [(box.box, 1, 5)]
