"""A sample of `make torture`: states of a real update, and a life with cuts in it."""

import hashlib
import random

import pytest

from sim.torture.boots import Starter
from sim.torture.content import faults, phase, read, runs
from sim.torture.journal import State, torn
from sim.torture.lives import Fate, Street
from sim.torture.runs import RUNS, Bench
from sim.torture.states import Depth, Tally, Walk

UPDATE = next(run for run in RUNS if run.name == "update")
PHASES = {"metadata", "download", "staging", "swap", "trial", "confirm", "record"}


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    """Give a city with 1.0.0 and the release that the run "update" offers."""
    made = Bench(tmp_path_factory.mktemp("torture") / "home", seed=1)
    try:
        made.found([UPDATE], rotated=False)
        yield made
    finally:
        made.close()


@pytest.fixture(scope="module")
def recording(bench):
    """Give an update from offer to confirmation, every change of the flash kept."""
    return bench.record(UPDATE)


@pytest.fixture
def starter(recording, tmp_path):
    """Give a node to start from states of the recording."""
    config = read(State(recording.image)).vfs["etc/config.json"]
    made = Starter(tmp_path, recording.image, recording.mac, config)
    yield made
    made.close()


def test_the_record_replays_to_the_flash_that_the_node_ended_with(bench, recording):
    state = State(recording.image)
    began = read(state)
    assert runs(began, recording.facts)[0] == "1.0.0"
    met = set()
    before = began
    for change in recording.changes:
        state.apply(change)
        after = read(state)
        met.add(phase(before, after))
        before = after
    assert faults(after, recording.facts) == []
    assert met >= PHASES
    assert state.digest == State(recording.end).digest
    assert runs(before, recording.facts) == ("1.1.0", [])


def test_a_node_starts_whole_from_a_sample_of_the_states_and_of_second_cuts(recording, tmp_path):
    walk = Walk(recording, Depth(every=80, second=0.1, again=0.3, seed=3), tmp_path)
    tally = Tally()
    try:
        tally.add(walk.stretch(0, len(recording.changes)))
    finally:
        walk.close()
    assert tally.faults == []
    assert tally.bricked == 0
    assert tally.changes == len(recording.changes)
    assert len(tally.booted) > 5
    assert tally.second


def test_a_life_with_two_cuts_ends_with_the_release_and_every_window(bench, recording):
    fate = Fate(UPDATE, len(recording.changes) // 2, "within", second=9)
    node = bench.city.nodes["recorded-update"]
    (life,) = Street(bench, [node], {node.id: recording.image}).live([fate])
    assert (life.end, life.faults, life.cuts) == ("confirmed", (), 2)


def test_a_state_that_no_cut_may_leave_is_seen_by_reader_and_start(recording, starter):
    """A slot whose file is gone under a record that names it, and a flash with no slot at all."""
    state = State(recording.image)
    whole = read(state)
    assert starter.start(state, whole, recording.facts).faults == ()
    _spoil(state, whole, "a")
    wrecked = read(state)
    assert any("a/" in fault for fault in faults(wrecked, recording.facts))
    start = starter.start(state, wrecked, recording.facts)
    assert not start.dead
    assert start.faults == ()
    _spoil(state, whole, "b")
    assert starter.start(state, read(state), recording.facts).dead
    assert starter.survive(state) == ("rescue", "", False)


def _spoil(state, content, slot):
    """Overwrite the block in which one of a slot's files lies."""
    text = content.data[f"{slot}/firmware/tasks/uplink.mpy"]
    offset, size = state.partitions["data"]
    at = bytes(state.image).find(text[:512], offset, offset + size)
    assert at > 0
    state.put(at, bytes(512))


def test_tears_are_between_what_was_and_what_was_to_be(recording):
    state = State(recording.image)
    chance, seen = random.Random(1), set()
    for change in recording.changes:
        if chance.random() < 0.03:
            before = bytes(state.image)
            whole = State(before)
            whole.apply(change)
            for tear in torn(state, change, "1"):
                _mixed(before, bytes(state.image), bytes(whole.image))
                seen.add(tear)
            assert hashlib.sha256(state.image).digest() == hashlib.sha256(before).digest()
        state.apply(change)
    assert len(seen) > 1


def _mixed(before, torn_, after):
    b, t, a = (int.from_bytes(each, "little") for each in (before, torn_, after))
    assert (b ^ t) & ~(b ^ a) == 0
