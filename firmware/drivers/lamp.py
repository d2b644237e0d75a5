"""The lamp's dimming input behind an inverted PWM: a low or floating pin is 100 %.

So whatever resets or loses the chip brightens the street and never darkens it.
"""

_DUTY_FULL_SCALE = 65535


class Lamp:
    """A lamp on `pin` (machine.Pin, an output at low) and the `pwm` made on it with duty 0."""

    streams = ("lamp_level",)

    def __init__(self, pin, pwm) -> None:  # noqa: ANN001 - as in machine
        self._pin = pin
        self._pwm = pwm
        self.faults = 0
        self.level = 100
        self.set(100)

    def set(self, level: int) -> None:
        """Dim to `level` in %; what is out of range, or after full_and_hold, means 100."""
        if not 0 <= level <= 100 or self._pwm is None:
            level = 100
        if self._pwm is not None:
            self._pwm.duty_u16((100 - level) * _DUTY_FULL_SCALE // 100)
        self.level = level

    def full_and_hold(self) -> None:
        """Go to 100 % and latch the pin, before a planned reset: only a reset undoes it."""
        self.set(100)
        if self._pwm is not None:
            # A held PWM pin would freeze at whatever it was just then.
            self._pwm.deinit()
            self._pwm = None
        self._pin.init(self._pin.OUT, value=0, hold=True)

    async def read(self) -> dict:
        """Return the level that is set."""
        return {"lamp_level": self.level}
