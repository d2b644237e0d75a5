"""Nodes in districts before one fleet server: registered, given flash, wired into one world.

Whose server it is does not matter: everything goes over its operator API, as a technician's
commands do, without a process for each.
"""

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from firmware.core.names import device_id
from ota.build.release import Release
from sim import nodeconfig
from sim.api import Api, ApiError
from sim.clock import Clock
from sim.console import HISTORY_BYTES
from sim.district import District
from sim.images import Images
from sim.loop import Loop
from sim.node import Node
from sim.nodeconfig import Pace
from sim.posts import Post
from sim.wiring import wire
from sim.world import World

Progress = Callable[[int, int], None]
"""Called with how many of how many are done."""

_CLAIM_S = 3600
_CONFLICT = 409


@dataclass(frozen=True)
class Provision:
    """What is put on every node of a fleet, beside its release and its configuration.

    `device`: where the server's device port is; `name`: of its certificate; `time_server`: SNTP;
    `root`: TUF root metadata; `anchors`: CA certificates as DER.
    """

    device: tuple[str, int]
    name: str
    time_server: tuple[str, int]
    root: bytes
    anchors: tuple[bytes, ...]


class Population:
    """Makes nodes before the server of `api`; their files lie in `folder`.

    `logs`: keep what each node prints in a file; `history_bytes`: and so much of it in memory.
    """

    def __init__(
        self,
        api: Api,
        provision: Provision,
        folder: Path,
        *,
        world: World,
        clock: Clock,
        loop: Loop,
        pace: Pace,
        logs: bool = True,
        history_bytes: int = HISTORY_BYTES,
    ) -> None:
        self._api = api
        self._provision = provision
        self._folder = folder
        self._world = world
        self._clock = clock
        self._loop = loop
        self._pace = pace
        self._logs = logs
        self._history_bytes = history_bytes

    def settle(
        self,
        posts: Iterable[Post],
        release: Release,
        districts: dict[str, District],
        progress: Progress | None = None,
    ) -> dict[str, Node]:
        """Register a node for every post and make its flash; return them by name, still off."""
        images = Images(release, self._provision.root, self._provision.anchors)
        wanted = list(posts)
        nodes: dict[str, Node] = {}
        with ExitStack() as undo:
            for post in wanted:
                node = self._node(post, images, districts[post.district])
                nodes[post.name] = undo.enter_context(node)
                if progress:
                    progress(len(nodes), len(wanted))
            undo.pop_all()
        return nodes

    def _node(self, post: Post, images: Images, district: District) -> Node:
        provision, pace = self._provision, self._pace
        config = nodeconfig.make(
            post.name,
            post.place,
            kind=post.kind,
            site=post.district,
            server=("127.0.0.1", district.port, provision.name),
            time_server=provision.time_server,
            pace=pace,
        )
        flash = self._folder / f"{post.name}.bin"
        images.write(flash, config, self._claim(post))
        around = self._world.at(post.place)
        return Node(
            flash,
            mac=post.mac,
            wiring=wire(config, self._clock, around, frame_s=pace.frame_s),
            clock=self._clock,
            log=self._folder / f"{post.name}.log" if self._logs else None,
            loop=self._loop,
            history_bytes=self._history_bytes,
        )

    def _claim(self, post: Post) -> str:
        """Register the node, unless it is known from an earlier day, and claim it."""
        node_id = str(device_id(post.mac))
        new = {"id": node_id, "site": post.district, "name": post.name, "board": "esp32"}
        try:
            self._api.call("POST", "/devices", json=new)
        except ApiError as error:
            if error.status != _CONFLICT:
                raise
        claim = self._api.call("POST", f"/devices/{node_id}/claims", json={"ttl_s": _CLAIM_S})
        return str(claim["token"])
