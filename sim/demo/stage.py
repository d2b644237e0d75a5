"""What every chapter works with: the city, its releases and nodes, and what has been counted."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from sim import flashfiles
from sim.city import City
from sim.demo.cast import Cast, cast
from sim.demo.figures import Figures
from sim.demo.releases import Releases
from sim.node import Node
from sim.story import Story

P = ParamSpec("P")
T = TypeVar("T")

_POLL_S = 1
_WINDOW_S = 3
_HELPERS = 8


class Stage:
    """One run in `folder`, told to `story`; `close` ends all that it started."""

    def __init__(self, folder: Path, story: Story, *, nodes: int, seed: int) -> None:
        self.folder = folder
        self.story = story
        self.size = nodes
        self.city = City(folder / "home", seed=seed, poll_s=_POLL_S, window_s=_WINDOW_S)
        self.releases = Releases(self.city, folder)
        self.figures = Figures(nodes)
        self.cast: Cast
        self._helpers = ThreadPoolExecutor(_HELPERS, thread_name_prefix="meanwhile")

    @property
    def server(self) -> Path:
        """All that a thief of the server gets."""
        return self.city.home / "server"

    def people(self, nodes: list[Node]) -> None:
        """Give the nodes their parts."""
        self.cast = cast(nodes)

    def name(self, device: str) -> str:
        """Return the name of the node with an id."""
        return next(name for name, node in self.city.nodes.items() if node.id == device)

    def names(self, *nodes: Node) -> str:
        """Return the names of nodes."""
        return ", ".join(self.name(node.id) for node in nodes)

    def runs(self, node: Node, version: str, deadline_s: float = 30) -> bool:
        """Wait until a node's flash says that it runs `version` and the server was told so."""
        node.wait(lambda: flashfiles.version(node.flash.path) == version, deadline_s, version)

        def told() -> bool:
            return bool(self.device(node)["version"] == version)

        return self.city.wait(told, deadline_s, f"{version} to be reported")

    def device(self, node: Node) -> dict[str, Any]:
        """Return what the server knows of a node."""
        found: dict[str, Any] = self.city.api("GET", f"/devices/{node.id}")
        return found

    def readings(self, node: Node) -> list[dict[str, Any]]:
        """Return every observation of a node that the server has."""
        rows: list[dict[str, Any]] = []
        after: str | None = None
        while True:
            params = {} if after is None else {"after": after}
            path = f"/devices/{node.id}/observations"
            page = self.city.api("GET", path, params=params)
            rows += page["observations"]
            after = page["next"]
            if after is None:
                return rows

    def meanwhile(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Do something beside what is told."""
        return self._helpers.submit(work, *args, **kwargs)

    def close(self) -> None:
        """End nodes, network and server."""
        self.city.close()
        self._helpers.shutdown(cancel_futures=True)
        self.releases.close()
