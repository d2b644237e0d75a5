"""The time that parts and world live in: it may run faster than the host's."""

import time
from collections.abc import Callable


class Clock:
    """Unix seconds that start at `start` (default: now) and run `rate` times as fast as ours."""

    def __init__(
        self,
        start: float | None = None,
        rate: float = 1.0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        if rate <= 0:
            raise ValueError(f"rate must be above 0, is {rate}")
        self.rate = rate
        self._monotonic = monotonic
        self._origin = monotonic()
        self._start = time.time() if start is None else start

    def now(self) -> float:
        """Unix seconds of the emulated city."""
        return self._start + (self._monotonic() - self._origin) * self.rate

    def real_s(self, until: float) -> float:
        """Return how many of our seconds it is until the city's clock shows `until`."""
        return max(0.0, (until - self.now()) / self.rate)
