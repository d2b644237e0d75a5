"""The lamp post's lamp, its mains, and the dimming input that a node's pin drives inverted.

The input is pulled so that a floating or low pin means full light: a node without power, in reset
or crashed brightens the street. Only a pin that is driven high dims.
"""

import threading
from collections import deque
from collections.abc import Callable

from sim.hardware.parts import Sky, Time

NIGHT_LUX = 20.0
_DARK = 0.01  # below this share of full light the street is dark
_STEP_S = 60.0  # how finely the wanted level is followed between two changes of the lamp
_HISTORY = 10_000


class LampCircuit:
    """One lamp. `wanted` gives the level a street needs at a unix time, in %: 0 by day.

    `dark_s` counts seconds with mains in which light was wanted and there was none; `lit_s` is the
    integral of the level (seconds at full light). `history` holds (unix time, level in %).
    """

    def __init__(
        self, clock: Time, sky: Sky, *, wanted: Callable[[float], float] | None = None
    ) -> None:
        self._lock = threading.Lock()
        self._clock = clock
        self._sky = sky
        self._wanted = wanted or self._by_daylight
        self._duty: float | None = None
        self._mains = True
        self._dark_s = 0.0
        self._lit_s = 0.0
        self._at = clock.now()
        self.history: deque[tuple[float, float]] = deque([(self._at, 100.0)], maxlen=_HISTORY)
        self.burnt_out = False

    @property
    def level(self) -> float:
        """Light output in %."""
        if not self._mains or self.burnt_out:
            return 0.0
        return 100.0 if self._duty is None else 100.0 * (1.0 - self._duty)

    @property
    def dark_s(self) -> float:
        """Seconds of darkness up to now."""
        self._account()
        return self._dark_s

    @property
    def lit_s(self) -> float:
        """Seconds at full light that the light given up to now is worth."""
        self._account()
        return self._lit_s

    @property
    def lowest(self) -> float:
        """The lowest level the lamp has had while it had mains, in %."""
        return min(level for _, level in self.history)

    def drive(self, duty: float | None) -> None:
        """Take the share of time the pin is high, None when it floats."""
        self._account()
        self._duty = duty
        self._note()

    def mains(self, on: bool) -> None:
        """Switch the circuit's power."""
        self._account()
        self._mains = on
        if on:
            self._note()

    def _note(self) -> None:
        if self._mains and self.level != self.history[-1][1]:
            self.history.append((self._at, self.level))

    def _by_daylight(self, at: float) -> float:
        return 100.0 if self._sky.illuminance(at) < NIGHT_LUX else 0.0

    def _account(self) -> None:
        with self._lock:  # tests ask while the node's thread drives
            now = self._clock.now()
            share = self.level / 100.0
            while self._at < now:
                step = min(_STEP_S, now - self._at)
                self._lit_s += share * step
                if self._mains and share < _DARK and self._wanted(self._at) > 0:
                    self._dark_s += step
                self._at += step
