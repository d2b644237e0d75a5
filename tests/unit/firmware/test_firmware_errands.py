"""Errands: measuring goes on when the flash refuses; no server makes a node restart all day."""

import asyncio
from types import SimpleNamespace

import faketime
import pytest

from firmware.tasks import errands, measuring, update
from ota.core import errors
from sim import memory

NOON = 1_795_000_000 // 86400 * 86400 + 12 * 3600
CONFIG = {
    "window_s": 60,
    "sample_s": 10,
    "poll_s": 300,
    "heartbeat_s": 3600,
    "verify_s": 86400,
    "streams": {"pm25": {"part": "air"}},
    "parts": {"air": {"driver": "pms5003"}},
}


class Air:
    async def read(self):
        return {"pm25": 12}


class Silent:
    """A server that never answers."""

    async def request(self, *_):
        raise errors.Timeout("silence")


class Cramped(faketime.Memory):
    """As much as an ESP32 has while it measures."""

    def figures(self):
        return {"heap_free": 14_000}


class Storage(memory.Storage):
    """Refuses to write some files while `refused` names them."""

    refused = ()

    def write(self, path, data):
        if path in self.refused:
            raise OSError(28)
        super().write(path, data)


@pytest.fixture
def offers(monkeypatch, tmp_path):
    """Have each poll bring a fresh action; give the times of updates that were begun."""
    begun = []

    async def poll(_node):
        offer = SimpleNamespace(action="7", cancellation="", config=False, sleep_s=300)
        offer.version = "1.1.0"
        return offer

    async def begin(node, _offer):
        begun.append(node.clock.now())

    for module in (measuring, update):  # on this side all is loaded, and stays
        monkeypatch.setattr(module, "let_go", lambda *_: None)
    monkeypatch.setattr(measuring, "load", lambda *_: None)
    monkeypatch.setattr(update, "DATA", str(tmp_path))
    monkeypatch.setattr(update, "poll", poll)
    monkeypatch.setattr(update, "update", begin)
    monkeypatch.setattr(update, "tell", poll_nothing)
    return begun


async def poll_nothing(_node, _figures):
    """Tell nothing."""


def node(storage, unix_s, **changes):
    """Make a node that measures, or that is on an errand, as its flash says."""
    made = faketime.node(
        {**CONFIG, "streams": changes.pop("streams", CONFIG["streams"])},
        storage=storage,
        parts={"air": Air()},
        memory=Cramped(),
        measuring=[],
        tasks=[],
        tell_s=0,
        outbox=None,
        **{"client": Silent(), **changes},
    )
    made.clock.set(unix_s, "sntp")
    made.enrolled.set()
    made.errand = measuring.errand(storage)
    measuring.begin(made)
    return made


def live(storage, unix_s, seconds, then=lambda _node: None, **changes):
    """Run a start until it resets or time is up: (node, whether it reset)."""

    async def main():
        made = node(storage, unix_s, **changes)
        try:
            await asyncio.wait_for(update.run(made), seconds)
        except faketime.Restarted:
            return made, True
        except TimeoutError:
            pass
        then(made)
        return made, False

    return faketime.run(main(), 2 * seconds + 60)


def windows(made):
    return [entry["t"] for _, _, entry in made.outbox.pending()]


def test_an_errand_is_made_where_there_is_no_room(offers):
    storage = Storage()
    made, restarted = live(storage, NOON, 900)
    assert restarted
    assert made.clock.uptime_s() == 300
    assert storage.files[measuring.FLAG] == b"an update"
    assert windows(made)[-1] == made.clock.now()
    made, restarted = live(storage, made.clock.now(), 900)
    assert (restarted, made.outbox, offers) == (True, None, [made.clock.now()])
    assert measuring.FLAG not in storage.files


@pytest.mark.parametrize("refused", [measuring.FLAG, errands.ERRANDS, update.PARTS])
def test_a_flash_that_refuses_costs_no_minute_of_measuring(offers, refused):
    storage = Storage()
    storage.refused = (refused,)

    def measures(made):
        assert len(made.measuring) == 2
        assert not any(task.done() for task in made.measuring)

    made, restarted = live(storage, NOON, 1200, measures)
    if refused == update.PARTS:  # what answers need not be known for that
        assert restarted
        return
    assert not restarted
    assert windows(made)[:20] == [NOON + 60 * i for i in range(1, 21)]
    assert offers == []
    assert len(made.console.texts("error")) >= 10
    storage.refused = ()
    assert live(storage, NOON + 1200, 900)[1]


def test_a_reset_that_cannot_be_written_down_is_none_and_measuring_goes_on(offers):
    def restart(why):
        raise OSError(28)

    def measures(made):
        assert len(made.measuring) == 2
        assert not any(task.done() for task in made.measuring)

    made, _ = live(Storage(), NOON, 1000, measures, restart=restart)
    assert len(windows(made)) >= 15
    assert offers == []


def test_a_window_that_finds_no_room_does_not_hold_the_errand_up(offers):
    class Full(Storage):
        def append(self, path, data):
            if measuring.FLAG in self.files:
                raise OSError(28)
            super().append(path, data)

        def write(self, path, data):
            if measuring.FLAG in self.files and "outbox" in path:
                raise OSError(28)
            super().write(path, data)

    made, restarted = live(Full(), NOON, 900)
    assert restarted
    assert made.clock.uptime_s() == 300
    assert made.counts["sample"] == 1


def test_a_fresh_action_at_each_poll_costs_a_bounded_number_of_starts_a_day(offers):
    storage = Storage()
    now, restarts = NOON, []
    while now < NOON + 86400:
        made, restarted = live(storage, now, NOON + 86400 - now, streams={})
        now = max(made.clock.now(), now + 1)
        restarts.extend([now] * restarted)
    before = [at for at in restarts if at < NOON + 43200]
    assert len(before) == 2 * errands.ERRANDS_PER_DAY
    assert len(restarts) == 4 * errands.ERRANDS_PER_DAY
    assert len(offers) == 2 * errands.ERRANDS_PER_DAY


@pytest.mark.parametrize("junk", [b"", b"\xff\xfe", b"x y", b"9" * 100, b"1 2 3"])
def test_a_damaged_count_of_errands_begins_anew(offers, junk):
    storage = Storage({errands.ERRANDS: junk})
    assert live(storage, NOON, 900)[1]
    assert storage.files[errands.ERRANDS] == b"%d 1" % (NOON // 86400)


@pytest.mark.parametrize("junk", [b"\xff\xfe", b"x" * 100])
def test_a_damaged_flag_is_no_errand(offers, junk):
    made, _ = live(Storage({measuring.FLAG: junk}), NOON, 200)
    assert len(windows(made)) >= 3


def test_an_outbox_that_cannot_be_opened_stops_nothing_else(offers):
    class Broken(Storage):
        def make_folder(self, path):
            raise OSError(5, path)

    made, restarted = live(Broken(), NOON, 900)
    assert not restarted
    assert len(offers) == 3
    assert made.outbox is None
    assert made.counts == {"outbox": 1}
