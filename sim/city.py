"""A fleet server with its keys, releases and nodes on this machine, run as their users run them.

Everything a person would do goes through the `lamppost` command; what a node does goes through
its flash image and the network. Demo, journeys and rigs stand on this.
"""

import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Self, TypeVar

from sim.clock import Clock
from sim.errors import DeadlineError, SimError
from sim.faults import Proxy
from sim.loop import Loop, shared
from sim.node import Node
from sim.wiring import wire
from sim.world import Place, World

T = TypeVar("T")

SERVER_NAME = "fleet.city.example"
LAMP_PIN = 25
_COMMAND_S = 120
_READY_S = 30
_LOOK_S = 0.05
_FRAME_S = 0.25
_SIDEREAL_DEG_PER_S = 360 / 86_400


def midnight_place(unix_s: float) -> Place:
    """Return a place where it is solar midnight now, so that lamps have work to do."""
    east = -(unix_s % 86_400) * _SIDEREAL_DEG_PER_S
    return Place(latitude=48.2, longitude=(east + 540) % 360 - 180, height_m=170)


class City:
    """One server at `home`, a network in front of it (`proxy`), and `nodes` by name.

    `edit` describes a release by changes to the firmware's own files: see `release`.
    """

    def __init__(
        self,
        home: Path,
        *,
        database_url: str | None = None,
        poll_s: int = 1,
        window_s: int = 2,
        seed: int = 1,
        loop: Loop | None = None,
    ) -> None:
        self.home = home
        self.poll_s = poll_s
        self.window_s = window_s
        self.world = World(seed)
        self.place = midnight_place(time.time())
        self.clock = Clock()
        self.loop = loop or shared()
        self.nodes: dict[str, Node] = {}
        self.bundles: dict[str, dict[str, Any]] = {}
        self.operator = ("", 0)
        self.sntp = ("", 0)
        self.proxy: Proxy | None = None
        self.commands: list[str] = []
        self._database = ["--database-url", database_url] if database_url else []
        self._server: subprocess.Popen[bytes] | None = None
        self._work = home.parent / f"{home.name}-work"
        self._work.mkdir(parents=True, exist_ok=True)
        self._environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith("LAMPPOST_")},
            "LAMPPOST_HOME": str(home),
            "LAMPPOST_KEY_PASSPHRASE": secrets.token_urlsafe(16),
        }

    def lamppost(self, *arguments: object, status: int = 0) -> Any:
        """Run a `lamppost` command and return its JSON; SimError unless it ends with `status`.

        With another status than 0 expected, its error line is returned.
        """
        words = [str(each) for each in arguments]
        self.commands.append(" ".join(["lamppost", *words]))
        done = subprocess.run(
            [_command(), *words, *([] if status else ["--json"])],
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=_COMMAND_S,
            check=False,
        )
        if done.returncode != status:
            raise SimError(
                f"`{self.commands[-1]}` ended with {done.returncode}: {done.stderr.strip()}"
            )
        if status:
            return done.stderr.strip()
        return json.loads(done.stdout)

    def found(self) -> None:
        """Make the home: fleet CA and database, signing keys apart, a first operator token."""
        self.lamppost("init", *self._database)
        self.lamppost("ota", "init")
        made = self.lamppost(
            "token", "create", "--role", "admin", "--name", "city", "--ttl", "1d", *self._database
        )
        self._environment["LAMPPOST_TOKEN"] = made["token"]

    def serve(self) -> None:
        """Start the server and wait until it answers; at the same addresses as before."""
        ready = self._work / "ready.json"
        ready.unlink(missing_ok=True)
        device = self.proxy.target[1] if self.proxy else 0
        log = (self._work / "server.log").open("ab")
        with log:
            self._server = subprocess.Popen(
                [
                    *(_command(), "serve", *self._database, "--name", SERVER_NAME),
                    *("--listen", f"127.0.0.1:{device}"),
                    *("--operator", f"127.0.0.1:{self.operator[1]}"),
                    *("--sntp", f"127.0.0.1:{self.sntp[1]}"),
                    *("--poll-interval", str(self.poll_s), "--ready-file", str(ready)),
                ],
                env=self._environment,
                stdout=log,
                stderr=log,
            )
        self.wait(lambda: ready.exists() or self._server_ended(), _READY_S, "the server to start")
        if self._server_ended():
            raise SimError(f"the server ended at once; its log ends: {self.server_log[-800:]}")
        where = json.loads(ready.read_bytes())
        self.operator = tuple(where["operator"])
        self.sntp = tuple(where["sntp"])
        self._environment["LAMPPOST_URL"] = f"http://{self.operator[0]}:{self.operator[1]}"
        if self.proxy is None:
            self.proxy = Proxy(tuple(where["device"]))

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End the server: SIGTERM lets it finish, SIGKILL is the crash of a host."""
        if self._server is not None:
            self._server.send_signal(how)
            self._server.wait(_READY_S)
            self._server = None

    def release(
        self,
        version: str,
        changes: Mapping[str, Callable[[str], str]] | None = None,
        *,
        publish: bool = True,
        out: str = "",
    ) -> dict[str, Any]:
        """Build a release and, unless told otherwise, sign and upload it; return what was built.

        `changes`: file below firmware/ -> function from its text ("" if new) to its new text.
        """
        folder = self._work / out
        arguments: list[object] = ["ota", "build", "--version", version, "--out", folder]
        if changes:
            arguments += ["--overlay", _overlay(folder / f"overlay-{version}", changes)]
        built: dict[str, Any] = self.lamppost(*arguments)
        if publish:
            built |= self.lamppost("ota", "publish", built["bundle"])
        self.bundles[version] = built
        return built

    def config(self, name: str, **fields: Any) -> dict[str, Any]:
        """Return a node's configuration: every part there is, short windows, this server."""
        assert self.proxy is not None, "serve first: the configuration names the server's address"
        air, climate = ("pm1", "pm25", "pm10"), ("temperature", "humidity", "pressure")
        streams = [(stream, "air") for stream in air] + [(stream, "climate") for stream in climate]
        streams.append(("illuminance", "ambient"))
        return {
            "v": 1,
            "name": name,
            "site": "old-town",
            "position": [self.place.latitude, round(self.place.longitude, 5), 4],
            "time_zone": "CET-1CEST,M3.5.0,M10.5.0/3",
            "wifi": {"ssid": "city-nodes", "password": "only-for-nodes"},
            "server": {
                "address": "127.0.0.1",
                "port": self.proxy.port,
                "name": SERVER_NAME,
            },
            "time_servers": [{"host": "127.0.0.1", "port": self.sntp[1]}],
            "window_s": self.window_s,
            "sample_s": 1,
            "poll_s": self.poll_s,
            "parts": {
                "air": {"driver": "pms5003", "uart": 1, "tx": 17, "rx": 16},
                "climate": {"driver": "bme280", "i2c": 0, "scl": 22, "sda": 21},
                "lamp": {"driver": "lamp", "pin": LAMP_PIN},
                "ambient": {"driver": "ambient", "pin": 34, "lux_full_scale": 2000},
            },
            "streams": {
                stream: {"part": part, "purpose": "air quality", "retention_days": 365}
                for stream, part in streams
            },
            **fields,
        }

    def node(self, name: str, version: str, *, mac: bytes | None = None, **fields: Any) -> Node:
        """Register a node, make its flash image with `version` in both slots; it is still off."""
        mac = mac or b"\x24\x0a\xc4\x00\x01" + bytes([len(self.nodes) + 1])
        flash, config = self.image(name, version, mac, **fields)
        node = Node(
            flash,
            mac=mac,
            wiring=wire(config, self.clock, self.world.at(self.place), frame_s=_FRAME_S),
            clock=self.clock,
            log=self._work / f"{name}.log",
            loop=self.loop,
        )
        self.nodes[name] = node
        return node

    def image(
        self,
        name: str,
        version: str,
        mac: bytes,
        *,
        runtime: Path | None = None,
        **fields: Any,
    ) -> tuple[Path, dict[str, Any]]:
        """Register a node and make its flash image; return the file and its configuration."""
        device_id = (mac[:3] + b"\xff\xfe" + mac[3:]).hex()
        config = self.config(name, **fields)
        self.lamppost("device", "add", device_id, "--site", config["site"], "--name", name)
        claim = self.lamppost("device", "claim", device_id, "--ttl", "1h")
        files = {"config": json.dumps(config), "claim": claim["token"]}
        for kind, text in files.items():
            (self._work / f"{name}.{kind}").write_text(text)
        flash = self._work / f"{name}.bin"
        arguments: list[object] = ["node", "image", "--bundle", self.bundles[version]["bundle"]]
        for kind in files:
            arguments += [f"--{kind}", self._work / f"{name}.{kind}"]
        arguments += ["--root", self.home / "keys" / "root.json"]
        arguments += ["--ca", self.home / "server" / "pki" / "ca.pem", "-o", flash]
        if runtime:
            arguments += ["--runtime", runtime]
        self.lamppost(*arguments)
        (self._work / f"{name}.claim").unlink()
        return flash, config

    def rollout(self, version: str, *nodes: Node) -> int:
        """Offer a release to nodes; return the rollout's number."""
        ids = [node.id for node in nodes]
        made = self.lamppost("rollout", "create", "--version", version, *ids)
        return int(made["id"])

    def action(self, rollout: int, node: Node) -> dict[str, Any]:
        """Return what the server knows of one node's update: state and reason."""
        shown = self.lamppost("rollout", "show", rollout)
        return next(each for each in shown["actions"] if each["device"] == node.id)

    def wait_action(self, rollout: int, node: Node, state: str, deadline_s: float) -> str:
        """Wait until a node's update has come to `state`, another end is an error; its reason."""
        ends = ("confirmed", "rolled_back", "failed", "expired", "cancelled")

        def ended() -> dict[str, Any] | None:
            found = self.action(rollout, node)
            return found if found["state"] == state or found["state"] in ends else None

        what = f"{node.id} to come to {state}"
        found = self.wait(ended, deadline_s, what, told=lambda: node.console.text[-3000:])
        if found["state"] != state:
            raise SimError(f"waited for {what}, it came to {found['state']}: {found['reason']}")
        return str(found["reason"] or "")

    def readings(self, node: Node) -> list[dict[str, Any]]:
        """Return every observation of a node that the server has."""
        found = self.lamppost("device", "readings", node.id)
        return list(found)

    def device(self, node: Node) -> dict[str, Any]:
        """Return what the server knows of a node."""
        found: dict[str, Any] = self.lamppost("device", "show", node.id)
        return found

    @property
    def access(self) -> dict[str, str]:
        """The environment in which `lamppost` reaches this server as its first operator."""
        names = ("LAMPPOST_HOME", "LAMPPOST_URL", "LAMPPOST_TOKEN")
        return {name: self._environment[name] for name in names if name in self._environment}

    @property
    def proxy_port(self) -> int:
        """The port at which nodes reach the server."""
        return self.proxy.port if self.proxy else 0

    @property
    def received(self) -> int:
        """Bytes that have passed towards the nodes."""
        return self.proxy.down if self.proxy else 0

    @property
    def server_log(self) -> str:
        """What the server has logged."""
        return (self._work / "server.log").read_text(errors="replace")

    def wait(
        self,
        predicate: Callable[[], T | None],
        deadline_s: float,
        what: str,
        told: Callable[[], str] = str,
    ) -> T:
        """Return the first true value of `predicate`; DeadlineError with what `told` tells."""
        for _ in _until(deadline_s):
            if value := predicate():
                return value
        raise DeadlineError(f"waited {deadline_s:g} s for {what}; {told()}")

    def close(self) -> None:
        """End nodes, network and server; the files stay."""
        for node in self.nodes.values():
            node.close()
        if self.proxy:
            self.proxy.close()
        self.stop()

    def remove(self) -> None:
        """Delete the files as well."""
        self.close()
        for folder in (self.home, self._work):
            shutil.rmtree(folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _server_ended(self) -> bool:
        return self._server is not None and self._server.poll() is not None


def _overlay(overlay: Path, changes: Mapping[str, Callable[[str], str]]) -> Path:
    firmware = Path(__file__).parent.parent / "firmware"
    for name, change in changes.items():
        source = firmware / name
        before = source.read_text() if source.exists() else ""
        after = change(before)
        if after == before:
            raise SimError(f"the change of {name} in {overlay.name} changes nothing")
        (overlay / name).parent.mkdir(parents=True, exist_ok=True)
        (overlay / name).write_text(after)
    return overlay


def _command() -> str:
    return str(Path(sys.executable).with_name("lamppost"))


def _until(deadline_s: float) -> Iterator[None]:
    end = time.monotonic() + deadline_s
    while time.monotonic() < end:
        yield
        time.sleep(_LOOK_S)
    yield
