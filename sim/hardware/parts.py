"""What a part is to the node it is wired to.

A part takes its clock (`now()` in unix seconds) and its world as arguments and knows nothing of
MicroPython: a vendor's own driver can be run against it through the same methods.
"""

from typing import Protocol


class Nack(Exception):  # noqa: N818 - the bus's own word: nobody acknowledged
    """No device acknowledged its address, or one refused a byte."""


class Time(Protocol):
    """The clock of a part."""

    def now(self) -> float:
        """Unix seconds."""


class Air(Protocol):
    """What the air is like where a part hangs, at a unix time."""

    def temperature(self, at: float) -> float:
        """Degrees Celsius."""

    def humidity(self, at: float) -> float:
        """Relative humidity in %."""

    def pressure(self, at: float) -> float:
        """Pascal."""

    def particles(self, at: float) -> tuple[float, float, float]:
        """PM1, PM2.5 and PM10 in µg/m³."""


class Sky(Protocol):
    """The light that falls on a part, at a unix time."""

    def illuminance(self, at: float) -> float:
        """Lux."""


class I2cPart(Protocol):
    """A device on an I2C bus; both calls raise Nack when it does not answer."""

    def i2c_write(self, data: bytes) -> None:
        """Take the bytes of one write transfer (none: only the address was called)."""

    def i2c_read(self, n: int) -> bytes:
        """Give `n` bytes of one read transfer."""


class UartPart(Protocol):
    """A device on a serial line."""

    baudrate: int

    def uart_write(self, data: bytes) -> None:
        """Take bytes."""

    def uart_read(self) -> bytes:
        """Give what has been said since the last call."""

    def due(self) -> float | None:
        """Unix time at which it next has something to say; None: only when spoken to."""


class PinPart(Protocol):
    """What hangs on an output pin."""

    def drive(self, duty: float | None) -> None:
        """Take the share of time the pin is high, None when it floats."""


class AnalogPart(Protocol):
    """What hangs on an analogue input."""

    def microvolts(self) -> int:
        """Voltage at the pin."""
