"""The ambient light sensor at an analogue pin: a voltage in proportion to the light."""

from sim.hardware.parts import Sky, Time

SUPPLY_UV = 3_300_000


class Adc:
    """Gives `full_scale_lux` as 3.3 V and no more; set `stuck_uv` to a voltage it stays at."""

    def __init__(self, clock: Time, sky: Sky, *, full_scale_lux: float = 2000.0) -> None:
        self._clock = clock
        self._sky = sky
        self._full_scale_lux = full_scale_lux
        self.stuck_uv: int | None = None

    def microvolts(self) -> int:
        """Voltage at the pin."""
        if self.stuck_uv is not None:
            return self.stuck_uv
        lux = self._sky.illuminance(self._clock.now())
        return min(SUPPLY_UV, round(SUPPLY_UV * lux / self._full_scale_lux))
