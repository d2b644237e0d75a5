"""What every chapter works with: the city, its releases and nodes, and what has been counted."""

import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from threading import Thread
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
_HEARTBEAT_S = 15
_ASK_S = 0.25


class Stage:
    """One run in `folder`, told to `story`; `close` ends all that it started."""

    def __init__(self, folder: Path, story: Story, *, nodes: int, seed: int) -> None:
        self.folder = folder
        self.story = story
        self.size = nodes
        self.city = City(
            folder / "home",
            seed=seed,
            poll_s=_POLL_S,
            window_s=_WINDOW_S,
            heartbeat_s=_HEARTBEAT_S,
        )
        self.releases = Releases(self.city, folder)
        self.figures = Figures(nodes)
        self.cast: Cast

    @property
    def server(self) -> Path:
        """All that a thief of the server gets."""
        return self.city.home / "server"

    @property
    def first_day(self) -> Path:
        """A copy of the TUF repository as it was on the first day."""
        return self.folder / "first-day"

    def people(self, nodes: list[Node]) -> None:
        """Give the nodes their parts."""
        self.cast = cast(nodes)

    def name(self, device: str) -> str:
        """Return the name of the node with an id."""
        return next(name for name, node in self.city.nodes.items() if node.id == device)

    def names(self, *nodes: Node) -> str:
        """Return the names of nodes."""
        return ", ".join(self.name(node.id) for node in nodes)

    def wait(
        self,
        predicate: Callable[[], T | None],
        deadline_s: float,
        what: str,
        told: Callable[[], str] = str,
    ) -> T:
        """Return the first true value of `predicate`, which asks the server and is not cheap."""
        due = 0.0

        def look() -> T | None:
            nonlocal due
            if time.monotonic() < due:
                return None
            value = predicate()
            due = time.monotonic() + _ASK_S
            return value

        return self.city.wait(look, deadline_s, what, told)

    def runs(self, node: Node, version: str, deadline_s: float = 30) -> bool:
        """Wait until a node's flash says that it runs `version` and the server was told so."""
        node.wait(lambda: flashfiles.version(node.flash.path) == version, deadline_s, version)

        def told() -> bool:
            return bool(self.device(node)["version"] == version)

        return self.wait(told, deadline_s, f"{version} to be reported")

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
        """Do something beside what is told; nobody waits for it when the story breaks off."""
        future: Future[T] = Future()

        def run() -> None:
            try:
                future.set_result(work(*args, **kwargs))
            except Exception as error:  # noqa: BLE001 - raised where the result is asked for
                future.set_exception(error)

        Thread(target=run, name="meanwhile", daemon=True).start()
        return future

    def close(self) -> None:
        """End nodes, network and server."""
        self.city.close()
        self.releases.close()
