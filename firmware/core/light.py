"""How bright the lamp burns: a pure decision that is never dark by doubt.

Dark is only what a light sensor says is daylight, and says for some minutes on end. Everything
else (no sensor, no clock, no programme) ends at 100 %, the default state of TALQ.
"""

FULL = 100
HOLD_S = 300


class Daylight:
    """Ambient light with hysteresis: day begins above `dawn_lux` and ends below `dusk_lux`.

    Day also has to last `hold_s` before it is believed (a headlight, a torch), night not.
    """

    def __init__(self, dusk_lux: float, dawn_lux: float, hold_s: int = HOLD_S) -> None:
        self._dusk_lux = dusk_lux
        self._dawn_lux = dawn_lux
        self._hold_s = hold_s
        self._since = None
        self.is_day = False

    def update(self, lux: float | None, uptime_s: int) -> bool:
        """Take a reading, None if there is none, and say whether it is day."""
        threshold = self._dusk_lux if self.is_day else self._dawn_lux
        if lux is None or not lux >= threshold:  # `not >=`: NaN is night
            self._since = None
            self.is_day = False
        elif not self.is_day:
            if self._since is None:
                self._since = uptime_s
            self.is_day = uptime_s - self._since >= self._hold_s
        return self.is_day


def level(is_day: bool, minute: int | None, programme: list, least: int) -> int:
    """Return the dimming level in %.

    `is_day` only by a sensor's word; `minute` of the local day or None without a clock;
    `programme` [[minute, level], …] ascending, each step holding until the next, the last one
    over midnight; `least` is the signed release's minimum at night.
    """
    if is_day:
        return 0
    if minute is None or not programme:
        return FULL
    wanted = programme[-1][1]
    for step in programme:
        if step[0] > minute:
            break
        wanted = step[1]
    return min(max(wanted, least), FULL)
