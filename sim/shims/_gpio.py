"""Pins of the emulated chip: digital, PWM and ADC; the host holds what is wired to them."""

import struct

import _host

_FLOATING, _LEVEL, _PWM = range(3)
_FULL = 65535


def number(pin: object) -> int:
    """The number of a pin given as `Pin` or as int."""
    return pin.id if isinstance(pin, Pin) else pin


class Pin:
    """A GPIO: input (floating to what is wired to it), output, or given to a peripheral."""

    IN = 1
    OUT = 3
    OPEN_DRAIN = 7
    PULL_DOWN = 1
    PULL_UP = 2
    IRQ_RISING = 1
    IRQ_FALLING = 2
    DRIVE_0 = 0
    DRIVE_1 = 1
    DRIVE_2 = 2
    DRIVE_3 = 3

    def __init__(self, id: int, *args: object, **kwargs: object) -> None:
        self.id = id
        self._mode = None
        self._level = 0
        if args or kwargs:
            self.init(*args, **kwargs)

    def init(
        self,
        mode: int = -1,
        pull: int | None = -1,
        *,
        value: int | None = None,
        drive: int = 2,
        hold: bool | None = None,
    ) -> None:
        """Set what is given; `hold` latches the pad's level until it is let go, over resets."""
        if hold is False:
            self._tell(None, False)
        if mode != -1 and mode is not None:
            self._mode = mode
        if value is not None:
            self._level = 1 if value else 0
        if self._mode == self.IN:
            self._tell(_FLOATING, hold)
        elif self._mode is not None and (value is not None or mode != -1):
            self._tell(_LEVEL, hold)
        elif hold:
            self._tell(None, True)

    def _tell(self, state: int | None, hold: bool | None) -> None:
        latch = 2 if hold is None else int(hold)
        state = 255 if state is None else state
        duty = _FULL if self._level else 0
        _host.ask(_host.PIN, struct.pack("<BBBIH", self.id, state, latch, 0, duty))

    def value(self, level: object = None) -> int | None:
        """Read the pad, or drive it."""
        if level is None:
            return _host.ask(_host.PIN_READ, bytes((self.id,)))[0]
        self._level = 1 if level else 0
        if self._mode in (self.OUT, self.OPEN_DRAIN):
            self._tell(_LEVEL, None)
        return None

    __call__ = value

    def on(self) -> None:
        """Drive the pad high."""
        self.value(1)

    def off(self) -> None:
        """Drive the pad low."""
        self.value(0)


class PWM:
    """Pulse width on a pin; duty as u16 of 65535, u10 of 1023, or nanoseconds."""

    def __init__(self, dest: object, **kwargs: int) -> None:
        self._pin = number(dest)
        self._freq, self._duty, self._invert = 5000, 32768, False
        self.init(**kwargs)

    def init(
        self,
        *,
        freq: int | None = None,
        duty: int | None = None,
        duty_u16: int | None = None,
        duty_ns: int | None = None,
        invert: bool | None = None,
    ) -> None:
        """Set what is given and run."""
        if freq is not None:
            if not 1 <= freq <= 40_000_000:
                raise ValueError("frequency must be from 1Hz to 40MHz")
            self._freq = freq
        if invert is not None:
            self._invert = bool(invert)
        if duty is not None:
            duty_u16 = _FULL if duty >= 1023 else duty * 64
        if duty_ns is not None:
            duty_u16 = min(_FULL, duty_ns * self._freq * _FULL // 1_000_000_000)
        if duty_u16 is not None:
            if not 0 <= duty_u16 <= _FULL:
                raise ValueError("duty_u16 must be from 0 to 65535")
            self._duty = duty_u16
        self._tell(_PWM)

    def deinit(self) -> None:
        """Stop: the pad floats."""
        self._tell(_FLOATING)

    def _tell(self, state: int) -> None:
        duty = _FULL - self._duty if self._invert else self._duty
        _host.ask(_host.PIN, struct.pack("<BBBIH", self._pin, state, 2, self._freq, duty))

    def freq(self, value: int | None = None) -> int | None:
        """Get or set the frequency in hertz."""
        return self._freq if value is None else self.init(freq=value)

    def duty(self, value: int | None = None) -> int | None:
        """Get or set the duty of 1023."""
        return self._duty >> 6 if value is None else self.init(duty=value)

    def duty_u16(self, value: int | None = None) -> int | None:
        """Get or set the duty of 65535."""
        return self._duty if value is None else self.init(duty_u16=value)

    def duty_ns(self, value: int | None = None) -> int | None:
        """Get or set the pulse's width in nanoseconds."""
        if value is None:
            return self._duty * 1_000_000_000 // (_FULL * self._freq)
        return self.init(duty_ns=value)


class ADC:
    """One analogue input; the host gives the voltage."""

    ATTN_0DB = 0
    ATTN_2_5DB = 1
    ATTN_6DB = 2
    ATTN_11DB = 3
    WIDTH_9BIT = 9
    WIDTH_10BIT = 10
    WIDTH_11BIT = 11
    WIDTH_12BIT = 12
    _FULL_UV = (950_000, 1_250_000, 1_750_000, 3_300_000)

    def __init__(self, pin: object, *, atten: int = ATTN_0DB, sample_ns: int = 0) -> None:
        self._pin = number(pin)
        self._atten = atten

    def init(self, *, atten: int = ATTN_0DB, sample_ns: int = 0) -> None:
        """Set the attenuation."""
        self._atten = atten

    atten = init

    def width(self, bits: int) -> None:
        """Taken; `read` gives 12 bits."""

    def read_uv(self) -> int:
        """Microvolts at the pin, clipped at the attenuation's full scale."""
        answer = _host.ask(_host.ADC, bytes((self._pin,)))
        return min(self._FULL_UV[self._atten], int.from_bytes(answer, "little"))

    def read_u16(self) -> int:
        """Share of full scale of 65535, in the converter's 4096 steps."""
        raw = self.read()
        return raw << 4 | raw >> 8

    def read(self) -> int:
        """Share of full scale of 4095."""
        return self.read_uv() * 4095 // self._FULL_UV[self._atten]
