"""What a node runs when neither slot can be started: attempts to put a release into one.

Lies in `vfs` and is never updated over the air: this file as /lib/rescue.mpy, and in
/lib/rescue.pack, as they were when the image was made, reinstall.py and those modules of a slot
that it needs (firmware/decisions/0007). Attempts never end, they only grow seldom; what one
leaves on flash, the next one uses. The lamp's pin is never touched: floating means full light.
"""

import asyncio
import io
import json
import os
import sys
from binascii import crc32

import esp32
import machine
import network
import startup  # pyright: ignore[reportMissingImports] - in /lib
import vfs

_PACK = "/lib/rescue.pack"
_INDEX_BYTES = 2048
_WATCHDOG_MS = 120_000  # longer than any name server keeps silent
_PULSE_S = 5
_JOIN_S = 20
_WAIT_S = 300  # after a first failure, unless the config polls faster; then twice as long, ...
_WAIT_MAX_S = 3600  # ... up to this
_FLAWS_MAX = 4  # attempts that the flash ended, before `data` is formatted
_TIMES_MAX = 4  # servers; with no name server, more would outlast the watchdog
_CONFIG_BYTES = 4096
_BUFFER_BYTES = 3072


class _Pack:
    """The packed modules as a file system.

    The file: a line of JSON, {path: [offset, size, CRC-32]}, and what it tells of.
    """

    def __init__(self) -> None:
        with open(_PACK, "rb") as file:
            self._index = json.loads(file.readline(_INDEX_BYTES))
            self._start = file.tell()

    def mount(self, readonly: bool, mkfs: bool) -> None:
        """Have nothing to do."""

    def stat(self, path: str) -> tuple:
        """Tell files from folders; ENOENT for all else."""
        path = path[1:]
        for name in self._index:
            if name.startswith(path) and name[len(path) :][:1] in ("", "/"):
                return (0x8000 if name == path else 0x4000,) + (0,) * 9
        raise OSError(2)

    def open(self, path: str, mode: str) -> io.BytesIO:  # noqa: ARG002 - always rb
        """Open a module; ValueError when it is damaged: bytecode of any bytes may do anything.

        No OSError: that would be held against `data`.
        """
        start, size, crc = self._index[path[1:]]
        with open(_PACK, "rb") as file:
            file.seek(self._start + start)
            data = file.read(size)
        if crc32(data) != crc:
            raise ValueError(path)
        return io.BytesIO(data)


def run() -> None:
    """Work until a slot is whole, then reset."""
    vfs.mount(_Pack(), "/rescue")
    sys.path.append("/rescue")
    asyncio.run(_heal())
    machine.reset()


def _say(text: str) -> None:
    startup.say("rescue: " + text)


async def _pulse() -> None:
    """Feed the watchdog for as long as the loop turns; every wait in an attempt has an end."""
    dog = machine.WDT(timeout=_WATCHDOG_MS)
    while True:
        dog.feed()
        await asyncio.sleep(_PULSE_S)


async def _heal() -> None:
    """Make attempts until one ends well."""
    import reinstall  # pyright: ignore[reportMissingImports] - in the pack
    from ota.core import errors

    pulse = asyncio.create_task(_pulse())
    tries = flaws = 0
    buffer = None
    while True:
        wait_s = _WAIT_S
        configs = [each for each in (_config("/etc"), _config("/data")) if each]
        try:
            wifi, server, times, wait_s, pins = configs[tries % len(configs)]
            await _join(wifi)
            buffer = buffer or _claim(pins)
            await reinstall.attempt(server, times, tries, flaws, buffer)
            pulse.cancel()
            return
        except Exception as error:  # whatever it is, another attempt is all there is
            _say(errors.reason(error) if configs else "no config")
            wait_s = max(wait_s, getattr(error, "retry_after_s", 0))
            flaws += isinstance(error, errors.NodeError)
        reinstall.forget()
        if flaws >= _FLAWS_MAX and _config("/etc"):
            flaws = 0
            startup.mount(anew=True)  # it has refused release after release
        wait_s = min(wait_s << min(tries, 12), _WAIT_MAX_S)
        wait_s += wait_s * os.urandom(1)[0] // 1024  # not all of a street at once
        _say("again in %d s" % wait_s)
        tries += 1
        await asyncio.sleep(wait_s)


def _config(folder: str) -> tuple | None:
    """Read (Wi-Fi, server, time servers, seconds between polls, pins of a bus) from a config.

    No more: a config that is wrong elsewhere still leads to the server. None without these.
    """
    try:
        with open(folder + "/config.json", "rb") as file:
            found = json.loads(file.read(_CONFIG_BYTES))
        times, poll_s = found.get("time_servers"), found.get("poll_s")
        return (
            found["wifi"],
            found["server"],
            times[:_TIMES_MAX] if type(times) is list else (),
            min(max(poll_s, 1), _WAIT_S) if type(poll_s) is int else _WAIT_S,
            _pins(found.get("parts")),
        )
    except Exception as error:  # whatever lies there
        _say("%s/config.json: %s" % (folder, error))
        return None


def _pins(parts) -> tuple | None:  # noqa: ANN001 - any JSON
    """Return two pins of a bus, where an idle UART does no harm; None when none is named."""
    for part in parts.values() if type(parts) is dict else ():
        for first, second in (("tx", "rx"), ("scl", "sda")):
            if type(part) is dict and first in part and second in part:
                return part[first], part[second]
    return None


async def _join(wifi: dict) -> None:
    """Join the access point."""
    wlan = network.WLAN(network.WLAN.IF_STA)
    wlan.active(True)
    wlan.disconnect()
    wlan.connect(wifi["ssid"], wifi.get("password") or None)
    for _ in range(_JOIN_S * 5):
        if wlan.isconnected():
            return
        await asyncio.sleep(0.2)
    raise RuntimeError("no Wi-Fi")


def _claim(pins: tuple | None) -> bytearray | None:
    """Bound the heap's growth where there is an IDF heap; return the buffer that pins it."""
    if not pins or not esp32.idf_heap_info(esp32.HEAP_DATA):
        return None
    from firmware.ports import segment

    gained, buffer = segment.claim(pins[0], pins[1], _BUFFER_BYTES)
    _say("heap claimed: %d bytes" % gained)
    return buffer
