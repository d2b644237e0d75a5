"""Which ports there are, and what stands behind them."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from serial.tools import list_ports

from ota.build.errors import FieldError, printable
from ota.field import lock, session
from ota.field.cable import Cable
from ota.field.session import About

# USB ids of what sits on ESP32 boards: the chip's own port, and the usual converters.
_KNOWN = {
    (0x303A, 0x1001): "ESP32-C3 or S3, its own USB",
    (0x10C4, 0xEA60): "CP210x converter",
    (0x1A86, 0x7523): "CH340 converter",
    (0x1A86, 0x55D4): "CH9102 converter",
    (0x0403, 0x6001): "FT232R converter",
    (0x0403, 0x6010): "FT2232 converter",
    (0x0403, 0x6015): "FT-X converter",
}


@dataclass
class Found:
    """A port; about, fault: what the node behind it told when asked, or why it did not."""

    port: str
    description: str
    usb: str | None = None
    serial: str | None = None
    about: About | None = None
    fault: str | None = None


def listed(more: Iterable[str]) -> list[Found]:
    """Return this machine's serial ports that are plugged in, and those named besides."""
    found = {}
    for each in sorted(list_ports.comports()):
        usb = None if each.vid is None else f"{each.vid:04x}:{each.pid:04x}"
        if usb is None and each.description in (None, "n/a", ""):
            continue  # a /dev/ttyS of the mainboard, with nothing that says it is there
        known = _KNOWN.get((each.vid, each.pid))
        words = " ".join(filter(None, (each.manufacturer, each.product))) or each.description
        words = printable(words)
        found[each.device] = Found(
            each.device, f"{words} ({known})" if known else words, usb, each.serial_number
        )
    for port in more:
        found.setdefault(port, Found(port, _kind(port)))
    return list(found.values())


def ask(port: Found, key: lock.Technician | None = None) -> None:
    """Ask the node behind a port what it is; what runs on it is stopped, and starts anew."""
    try:
        with Cable(port.port, key) as cable:
            port.about = session.about(cable)
            session.restart(cable)
    except FieldError as error:
        port.fault = error.message.removeprefix(f"{port.port}: ")


def _kind(port: str) -> str:
    if "://" in port:
        return "network"
    if not Path(port).exists():
        return "not there"
    return "pseudo-terminal" if port.startswith("/dev/pts/") else "named"
