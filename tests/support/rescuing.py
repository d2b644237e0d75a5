"""A static server as any CDN is one, and emulated nodes whose slots can be wrecked behind it."""

import datetime as dt
import http.server
import json
import random
import ssl
import threading
import time
from pathlib import Path
from types import SimpleNamespace

from tufserver import Repository
from updating import DEVICE, Fleet

from fleet.identity import ca
from fleet.settings import Home
from ota.build import release
from ota.build.compiler import compile_module
from ota.build.entries import packed
from ota.core import update
from ota.field import image
from sim import flashfiles
from sim.board import Wiring
from sim.clock import Clock
from sim.hardware.lamp import LampCircuit
from sim.hardware.wifi import Wifi
from sim.node import Node
from sim.sntp import SntpServer

NAME = "fleet.city.example"
BUILT = 1_780_000_000  # 2026-05-28
DAY_S = 86_400
LAMP_PIN = 25
_MAIN = "def main():\n    print('runs {version}!')\n    import time\n    time.sleep(3600)\n"


def make_release(folder, version, *, board="esp32", floor="0.0.0", runtime="1.27.0", files=6):
    """Return a release whose firmware says its version and sleeps; `files` more are inert.

    Half of these are the same in every release.
    """
    source = folder / f"main-{version}.py"
    source.write_text(_MAIN.format(version=version))
    contents = {"firmware/main.mpy": compile_module(source, "firmware/main.py")}
    for n in range(files):
        seed = n if n % 2 else f"{version} {n}"
        contents[f"ota/core/part{n}.mpy"] = random.Random(seed).randbytes(1500 + 700 * n)
    entries = tuple(packed(path, plain) for path, plain in sorted(contents.items()))
    header = release.Header(version, board, floor, runtime, BUILT, 30)
    return release.Release(header, entries, release._manifest(header, entries))


class Station:
    """A fleet's static server with its CA, time server and TUF repository; nodes that know it.

    `served`: the paths that were asked for; `closed` and `open` the server, at one address;
    `spoil`: a function of path and answer that may change what is served.
    """

    def __init__(self, folder: Path, days: float = 30):
        self.folder = folder
        self.repository = Repository(after(days))
        self.fleet = Fleet(self.repository, DEVICE)
        self.sntp = SntpServer()
        self.spoil = None
        home = Home(folder / "pki")
        home.pki.mkdir(parents=True)
        ca.create(home, int(time.time()))
        authority = ca.load(home)
        self.anchor = authority.der
        key, certificate = authority.issue_server([NAME], int(time.time()))
        (folder / "server.pem").write_bytes(key + certificate)
        self.port = 0
        self._server = None
        self.nodes = []
        self.open()

    @property
    def served(self):
        return [path for _, path in self.fleet.served]

    def publish(self, *releases):
        """List releases and serve their files."""
        for made in releases:
            for entry in made.entries:
                self.fleet.blobs[entry.sha256] = entry.deflated
            header = made.header
            self.repository.add(f"{header.board}/{header.version}.jsonl", made.manifest)
        self.repository.publish()

    def open(self):
        """Listen, at the same port as before."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.folder / "server.pem")
        server = http.server.ThreadingHTTPServer(("127.0.0.1", self.port), self._handler())
        server.daemon_threads = True
        server.socket = context.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
        self.port = server.server_address[1]
        self._server = server
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()

    def shut(self):
        """Listen no more."""
        if self._server:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def _handler(self):
        station = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                status, body = station.fleet.answer("GET", self.path)
                if station.spoil:
                    status, body = station.spoil(self.path, status, body)
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        return Handler

    def config(self, **fields):
        return {
            "v": 1,
            "name": "elm-street-4",
            "wifi": {"ssid": "city-nodes", "password": "only-for-nodes"},
            "server": {"address": "127.0.0.1", "port": self.port, "name": NAME},
            "time_servers": [{"host": "127.0.0.1", "port": self.sntp.port}],
            "poll_s": 1,
        } | fields

    def node(self, made, *, vfs=None, data=None, **fields):
        """Return a node, off, with a release in both slots; vfs, data: files changed (None: gone).

        It has a lamp: `node.lamp`.
        """
        config = json.dumps(self.config(**fields)).encode()
        root = self.repository.files["1.root.json"]
        files = image.factory_files(made, root, image.Site(config, b"claim", [self.anchor]))
        for found, changes in zip(files, (vfs, data), strict=True):
            found.update(changes or {})
            for path in [path for path, content in found.items() if content is None]:
                del found[path]
        path = self.folder / f"node-{len(self.nodes)}.bin"
        path.write_bytes(image.flash_image(None, *files))
        clock = Clock()
        night = SimpleNamespace(illuminance=lambda _at: 0.0)
        wifi = Wifi(clock, ssid="city-nodes", password="only-for-nodes")
        pins = {LAMP_PIN: LampCircuit(clock, night)}
        node = Node(path, wiring=Wiring(pins=pins, wifi=wifi), clock=clock)
        self.nodes.append(node)
        return node

    def close(self):
        for node in self.nodes:
            node.close()
        self.shut()
        self.sntp.close()


def after(days):
    """Return the time so many days from now, as TUF takes it."""
    now = dt.datetime.now(dt.UTC).replace(microsecond=0)
    return now + dt.timedelta(days=days)


def wreck(node, **changes):
    """Damage both slots of a node that is off, each in another way; changes: files of data."""
    flashfiles.change(
        node.flash.path,
        "data",
        {"a/firmware/main.mpy": b"bent", "b/manifest.jsonl": None, "b/ota/core/part1.mpy": b""}
        | changes,
    )


def seal(state):
    """Give a journal that says so."""
    return json.dumps(update.fresh() | state).encode()


def healed(node, version, deadline_s=60):
    """Wait until the release runs; the street was never dark; return the console's text."""
    node.wait_text(f"runs {version}!", deadline_s)
    assert node.lamp.dark_s == 0
    return node.console.text


def refused(node, reason, deadline_s=60):
    """Wait until an attempt has ended for this reason and another one is to come, in the light."""
    mark = node.console.length
    node.wait_text("again in", deadline_s, mark)
    assert reason in node.console.text
    assert "runs " not in node.console.text
    assert node.lamp.level == 100
    assert node.lamp.dark_s == 0
