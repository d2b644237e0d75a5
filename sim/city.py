"""A fleet server with its keys, releases and nodes on this machine, run as their users run them.

Everything a person would do goes through the `lamppost` command; what a node does goes through
its flash image and the network. Demo, journeys and rigs stand on this.
"""

import json
import shutil
import time
from pathlib import Path
from typing import Any, Self

from firmware.core.names import device_id
from fleet.rollouts.words import FINAL
from sim import nodeconfig
from sim.clock import Clock
from sim.errors import SimError
from sim.loop import Loop, shared
from sim.node import Node
from sim.office import SERVER_NAME, Office
from sim.wiring import wire
from sim.world import World, midnight_place

_FRAME_S = 0.25


class City(Office):
    """A server and `nodes` by name, in the world of a seed, at a place where it is midnight."""

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
        super().__init__(home, database_url=database_url, poll_s=poll_s)
        self.window_s = window_s
        self.world = World(seed)
        self.place = midnight_place(time.time())
        self.clock = Clock()
        self.loop = loop or shared()
        self.nodes: dict[str, Node] = {}

    def config(self, name: str, **fields: Any) -> dict[str, Any]:
        """Return a node's configuration: every part there is, short windows, this server."""
        assert self.proxy is not None, "serve first: the configuration names the server's address"
        return (
            nodeconfig.make(
                name,
                self.place,
                server=("127.0.0.1", self.proxy.port, SERVER_NAME),
                time_server=("127.0.0.1", self.sntp[1]),
                window_s=self.window_s,
                poll_s=self.poll_s,
            )
            | fields
        )

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
        node_id = device_id(mac)
        config = self.config(name, **fields)
        self.lamppost("device", "add", node_id, "--site", config["site"], "--name", name)
        claim = self.lamppost("device", "claim", node_id, "--ttl", "1h")
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

        def ended() -> dict[str, Any] | None:
            found = self.action(rollout, node)
            return found if found["state"] in (state, *FINAL) else None

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

    def close(self) -> None:
        """End nodes, network and server; the files stay."""
        for node in self.nodes.values():
            node.close()
        super().close()

    def remove(self) -> None:
        """Delete the files as well."""
        self.close()
        for folder in (self.home, self._work):
            shutil.rmtree(folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
