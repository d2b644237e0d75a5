"""The console's lock as a task: what fails in it opens nothing, ends nothing, keeps no heap."""

import asyncio
import sys
from types import SimpleNamespace

import faketime
import pytest

from firmware.tasks import errands, loading, lock, measuring

POINT = "04" + "6b17d1f2" + "00" * 60
UNLOCKING = "firmware.tasks.unlocking"


class Keyboard:
    """What is typed, as a chip's stdin and select's poll have it."""

    def __init__(self):
        self.typed = b""
        self.buffer = self

    def register(self, *_):
        pass

    def poll(self, _wait_ms):
        return bool(self.typed)

    def readinto(self, into):
        into[0], self.typed = self.typed[0], self.typed[1:]
        return 1


@pytest.fixture
def keyboard(monkeypatch):
    made = Keyboard()
    loading.let_go(UNLOCKING)  # nothing of a test before
    monkeypatch.setattr(lock.select, "poll", lambda: made)
    monkeypatch.setattr(lock.sys, "stdin", made)
    monkeypatch.setitem(sys.modules, "startup", SimpleNamespace(keys={"anna": POINT}))
    monkeypatch.setattr(measuring, "MODULES", ())  # they are this process's, too
    return made


def session(keyboard, *typed, **parts):
    """Type each after a wait, (seconds, bytes); return what was said, or raise what ended it."""

    async def main():
        node = faketime.node(measuring=[], **parts)
        task = asyncio.create_task(lock.run(node))
        for wait_s, words in typed:
            await asyncio.sleep(wait_s)
            keyboard.typed += words
        await asyncio.sleep(1)
        if task.done():
            task.result()
        task.cancel()
        return node.console.texts("info")

    return faketime.run(main())


def test_a_challenge_without_heap_is_said_and_the_lock_goes_on(keyboard):
    def no_memory(_count):
        raise MemoryError

    said = session(keyboard, (0, b"unlock\r"), (2, b"\r"), random=no_memory)
    assert said == ["refused: MemoryError", "locked to anna"]
    assert UNLOCKING not in sys.modules


@pytest.mark.parametrize(
    ("typed", "there"),
    [
        ([(0, b"unlock\r")], True),
        ([(0, b"unlock\r"), (0.5, b"answer 01234567 00\r")], False),
        ([(0, b"unlock\r"), (62, b"")], False),
    ],
)
def test_the_desk_is_in_the_heap_while_its_challenge_waits(keyboard, typed, there):
    said = session(keyboard, *typed)
    assert said[0].startswith("challenge ")
    assert (UNLOCKING in sys.modules) is there


def test_a_refused_answer_starts_the_node_anew_or_has_it_measure_on(keyboard, monkeypatch):
    began = []
    monkeypatch.setattr(errands.measuring, "start", began.append)
    typed = (0, b"unlock\r"), (0.5, b"answer 6b17d1f2 3006020101020101\r")

    def restart(_why):
        raise OSError(28, "no room")

    said = session(keyboard, *typed, restart=restart)
    assert said[1:] == ["refused", "refused: OSError"]
    assert len(began) == 1
    with pytest.raises(faketime.Restarted, match="a key was refused"):
        session(keyboard, *typed)
