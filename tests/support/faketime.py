"""An event loop whose time passes only when everybody waits, and a node of fakes upon it."""

import asyncio
import selectors
from types import SimpleNamespace

from firmware.ports import common
from firmware.tasks.outbox import Outbox
from sim import memory


class _Selector(selectors.DefaultSelector):
    """Instead of waiting, moves the loop's clock to when something is due."""

    def __init__(self):
        super().__init__()
        self.now = 0.0

    def select(self, timeout=None):
        if timeout is None:
            raise RuntimeError("everybody waits for ever")
        self.now += timeout
        return super().select(0)


class Loop(asyncio.SelectorEventLoop):
    """An event loop in virtual seconds."""

    def __init__(self):
        self.selector = _Selector()
        super().__init__(self.selector)

    def time(self):
        return self.selector.now


def run(main, seconds=86_400.0):
    """Run a coroutine to its end, at most so many virtual seconds; return what it returns."""
    loop = Loop()
    try:
        return loop.run_until_complete(asyncio.wait_for(main, seconds))
    finally:
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()


class Console:
    """Keeps the lines as (level, task, text)."""

    def __init__(self):
        self.lines = []

    def __getattr__(self, level):
        if level not in ("info", "warn", "error"):
            raise AttributeError(level)
        return lambda task, text: self.lines.append((level, task, text))

    def texts(self, level):
        return [text for found, _, text in self.lines if found == level]


class Memory:
    """Memory without end."""

    def __init__(self):
        self.lowest = {}
        self.buffer = None

    def note(self):
        return self.figures()

    def figures(self):
        return {"heap_free": 50_000}


class Restarted(BaseException):
    """The node has reset itself."""


def _restart(why):
    raise Restarted(why)


def random(n):
    """Random bytes that are the same in every run."""
    return bytes(range(1, n + 1))


def node(config=None, **parts):
    """Make a node to run tasks on; to be called inside the loop."""
    loop = asyncio.get_running_loop()
    storage = memory.Storage()
    made = SimpleNamespace(
        clock=common.Clock(lambda: int(loop.time() * 1000), 946684800, lambda _unix_s: None),
        storage=storage,
        console=Console(),
        random=random,
        id="240ac4fffe000001",
        release={"version": "1.0.0", "board": "esp32", "min_level": 20},
        config=config or {},
        lamp=None,
        ambient=None,
        parts={},
        answered={},
        counts={},
        outbox=Outbox(storage, random),
        client=None,
        beat=0,
        date_s=0,
        dying="",
        memory=Memory(),
        measuring=[True],
        errand="",
        boot="",
        filled=asyncio.Event(),
        online=asyncio.Event(),
        enrolled=asyncio.Event(),
        dead=asyncio.Event(),
        restart=_restart,
    )
    for name, value in parts.items():
        setattr(made, name, value)
    return made
