"""The chip of one node and the parts on its pins: what the requests of the channel act on.

Keeps what outlives the VM: the level of held pads, the RTC, the watchdog's deadline.
"""

import errno
import struct
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from sim.clock import Clock
from sim.hardware.lamp import LampCircuit
from sim.hardware.parts import AnalogPart, I2cPart, Nack, PinPart, UartPart
from sim.hardware.wifi import Wifi
from sim.line import Line
from sim.loop import Loop, Timer
from sim.vm import FIRST_UART_FD

POWER_ON, HARD, WATCHDOG, DEEP_SLEEP, SOFT = range(1, 6)  # MicroPython's reset causes
CAUSES = dict(enumerate(("power_on", "hard", "watchdog", "deep_sleep", "soft"), POWER_ON))

_RTC_EPOCH_S = 946_684_800  # 2000-01-01: what an ESP32's clock shows after power-on
_MEMORY_PIECE = 240
_FULL = 65535
_FLOATING, _LEVEL, _PWM, _AS_IT_IS = 0, 1, 2, 255
_HOLD_OFF, _HOLD_ON = 0, 1


@dataclass
class Wiring:
    """What hangs on which pins: I2C by (scl, sda) and address, serial lines by (tx, rx)."""

    i2c: Mapping[tuple[int, int], Mapping[int, I2cPart]] = field(default_factory=dict)
    uart: Mapping[tuple[int, int], UartPart] = field(default_factory=dict)
    pins: Mapping[int, PinPart] = field(default_factory=dict)
    adc: Mapping[int, AnalogPart] = field(default_factory=dict)
    wifi: Wifi | None = None

    @property
    def lamps(self) -> list[LampCircuit]:
        """The lamps among the parts."""
        return [part for part in self.pins.values() if isinstance(part, LampCircuit)]


