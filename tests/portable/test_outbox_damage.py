"""What damage, foreign files and power cuts cost an outbox: at most what they hit."""

from firmware.core import outboxlog
from firmware.tasks.outbox import FOLDER, Outbox
from outboxes import RANDOM, acknowledge, filled, waiting, window
from sim import memory


def test_a_damaged_newest_segment_makes_a_new_box_so_that_no_number_comes_twice():
    storage, box = filled(3)
    name = FOLDER + "/" + storage.list(FOLDER)[-1]
    data = storage.files[name]
    storage.files[name] = data[:-5] + b"x" + data[-4:]
    again = Outbox(storage, RANDOM)
    assert again.box != box.box
    assert again.add(window(9)) == 1
    assert waiting(again) == [(box.box, 1, 0), (box.box, 2, 1), (again.box, 1, 9)]
    assert again.lost == 1


def test_foreign_and_half_made_files_do_no_harm():
    storage = memory.Storage()
    for name in ("readme", "00000007", "x0000001.00000000", "00000003.0badbeef.new"):
        storage.files[FOLDER + "/" + name] = b"junk"
    box = Outbox(storage, RANDOM)
    box.add(window(5))
    assert [t for _, _, t in waiting(box)] == [5]
    assert not storage.exists(FOLDER + "/00000003.0badbeef.new")


def test_an_empty_or_foreign_newest_segment_does_no_harm():
    for junk in (b"", b"\n\n", b"\xff" * 300, outboxlog.encode({"seq": 7, "streams": {}})):
        storage = memory.Storage()
        box = Outbox(storage, RANDOM)
        box.add(window(1))
        storage.files[FOLDER + "/89999998.deadbeef"] = junk
        again = Outbox(storage, RANDOM)
        assert again.box not in (box.box, "deadbeef")
        again.add(window(2))
        assert [t for _, _, t in waiting(again)][-1] == 2


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
        box = Outbox(storage, RANDOM)
        assert box.box != "0000abcd"
        assert waiting(box) == [("0000abcd", 7, 7)]
        assert box.add(window(8)) == 1
        assert waiting(Outbox(storage, RANDOM)) == [("0000abcd", 7, 7), (box.box, 1, 8)]


def test_a_window_written_otherwise_does_not_stop_those_behind_it():
    storage, box = filled()
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
    box = Outbox(storage, RANDOM)
    box.add({"len": 600, "exp": 60, "t": 9, "streams": {"pm25": [0, None, None, None]}})
    assert waiting(box) == [(box.box, len(odd) + 1, 9)]
    assert box.lost == len(odd)


def test_names_of_no_segment_are_left_alone():
    names = ("00000009.", "99999999.0000abcd", "00000009.abc", "0000000x.0000abcd")
    storage = memory.Storage({"/data/outbox/" + name: b"" for name in names})
    box = Outbox(storage, RANDOM)
    box.add(window(5))
    assert waiting(Outbox(storage, RANDOM)) == [(box.box, 1, 5)]


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
                live(Outbox(storage, RANDOM), taken, acknowledged)
            except memory.PowerCut:
                pass
            storage.cut_at = 0
            box = Outbox(storage, RANDOM)
            left = waiting(box)
            assert [each for each in taken if each not in left and each not in acknowledged] == []
            # The window that was being put away may be there, though nobody was told so.
            assert len([each for each in left if each not in taken]) <= cut_after
            numbers = [each[:2] for each in taken + left]
            assert (box.box, box.add(window(99))) not in numbers
