"""Plain DDI clients and the operator behind them: what journeys of rollouts are made of."""

import asyncio
import secrets
import time
from typing import Any

from bundles import Publisher
from fleetserver import Identity, Server
from sqlalchemy import update

from fleet.db import Database
from fleet.rollouts.models import Action
from fleet.settings import Home

BEFORE_THE_END = ("requested", "downloading", "verified", "staged", "booted")
DEADLINE_S = 86400  # what the API gives a node unless told otherwise
_PATIENCE_S = 30


class Controller:
    """A node that does nothing by itself: it polls, and says what it is told to say."""

    def __init__(self, node: Identity, version: str | None = None) -> None:
        self.node = node
        self.id = node.device_id
        if version is not None:
            self.describes(version=version)

    def describes(self, **data: str) -> None:
        """Send configData; keys with a dot go in with an underscore."""
        body = {
            "mode": "merge",
            "data": {key.replace("_", "."): text for key, text in data.items()},
        }
        answer = self.node.client.put(f"{self.node.ddi}/configData", json=body)
        assert answer.status_code == 200, answer.text

    def poll(self) -> dict[str, Any]:
        """Return the links of a base poll that speak of updates."""
        answer = self.node.client.get(self.node.ddi)
        assert answer.status_code == 200, answer.text
        links = answer.json()["_links"]
        told = ("configData", "installedBase")
        return {name: link["href"] for name, link in links.items() if name not in told}

    def get(self, href: str) -> Any:
        """Follow a link."""
        return self.node.client.get(href)

    def begin(self) -> str:
        """Poll and read what is offered; return the action's id."""
        document = self.get(self.poll()["deploymentBase"]).json()
        return str(document["id"])

    def says(self, action: str, word: str, *, kind: str = "deploymentBase") -> int:
        """Report a word about an action; return the status of the answer."""
        over = word not in BEFORE_THE_END
        result = "success" if word in ("confirmed", "cancelled") else "failure" if over else "none"
        status = {
            "execution": "closed" if over else "proceeding",
            "result": {"finished": result},
            "details": [f"state={word}"],
        }
        path = f"{self.node.ddi}/{kind}/{action}/feedback"
        return self.node.client.post(path, json={"id": action, "status": status}).status_code

    def update(self, word: str = "confirmed", *, until: str | None = None) -> str:
        """Take the update that is offered and bring it to *word*, saying each one before."""
        action = self.begin()
        for each in BEFORE_THE_END:
            assert self.says(action, each) == 200
            if each == until:
                return action
        assert self.says(action, word) == 200
        return action


class Operator:
    """Rollouts of a board with a few releases, which a server has once: its targets are bounded.

    name: of nothing else.
    """

    board = "rolled"
    versions = ("1.0.0", "1.0.5", "1.1.0", "1.2.0")

    def __init__(self, server: Server) -> None:
        self.server = server
        self.api = server.admin
        self.name = secrets.token_hex(4)
        there = self.api.get("/releases").json()["releases"]
        if self.board not in {row["board"] for row in there}:
            publisher = Publisher(server)
            for version in self.versions:
                publisher.publish(version, self.board, main=version.encode())

    def controllers(
        self, count: int, version: str | None = None, site: str = "harbour"
    ) -> list[Controller]:
        """Return enrolled nodes that say they run *version*."""
        return [
            Controller(self.server.node(site=site, board=self.board), version)
            for _ in range(count)
        ]

    def create(self, version: str, nodes: list[Controller], **plan: Any) -> int:
        """Make a rollout, by default without a soak; return its id."""
        ids = [node.id for node in nodes]
        body = {"version": version, "devices": ids, "soak_s": 0, **plan}
        answer = self.api.post("/rollouts", json=body)
        assert answer.status_code == 201, answer.text
        return int(answer.json()["id"])

    def show(self, rollout: int) -> dict[str, Any]:
        """Return a rollout."""
        answer = self.api.get(f"/rollouts/{rollout}", params={"limit": 1000})
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def steer(self, rollout: int, act: str) -> dict[str, Any]:
        """POST pause, resume, abort or rollback."""
        answer = self.api.post(f"/rollouts/{rollout}/{act}")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def action(self, rollout: int, node: Controller) -> dict[str, Any]:
        """Return the update of a node that counts."""
        return next(
            row
            for row in self.show(rollout)["actions"]
            if row["device"] == node.id and not row["superseded"]
        )

    def silence(self, *nodes: Controller) -> None:
        """Let the deadline of these nodes' updates pass, as if they had been offered long ago."""
        asyncio.run(self._rewind([node.id for node in nodes]))

    async def _rewind(self, ids: list[str]) -> None:
        database = Database(self.server.url or Home(self.server.home).database_url)
        mine = update(Action).where(Action.device_id.in_(ids), Action.active)
        try:
            async with database.write() as session:
                await session.execute(mine.values(started_at=Action.started_at - DEADLINE_S))
        finally:
            await database.close()

    def words(self, rollout: int, nodes: list[Controller]) -> list[str]:
        """Return where each node stands."""
        states = {row["device"]: row["state"] for row in self.show(rollout)["actions"]}
        return [states[node.id] for node in nodes]

    def until(self, rollout: int, **fields: Any) -> dict[str, Any]:
        """Wait until the rollout's fields are as given, and return it."""
        deadline = time.monotonic() + _PATIENCE_S
        while True:
            found = self.show(rollout)
            if all(found[name] == value for name, value in fields.items()):
                return found
            assert time.monotonic() < deadline, found
            time.sleep(0.05)


def offered(node: Controller) -> None:
    """Wait until a node is offered an update."""
    deadline = time.monotonic() + _PATIENCE_S
    while "deploymentBase" not in node.poll():
        assert time.monotonic() < deadline, "no offer"
        time.sleep(0.05)