class Board:
    """One chip; `bite` is called when its watchdog expires."""

    def __init__(self, loop: Loop, clock: Clock, wiring: Wiring, bite: Callable[[], None]) -> None:
        self._loop = loop
        self._wiring = wiring
        self._bite = bite
        self._pads: dict[int, tuple[int, int, int]] = {}  # state, frequency, duty
        self._held: set[int] = set()
        self._dog_ms = 0
        self._dog_due = 0.0
        self._dog: Timer | None = None
        self._wifi = wiring.wifi or Wifi(clock)
        self.rtc_memory = b""
        self.rtc_offset_us = 0
        self.lines = {pins: Line(loop, clock, part) for pins, part in wiring.uart.items()}
        self.power_on()

    def power_on(self) -> None:
        """Begin as after power-on: clock unset, memory gone, nothing held."""
        self.rtc_offset_us = round((_RTC_EPOCH_S - time.time()) * 1e6)
        self.rtc_memory = b""
        self._held.clear()
        self.reset()

    def reset(self) -> None:
        """Let go of everything but held pads; watchdog, radio and lines are off."""
        if self._dog:
            self._dog.cancel()
        self._dog = None
        self._let_go(keep_levels=False)

    def soft_reset(self) -> None:
        """Stop what MicroPython stops in a soft reset: PWM and lines; watchdog and levels stay."""
        self._let_go(keep_levels=True)

    def _let_go(self, *, keep_levels: bool) -> None:
        for pin, (state, _, _) in list(self._pads.items()):
            if pin not in self._held and not (keep_levels and state == _LEVEL):
                self._set(pin, _FLOATING, 0, 0)
        for line in self.lines.values():
            line.open(0, 0)
        if not keep_levels:
            self._wifi.reset()

    def close(self) -> None:
        """Let go of lines and timers."""
        if self._dog:
            self._dog.cancel()
        for line in self.lines.values():
            line.close()

    def hello(self, cause: int, mac: bytes, *, raw: bool) -> bytes:
        """Tell a VM that starts what its chip is (H in sim/channel.py)."""
        lines = enumerate(self.lines, FIRST_UART_FD)
        head = struct.pack("<BBq6sB", cause, raw, self.rtc_offset_us, mac, len(self.lines))
        return head + b"".join(bytes((tx, rx, fd)) for fd, (tx, rx) in lines)

    def handle(self, op: str, payload: bytes) -> bytes:
        """Act on one request; OSError with the errno the firmware is to see."""
        handler = self._HANDLERS.get(op)
        if handler is None:
            raise OSError(errno.ENOSYS, f"no request {op!r}")
        return handler(self, payload)

    def _rtc(self, payload: bytes) -> bytes:
        self.rtc_offset_us = int.from_bytes(payload, "little", signed=True)
        return b""

    def _memory(self, payload: bytes) -> bytes:
        at = int.from_bytes(payload[1:3], "little")
        if not payload[0]:
            return self.rtc_memory[at : at + _MEMORY_PIECE]
        total, piece = int.from_bytes(payload[3:5], "little"), payload[5:]
        kept = self.rtc_memory.ljust(total, b"\0")[:total]
        self.rtc_memory = kept[:at] + piece + kept[at + len(piece) :]
        return b""

    def _watchdog(self, payload: bytes) -> bytes:
        if payload:
            self._dog_ms = int.from_bytes(payload, "little")
        self._dog_due = time.monotonic() + self._dog_ms / 1000
        if payload:
            if self._dog:
                self._dog.cancel()
            self._dog = self._loop.later(self._dog_ms / 1000, self._watch)
        return b""

    def _watch(self) -> None:
        left = self._dog_due - time.monotonic()
        if left > 0:  # fed meanwhile
            self._dog = self._loop.later(left, self._watch)
            return
        self._dog = None
        self._bite()

    def _i2c(self, payload: bytes) -> bytes:
        scl, sda, address, count = payload[:4]
        part = self._wiring.i2c.get((scl, sda), {}).get(address)
        if part is None:
            raise OSError(errno.ENODEV, f"no device at {address:#x}")
        try:
            if len(payload) > 4 or not count:
                part.i2c_write(payload[4:])
            return part.i2c_read(count) if count else b""
        except Nack:
            raise OSError(errno.ENODEV, f"{address:#x} does not acknowledge") from None

    def _uart(self, payload: bytes) -> bytes:
        tx, rx, baud, room = struct.unpack("<BBIH", payload)
        line = self.lines.get((tx, rx))
        if line:
            line.open(baud, room)
        return b""

    def _pin(self, payload: bytes) -> bytes:
        pin, state, hold, frequency, duty = struct.unpack("<BBBIH", payload)
        if hold == _HOLD_OFF:
            self._held.discard(pin)
        if state != _AS_IT_IS and pin not in self._held:
            self._set(pin, state, frequency, duty)
        if hold == _HOLD_ON and pin not in self._held:
            self._hold(pin)
        return b""

    def _hold(self, pin: int) -> None:
        """Latch a digital level: a PWM pin freezes at what it is in this instant."""
        state, frequency, duty = self._pads.get(pin, (_FLOATING, 0, 0))
        if state == _PWM:
            phase = time.monotonic() * frequency % 1.0
            self._set(pin, _LEVEL, 0, _FULL if phase * _FULL < duty else 0)
        self._held.add(pin)

    def _set(self, pin: int, state: int, frequency: int, duty: int) -> None:
        self._pads[pin] = (state, frequency, duty)
        part = self._wiring.pins.get(pin)
        if part:
            part.drive(None if state == _FLOATING else duty / _FULL)

    def _pin_level(self, payload: bytes) -> bytes:
        state, _, duty = self._pads.get(payload[0], (_FLOATING, 0, 0))
        return bytes((int(state != _FLOATING and duty > _FULL // 2),))

    def _adc(self, payload: bytes) -> bytes:
        part = self._wiring.adc.get(payload[0])
        return (part.microvolts() if part else 0).to_bytes(4, "little")

    def _radio(self, payload: bytes) -> bytes:
        kind, rest = payload[0], payload[1:]
        if kind == 0:
            wifi = self._wifi
            return struct.pack("<BHb", wifi.active, wifi.status(), wifi.rssi_dbm)
        if kind == 1:
            self._wifi.active = bool(rest[0])
        elif kind == 2:
            ssid, password = rest[1 : 1 + rest[0]], rest[1 + rest[0] :]
            self._wifi.connect(ssid.decode(errors="replace"), password.decode(errors="replace"))
        else:
            self._wifi.disconnect()
        return b""

    _HANDLERS: Mapping[str, Callable[["Board", bytes], bytes]] = {
        "T": _rtc,
        "M": _memory,
        "D": _watchdog,
        "I": _i2c,
        "U": _uart,
        "P": _pin,
        "G": _pin_level,
        "A": _adc,
        "W": _radio,
    }
