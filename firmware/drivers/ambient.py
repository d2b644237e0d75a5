"""Ambient light from a photodiode amplifier on an ADC: illuminance in lux, linear from zero."""

_SAMPLES = 8
_FULL_SCALE = 65535


class Ambient:
    """A sensor on `adc` (read_u16) that reaches full scale at `lux_full_scale`."""

    streams = ("illuminance",)

    def __init__(self, adc, lux_full_scale: float) -> None:  # noqa: ANN001 - as in machine
        self._adc = adc
        self._lux_full_scale = lux_full_scale
        self.faults = 0

    def lux(self) -> float:
        """Return the illuminance; at full scale it is brighter than this."""
        return self._raw() * self._lux_full_scale / _FULL_SCALE

    async def read(self) -> dict:
        """Return the illuminance; nothing at full scale, where it is only known to be more."""
        raw = self._raw()
        if raw >= _FULL_SCALE:
            return {}
        return {"illuminance": raw * self._lux_full_scale / _FULL_SCALE}

    def _raw(self) -> float:
        total = 0
        for _ in range(_SAMPLES):
            total += self._adc.read_u16()
        return total / _SAMPLES
