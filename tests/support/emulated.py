"""Emulated nodes for tests: small flashes, parts that answer as told, a wired node."""

import json
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

from ota.build import filesystem, release, sources
from ota.field.image import Site, factory_files, flash_image
from sim.clock import Clock
from sim.node import Node
from sim.wiring import wire

BIN = Path(sys.executable).parent
LAMP_POST = {
    "v": 1,
    "name": "elm 4",
    "wifi": {"ssid": "city", "password": "lamplight"},
    "server": {"address": "127.0.0.1", "port": 9, "name": "fleet.test"},
    "window_s": 2,
    "sample_s": 1,
    "parts": {"lamp": {"driver": "lamp", "pin": 25}},
    "streams": {"lamp_level": {"part": "lamp", "purpose": "test", "retention_days": 1}},
}
"""The configuration of a node that has a lamp, and a server that is not there."""


def flash(path, main="", *, boot="", vfs=None, data=None):
    """Write a flash with these programs to `path`."""
    files = {"boot.py": boot.encode(), "main.py": main.encode(), **(vfs or {})}
    path.write_bytes(flash_image(None, files, data or {}))
    return path


def factory_flash(config):
    """Return the flash of a node of this checkout's firmware, with this configuration."""
    header = release.Header("1.0.0", "esp32", "0.0.0", "1.27.0", 1_780_000_000, 30)
    built = release.build(header, sources.collect())
    site = Site(json.dumps(config).encode(), b"c" * 32, [b"\x30\x00"])
    return flash_image(None, *factory_files(built, b"{}", site))


@contextmanager
def lamp_post(path, config):
    """Give a node of this checkout's firmware that measures; its flash is at `path`."""
    path.write_bytes(factory_flash(config))
    clock = Clock()
    with Node(path, wiring=wire(LAMP_POST, clock, StillAir()), clock=clock) as node:
        node.power_on()
        node.wait_text("sample: window", 30)
        yield node


def files(node, partition="vfs"):
    """Return the files on a node's flash, read without the node."""
    return filesystem.unpack(node.flash.read(partition))


def started(path, main, **kwargs):
    """Return a node that has been switched on with this main.py."""
    node = Node(flash(path, main), **kwargs)
    try:
        node.power_on()
    except BaseException:
        node.close()
        raise
    return node


def command(*words, deadline_s=30):
    """Run a command of this environment; return its output, bytes as they came."""
    done = subprocess.run(
        [BIN / words[0], *words[1:]],
        capture_output=True,
        timeout=deadline_s,
        check=False,
    )
    assert done.returncode == 0, done.stdout.decode() + done.stderr.decode()
    return done.stdout


class ManualClock:
    """A clock that stands until it is told to go on."""

    def __init__(self, at=1_780_000_000.0):
        self.at = at

    def now(self):
        return self.at


class StillAir:
    """Air and light that stay as they are, whatever the time."""

    def __init__(
        self, temperature=21.5, humidity=48.0, pressure=100_850.0, pm=(7, 12, 21), lux=5.0
    ):
        self.values = (temperature, humidity, pressure, pm, lux)

    def temperature(self, _at):
        return self.values[0]

    def humidity(self, _at):
        return self.values[1]

    def pressure(self, _at):
        return self.values[2]

    def particles(self, _at):
        return self.values[3]

    def illuminance(self, _at):
        return self.values[4]
