"""One thread that serves every emulated node of a process: descriptors, timers, one lock.

Callbacks run in the loop's thread with `lock` held; methods of nodes called from elsewhere take
the same lock. `wait` is how tests and commands wait: by predicate and deadline.
"""

import heapq
import itertools
import resource
import selectors
import socket
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from sim.errors import SimError

T = TypeVar("T")

_POLL_S = 0.05  # predicates may look at things that the loop knows nothing of


class Timer:
    """A call that is due at a time; `cancel` drops it."""

    def __init__(self, due: float, call: Callable[[], None]) -> None:
        self.due = due
        self.call: Callable[[], None] | None = call

    def cancel(self) -> None:
        """Never call."""
        self.call = None


class Loop:
    """Selector, timers and lock of one thread, which starts with the first use."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self._changed = threading.Condition(self.lock)
        self._selector = selectors.DefaultSelector()
        self._timers: list[tuple[float, int, Timer]] = []
        self._order = itertools.count()
        self._failure: BaseException | None = None
        self._closed = False
        self._wake_in, self._wake_out = socket.socketpair()
        self._wake_in.setblocking(False)
        self._wake_out.setblocking(False)
        self._selector.register(self._wake_out, selectors.EVENT_READ, self._woken)
        self._thread = threading.Thread(target=self._run, name="sim", daemon=True)
        _allow_descriptors()
        self._thread.start()

    def add(self, fd: int, ready: Callable[[], None]) -> None:
        """Call `ready` whenever `fd` can be read."""
        with self.lock:
            self._selector.register(fd, selectors.EVENT_READ, ready)
            self._wake()

    def remove(self, fd: int) -> None:
        """Forget `fd`."""
        with self.lock:
            self._selector.unregister(fd)

    def later(self, seconds: float, call: Callable[[], None]) -> Timer:
        """Call once, `seconds` from now."""
        timer = Timer(time.monotonic() + max(0.0, seconds), call)
        with self.lock:
            heapq.heappush(self._timers, (timer.due, next(self._order), timer))
            self._wake()
        return timer

    def changed(self) -> None:
        """Let everyone who waits look again."""
        with self.lock:
            self._changed.notify_all()

    def wait(self, predicate: Callable[[], T], deadline_s: float) -> T | None:
        """Return the first true value of `predicate`, None after `deadline_s`.

        SimError when the loop's thread broke.
        """
        end = time.monotonic() + deadline_s
        while True:
            if self._failure is not None:
                raise SimError(f"the emulation broke: {self._failure!r}") from self._failure
            value = predicate()
            if value:
                return value
            left = end - time.monotonic()
            if left <= 0:
                return None
            with self.lock:
                self._changed.wait(min(_POLL_S, left))

    def close(self) -> None:
        """End the thread."""
        with self.lock:
            self._closed = True
            self._wake()
        self._thread.join(5)
        self._selector.close()
        self._wake_in.close()
        self._wake_out.close()

    def _wake(self) -> None:
        if threading.current_thread() is not self._thread:
            try:
                self._wake_in.send(b"\0")
            except BlockingIOError:
                return  # it is awake already

    def _woken(self) -> None:
        try:
            self._wake_out.recv(4096)
        except BlockingIOError:
            return

    def _run(self) -> None:
        try:
            while not self._closed:
                self._turn()
        except BaseException as error:
            self._failure = error
            raise
        finally:
            self.changed()

    def _turn(self) -> None:
        with self.lock:
            left = self._timers[0][0] - time.monotonic() if self._timers else None
        events = self._selector.select(None if left is None else max(0.0, left))
        with self.lock:
            for key, _ in events:
                if self._selector.get_map().get(key.fd) is key:  # not removed by one before
                    key.data()
            now = time.monotonic()
            while self._timers and self._timers[0][0] <= now:
                timer = heapq.heappop(self._timers)[2]
                if timer.call is not None:
                    timer.call()
            self._changed.notify_all()


def _allow_descriptors() -> None:
    """Allow as many descriptors as the system lets us: a node takes about ten."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


_shared: list[Loop] = []


def shared() -> Loop:
    """Return the process's loop."""
    if not _shared:
        _shared.append(Loop())
    return _shared[0]
