"""An emulated node that stands for a board on a bench: behind a port, an esptool and a uhubctl.

The programs are scripts that speak to the node over a socket (`stand`): a line of JSON, a list,
`["on"]`, `["off"]`, `["reset"]`, `["flash", PATH]` or `["state"]`; the answer is the node's state.
"""

import json
import os
import socket
import stat
import sys
import threading
import time
import tty
from pathlib import Path

from ota.field.image import flash_image
from sim.board import Wiring
from sim.node import Node

SUPPORT = Path(__file__).parent
MAC = b"\x24\x0a\xc4\x00\xbe\xac"
_SETTLE_S = 10.0
_LOOK_S = 0.01


def program(folder, name):
    """Make a command of a fake_NAME.py; return its path."""
    path = folder / name
    path.write_text(f'#!/bin/sh\nexec {sys.executable} -I -S {SUPPORT}/fake_{name}.py "$@"\n')
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


class Stand:
    """Answers lines of JSON on a socket at `path` with what `do` makes of them."""

    def __init__(self, path, do):
        self.path = str(path)
        self._do = do
        self._door = socket.socket(socket.AF_UNIX)
        self._door.bind(self.path)
        self._door.listen()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self):
        self._door.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._door.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _serve(self):
        while True:
            try:
                client, _ = self._door.accept()
            except OSError:
                return
            with client, client.makefile("rw") as line:
                line.write(self._do(json.loads(line.readline())) + "\n")


class BenchBoard:
    """The node, off and without firmware at first; `environment` for who runs the programs.

    `port` goes and comes with the power, as a board's own USB does, and is found before the
    firmware speaks: a board takes a second to that, the node starts when it is listened to.
    """

    def __init__(self, folder: Path, wiring: Wiring) -> None:
        flash = folder / "board.bin"
        flash.write_bytes(flash_image(None, {}, {}))
        self.node = Node(flash, mac=MAC, wiring=wiring, log=folder / "board.log")
        self.port = folder / "ttyUSB0"
        self.log = folder / "programs.log"
        self._written = False
        self._stand = Stand(folder / "stand", self.do)
        programs = folder / "programs"
        programs.mkdir()
        program(programs, "uhubctl")
        common = {"stand": self._stand.path, "log": str(self.log)}
        self.environment = {
            "PATH": f"{programs}:{os.environ['PATH']}",
            "LAMPPOST_ESPTOOL": str(program(programs, "esptool")),
            "FAKE_ESPTOOL": json.dumps({**common, "mac": MAC.hex(":")}),
            "FAKE_UHUBCTL": json.dumps(common),
        }

    @property
    def commands(self):
        """The arguments of every run of a program."""
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def do(self, words):
        """Act as the board does."""
        if words[0] == "on":
            self.port.unlink(missing_ok=True)
            self.port.symlink_to(self.node.serial)
            if self._written:
                self._await_listener()
            self.node.power_on()
        elif words[0] == "off":
            self.port.unlink(missing_ok=True)
            self.node.power_off()
        elif words[0] == "reset":
            self.node.press_reset()
        elif words[0] == "flash":
            self.node.power_off()
            with self.node.flash.path.open("r+b") as flash:
                flash.write(Path(words[1]).read_bytes())
            self._written = True
            self.node.power_on()
        return self.node.state

    def _await_listener(self):
        end = time.monotonic() + _SETTLE_S
        while not self.node.console.connected and time.monotonic() < end:
            time.sleep(_LOOK_S)

    def close(self):
        self._stand.close()
        self.node.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class FakeRelay:
    """A PTY that plays an LCUS relay: a sound frame for channel 1 becomes `do(["on"])` or off."""

    def __init__(self, do):
        self._do = do
        self._relay, self._end = os.openpty()
        tty.setraw(self._end)
        self.port = os.ttyname(self._end)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self):
        os.write(self._end, b"end.")
        self._thread.join()
        os.close(self._relay)
        os.close(self._end)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _serve(self):
        heard = b""
        while b"end." not in heard:
            heard += os.read(self._relay, 64)
            frames = {b"\xa0\x01\x01\xa2": "on", b"\xa0\x01\x00\xa1": "off"}
            while action := frames.get(heard[:4]):
                heard = heard[4:]
                self._do([action])
