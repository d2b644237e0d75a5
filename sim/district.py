"""A district of an emulated city: the way its nodes take to the server, and what befalls it."""

from sim.faults import Faults, Proxy
from sim.posts import DISTRICTS

_DELAY_S = 0.15
_SLOW_BYTES_S = 4000.0
_LOSS = 0.05
REPORT_BYTES = 300
"""A poll is smaller than this as TLS records, a pack of windows larger."""


class District:
    """One district: its nodes reach the server at 127.0.0.1:`port`, through `proxy`.

    `slow`, `lossy` and `drop_next_2xx` add up; `restore` ends them all.
    """

    def __init__(self, name: str, server: tuple[str, int], *, seed: int = 0) -> None:
        self.name = name
        self.proxy = Proxy(server, seed=seed)

    @property
    def port(self) -> int:
        """Where its nodes find the server."""
        return self.proxy.port

    @property
    def received(self) -> int:
        """Bytes that have passed towards its nodes."""
        return self.proxy.down

    @property
    def sent(self) -> int:
        """Bytes that have passed towards the server."""
        return self.proxy.up

    def cut(self, *, silent: bool = False) -> None:
        """Cut it off: connections break and none opens; `silent`: nobody even hears of it."""
        if silent:
            self.proxy.faults.black_hole = True
            return
        self.proxy.faults.refuse = True
        self.proxy.cut()

    def restore(self) -> None:
        """Make the network good again; connections that hung in silence are ended."""
        hung = self.proxy.faults.black_hole
        self.proxy.faults = Faults()
        if hung:
            self.proxy.cut()

    def slow(self, bytes_per_s: float = _SLOW_BYTES_S, delay_s: float = _DELAY_S) -> None:
        """Carry so much per connection and direction, each piece that late."""
        self.proxy.faults.bytes_per_s = bytes_per_s
        self.proxy.faults.delay_s = delay_s

    def lossy(self, loss: float = _LOSS) -> None:
        """Lose this share of all pieces: they come later, some with a broken connection only."""
        self.proxy.faults.loss = loss

    def drop_next_2xx(self) -> None:
        """Lose the server's next answer to a pack of windows, which it has committed by then.

        The connection breaks instead; see `dropped`. Heartbeats and words about updates are as
        large and meet the same: ask for this when no node starts or updates.
        """
        self.proxy.faults.lose_over = REPORT_BYTES
        self.proxy.faults.lose_answers = 1

    @property
    def dropped(self) -> bool:
        """Whether the answer asked for by `drop_next_2xx` is lost by now."""
        return not self.proxy.faults.lose_answers

    def close(self) -> None:
        """Close the proxy."""
        self.proxy.close()


def districts(server: tuple[str, int], seed: int) -> dict[str, District]:
    """Return every district of a city by name, before one server's device port."""
    return {name: District(name, server, seed=seed) for name in DISTRICTS}
