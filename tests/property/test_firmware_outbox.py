"""Random lives of an outbox: windows, acknowledgements, power cuts, restarts, damage."""

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st

from firmware.tasks.heartbeat import waiting as depth
from firmware.tasks.outbox import FOLDER, Outbox
from sim import memory

STEP = st.one_of(
    st.tuples(st.just("add"), st.booleans()),
    st.tuples(st.just("acknowledge"), st.integers(1, 12)),
    st.tuples(st.just("dated"), st.integers(1_700_000_000, 1_700_000_050)),
    st.tuples(st.just("restart")),
    # the power fails at a change from now on, before or after it took hold
    st.tuples(st.just("cut"), st.integers(1, 6), st.booleans()),
)
DAMAGE = st.tuples(st.just("damage"), st.floats(0, 1), st.floats(0, 1))


class Life:
    """One outbox, and what its callers know: which windows it took, which were acknowledged."""

    def __init__(self, segments_max):
        self.storage = memory.Storage()
        self.segments_max = segments_max
        self.entropy = 0
        self.taken = []
        self.known = set()
        self.names = set()
        self.start()

    def random(self, n):
        self.entropy += 1
        return self.entropy.to_bytes(n, "big")

    def start(self):
        self.storage.cut_at = 0
        self.box = Outbox(self.storage, self.random, self.segments_max)

    def waiting(self):
        return [(box, entry["seq"]) for _, box, entry in self.box.pending()]

    def step(self, name, *args):
        try:
            getattr(self, name)(*args)
        except memory.PowerCut:
            self.start()

    def add(self, synced):
        window = {"len": 600, "exp": 60, "streams": {"pm25": [60, 12.5, 1, 30]}}
        window["t" if synced else "up"] = len(self.taken)
        # A number is spent from here on: it may be on flash although the caller never hears.
        spent = (self.box.box, self.box.add(window))
        assert spent not in self.names
        self.names.add(spent)
        self.taken.append(spent)

    def acknowledge(self, count):
        last = None
        for position, box, entry in self.box.pending():
            self.known.add((box, entry["seq"]))
            last = (position, box, entry["seq"])
            count -= 1
            if not count:
                break
        if last:
            self.box.acknowledge(*last)

    def dated(self, offset):
        self.box.dated(offset)

    def restart(self):
        self.start()

    def cut(self, changes, after):
        self.storage.cut_at = self.storage.changes + changes
        self.storage.cut_after = after

    def damage(self, which, where):
        names = self.storage.list(FOLDER)
        path = FOLDER + "/" + names[min(int(which * len(names)), len(names) - 1)]
        data = bytearray(self.storage.files[path])
        if data:
            data[min(int(where * len(data)), len(data) - 1)] ^= 0x55
        self.storage.files[path] = bytes(data)
        self.start()


def names_on_flash(life):
    """List every (box, seq) that lies on flash, sent or not."""
    waiting = life.waiting()
    assert len(set(waiting)) == len(waiting)
    return set(waiting)


@settings(max_examples=100)
@given(st.lists(STEP, max_size=60))
def test_no_window_is_lost_and_none_made_up(steps):
    life = Life(segments_max=100)
    synced = False
    for step in steps:
        if step[0] == "add" and not step[1]:
            continue
        life.step(*step)
        synced = True
    life.start()
    waiting = names_on_flash(life)
    assert set(life.taken) <= waiting | life.known
    # At most one window per power cut is there that nobody was told of.
    cuts = sum(step[0] == "cut" for step in steps)
    assert len(waiting - set(life.taken)) <= cuts
    assert synced or not waiting
    assert life.box.lost == life.box.dropped == 0
    assert asyncio.run(depth(life.box, life.storage)) == len(waiting)


@settings(max_examples=100)
@given(st.lists(STEP | DAMAGE, max_size=60))
def test_numbers_never_come_twice_whatever_happens(steps):
    life = Life(segments_max=3)
    seen = {}
    for step in steps:
        life.step(*step)
        for _, box, entry in life.box.pending():
            content = (entry["len"], entry.get("t"))
            assert seen.setdefault((box, entry["seq"]), content) == content
        assert len(life.storage.list(FOLDER)) <= 3
    life.start()
    life.add(synced=True)
    assert life.taken[-1] in names_on_flash(life)


@settings(max_examples=60)
@given(st.lists(st.tuples(st.just("add"), st.booleans()), max_size=60), st.integers(2, 4))
def test_what_is_dropped_is_counted(steps, segments_max):
    life = Life(segments_max)
    for step in steps:
        life.step(*step)
    life.box.dated(1_700_000_000)
    assert len(life.waiting()) + life.box.lost == len(life.taken)
    assert life.box.dropped == life.box.lost
    assert asyncio.run(depth(life.box, life.storage)) == len(life.waiting())
