"""Emulated nodes for tests: small flashes, parts that answer as told, a wired node."""

import subprocess
import sys
from pathlib import Path

from ota.build import filesystem
from ota.field.image import flash_image
from sim.node import Node

BIN = Path(sys.executable).parent


def flash(path, main="", *, boot="", vfs=None, data=None):
    """Write a flash with these programs to `path`."""
    files = {"boot.py": boot.encode(), "main.py": main.encode(), **(vfs or {})}
    path.write_bytes(flash_image(None, files, data or {}))
    return path


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
