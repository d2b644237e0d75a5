"""A fleet server with its keys, releases and nodes on this machine, run as their users run them.

One node is made as people make one, by the `lamppost` command (`node`); many (`populate`) and
quick looks (`api`) go over the same HTTP API without a process for each. What a node does goes
through its flash image and the network. Demo, journeys and rigs stand on this.
"""

import json
import shutil
import time
from pathlib import Path
from typing import Any, Self

from firmware.core.names import device_id
from fleet.rollouts.words import FINAL
from ota.build import bundle
from sim import nodeconfig
from sim.clock import Clock
from sim.district import District, districts
from sim.errors import SimError
from sim.loop import Loop, shared
from sim.node import Node
from sim.nodeconfig import Pace
from sim.office import SERVER_NAME, Office
from sim.population import Population, Progress, Provision
from sim.posts import OLD_TOWN, district_place, posts
from sim.wiring import Surroundings, wire
from sim.world import Place, World, midnight_place


class City(Office):
    """A server and `nodes` by name, in the world of a seed, at a place where it is midnight.

    `poll_s` is also what the server asks of its nodes. `sample_s` and `frame_s`: see Pace.
    """

    made_as: type[Node] = Node
    """The class of its nodes."""

    def __init__(
        self,
        home: Path,
        *,
        database_url: str | None = None,
        poll_s: int = 1,
        window_s: int = 2,
        sample_s: int = 1,
        frame_s: float = 0.25,
        heartbeat_s: int = 3600,
        board: str = "esp32",
        seed: int = 1,
        loop: Loop | None = None,
    ) -> None:
        super().__init__(home, database_url=database_url, poll_s=poll_s, board=board)
        self.pace = Pace(window_s, poll_s, sample_s, frame_s, heartbeat_s)
        self.world = World(seed)
        self.place = midnight_place(time.time())
        self.clock = Clock()
        self.loop = loop or shared()
        self.nodes: dict[str, Node] = {}
        self._districts: dict[str, District] = {}

    @property
    def districts(self) -> dict[str, District]:
        """The city's districts by name (sim/posts.py), each with a network of its own."""
        if not self._districts:
            assert self.proxy is not None, "serve first: a district's network ends at the server"
            self._districts = districts(self.proxy.target, self.world.seed)
        return self._districts

    @property
    def received(self) -> int:
        """Bytes that have passed towards the nodes, in and outside of districts."""
        return super().received + sum(each.received for each in self._districts.values())

    def config(
        self, name: str, *, kind: str = "full", district: str | None = None, **fields: Any
    ) -> dict[str, Any]:
        """Return a node's configuration: the parts of its kind, short windows, this server."""
        assert self.proxy is not None, "serve first: the configuration names the server's address"
        port = self.districts[district].port if district else self.proxy.port
        return (
            nodeconfig.make(
                name,
                self._place_of(district),
                kind=kind,
                site=district or OLD_TOWN,
                server=("127.0.0.1", port, SERVER_NAME),
                time_server=("127.0.0.1", self.sntp[1]),
                pace=self.pace,
            )
            | fields
        )

    def node(
        self,
        name: str,
        version: str,
        *,
        mac: bytes | None = None,
        kind: str = "full",
        district: str | None = None,
        around: Surroundings | None = None,
        **fields: Any,
    ) -> Node:
        """Register a node, make its flash image with `version` in both slots; it is still off.

        `kind`: of nodeconfig.KINDS; without a district it has the server's door for itself;
        `around`: what its parts feel, by default this city's world.
        """
        mac = mac or b"\x24\x0a\xc4\x00" + (len(self.nodes) + 0x101).to_bytes(2, "big")
        flash, config = self.image(name, version, mac, kind=kind, district=district, **fields)
        around = around or self.world.at(self._place_of(district))
        node = self.made_as(
            flash,
            mac=mac,
            wiring=wire(config, self.clock, around, frame_s=self.pace.frame_s),
            clock=self.clock,
            log=self._work / f"{name}.log",
            loop=self.loop,
        )
        self.nodes[name] = node
        return node

    def populate(self, count: int, version: str, progress: Progress | None = None) -> list[Node]:
        """Make `count` more nodes over all districts, of eight five air and three light; all off.

        Their names are `<district>-<number>`, their sites the districts.
        """
        population = Population(
            self.operator_api,
            self._provision(),
            self._work,
            world=self.world,
            clock=self.clock,
            loop=self.loop,
            pace=self.pace,
        )
        wanted = posts(count, self.world.seed, self.place, first=len(self.nodes) + 1)
        release = bundle.load(Path(self.bundles[version]["bundle"]))
        made = population.settle(wanted, release, self.districts, progress)
        self.nodes |= made
        return list(made.values())

    def image(
        self,
        name: str,
        version: str,
        mac: bytes,
        *,
        runtime: Path | None = None,
        flash: str = "4MB",
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
        image = self._work / f"{name}.bin"
        arguments: list[object] = ["node", "image", "--bundle", self.bundles[version]["bundle"]]
        for kind in files:
            arguments += [f"--{kind}", self._work / f"{name}.{kind}"]
        arguments += ["--root", self.home / "keys" / "root.json"]
        arguments += ["--ca", self.home / "server" / "pki" / "ca.pem", "-o", image]
        arguments += ["--flash", flash]
        if runtime:
            arguments += ["--runtime", runtime]
        self.lamppost(*arguments)
        (self._work / f"{name}.claim").unlink()
        return image, config

    def rollout(self, version: str, *nodes: Node, waves: str = "rest", soak: str = "0") -> int:
        """Offer a release to nodes, at once unless told otherwise; return the rollout's number."""
        ids = [node.id for node in nodes]
        plan = ("--waves", waves, "--soak", soak)
        made = self.lamppost("rollout", "create", "--version", version, *plan, *ids)
        return int(made["id"])

    def action(self, rollout: int, node: Node) -> dict[str, Any]:
        """Return what the server knows of one node's update: state and reason."""
        actions = self.operator_api.pages(f"/rollouts/{rollout}", "actions")
        return next(
            each for each in actions if each["device"] == node.id and not each["superseded"]
        )

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
        return list(self.operator_api.pages(f"/devices/{node.id}/observations", "observations"))

    def device(self, node: Node) -> dict[str, Any]:
        """Return what the server knows of a node."""
        found: dict[str, Any] = self.api("GET", f"/devices/{node.id}")
        return found

    def close(self) -> None:
        """End nodes, network and server; the files stay."""
        for node in self.nodes.values():
            node.close()
        for district in self._districts.values():
            district.close()
        super().close()

    def _provision(self) -> Provision:
        assert self.proxy is not None, "serve first: nodes are told where the server is"
        return Provision(
            device=self.proxy.target,
            name=SERVER_NAME,
            time_server=("127.0.0.1", self.sntp[1]),
            root=(self.home / "keys" / "root.json").read_bytes(),
            anchors=((self.home / "server" / "pki" / "ca.der").read_bytes(),),
        )

    def _place_of(self, district: str | None) -> Place:
        return district_place(district, self.place) if district else self.place

    def remove(self) -> None:
        """Delete the files as well."""
        self.close()
        for folder in (self.home, self._work):
            shutil.rmtree(folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
