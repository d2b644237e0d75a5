"""When a heartbeat is sent, and that none stands in the way of an update."""

import asyncio
from types import SimpleNamespace

import faketime
import pytest

from firmware.tasks import heartbeat, measuring, update
from ota.core import errors

CONFIG = {"poll_s": 300, "heartbeat_s": 3600, "verify_s": 86400}


@pytest.fixture
def turns(monkeypatch, tmp_path):
    """Poll a server that may ask for configData and offer an update; give what happened."""
    seen = SimpleNamespace(told=[], updates=0, asked=False, offered="", fails=None)

    async def poll(_node):
        return SimpleNamespace(
            action=seen.offered, cancellation="", config=seen.asked, sleep_s=300, version="1.1.0"
        )

    async def send(node, figures):
        assert figures == {"heap_free": 50_000}
        seen.told.append(node.clock.uptime_s())
        if seen.fails:
            raise seen.fails
        node.tell_s = node.clock.uptime_s() + node.config["heartbeat_s"]

    async def begin(_node, _offer):
        seen.updates += 1

    monkeypatch.setattr(update, "DATA", str(tmp_path))
    monkeypatch.setattr(update, "poll", poll)
    monkeypatch.setattr(update, "update", begin)
    monkeypatch.setattr(update, "let_go", lambda *_: None)
    monkeypatch.setattr(heartbeat, "send", send)
    return seen


def live(seconds, **changes):
    async def main():
        node = faketime.node(CONFIG, tell_s=0, **changes)
        node.enrolled.set()
        task = asyncio.create_task(update.run(node))
        await asyncio.sleep(seconds)
        assert not task.done()
        task.cancel()
        return node

    return faketime.run(main())


def test_one_with_the_first_poll_and_one_each_heartbeat_s(turns):
    live(8000)
    assert turns.told == [0, 3600, 7200]


def test_one_whenever_the_server_asks(turns):
    turns.asked = True
    live(1000)
    assert turns.told == [0, 300, 600, 900]


@pytest.mark.parametrize(
    "error",
    [
        errors.ServerError(503),
        errors.ServerError(400),
        errors.Timeout("silence"),
        MemoryError(),
        ImportError("heartbeat"),
        KeyError("a fault of this very release"),
    ],
)
def test_one_that_fails_comes_with_the_next_poll_and_stops_no_update(turns, error):
    turns.fails = error
    turns.offered = "7"
    node = live(1000)
    assert turns.told == [0, 300, 600, 900]
    assert turns.updates == 4
    assert node.counts == {}
    assert all(text.startswith("heartbeat: ") for text in node.console.texts("warn"))


def test_none_in_an_updates_own_start(turns):
    turns.asked = True

    async def main():
        node = faketime.node(CONFIG, tell_s=0, errand=measuring.UPDATE, measuring=[])
        with pytest.raises(faketime.Restarted):
            await update.turn(node)

    faketime.run(main())
    assert turns.told == []


@pytest.mark.parametrize("error", [OSError(28), OSError(5)])
def test_a_flash_that_refuses_an_update_is_no_crash(turns, monkeypatch, error):
    async def refuse(_node, _offer):
        raise error

    monkeypatch.setattr(update, "update", refuse)
    turns.offered = "7"
    node = live(700)
    assert node.counts == {}
    assert len(node.console.texts("error")) > 5
