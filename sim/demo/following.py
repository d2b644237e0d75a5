"""Rollouts made, and followed word by word until something is so."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sim.demo.stage import Stage
from sim.node import Node

Shown = dict[str, Any]
Action = dict[str, Any]
PATIENCE_S = 90.0
ONE_THEN_ALL = {"waves": [{"count": 1}, {"percent": 100}]}
ALL_AT_ONCE = {"waves": [{"percent": 100}]}
_PLAN = {"soak_s": 0, "deadline_s": 600}
_ENDS = ("confirmed", "rolled_back", "failed", "expired", "unreached", "cancelled")
_OVER = ("paused", "aborted", "finished", "rolled_back")
_ACTIONS = 1000  # in one answer


class Rollout:
    """A rollout of the server, told as it goes unless `quiet`."""

    def __init__(self, stage: Stage, number: int, *, quiet: bool = False) -> None:
        self.number = number
        self._stage = stage
        self._quiet = quiet
        self._seen: dict[int, Action] = {}
        self._wave = 0

    def show(self) -> Shown:
        """Return it as the server has it."""
        path = f"/rollouts/{self.number}"
        found: Shown = self._stage.city.api("GET", path, params={"limit": _ACTIONS})
        return found

    def act(self, word: str) -> Shown:
        """Pause, resume, abort or roll back."""
        answer: Shown = self._stage.city.api("POST", f"/rollouts/{self.number}/{word}", json={})
        return answer

    def follow(self, until: Callable[[Shown], bool]) -> Shown:
        """Tell each node's outcome as it comes, until the rollout is as wanted; return it."""
        words = ""

        def look() -> Shown | None:
            nonlocal words
            shown = self.show()
            words = f"{shown['state']}, {shown['reason']}, {shown['counts']}"
            self._see(shown)
            return shown if until(shown) else None

        what = f"rollout {self.number} to go on"
        return self._stage.wait(look, PATIENCE_S, what, lambda: words)

    def _see(self, shown: Shown) -> None:
        for action in shown["actions"]:
            before = self._seen.get(action["id"], {**action, "state": ""})
            self._seen[action["id"]] = action
            if news := _news(before, action):
                name = self._stage.name(action["device"])
                self._tell(name, f"{shown['version']} {news}")
        if shown["wave"] != self._wave and len(shown["waves"]) > 1:
            self._wave = shown["wave"]
            nodes = sum(shown["waves"][self._wave - 1]["counts"].values())
            targets = len(shown["actions"])
            self._tell(f"wave {self._wave}", f"{shown['version']} for {nodes} of {targets} nodes")
        ended = sum(action["state"] in _ENDS for action in shown["actions"])
        self._stage.story.doing(f"{shown['version']} rolls out", ended, len(shown["actions"]))

    def _tell(self, who: str, text: str) -> None:
        if not self._quiet:
            self._stage.story.tell(who, text)


def _news(before: Action, now: Action) -> str:
    """Say what is new of a node's update; "" for what is not worth a line."""
    if now["moves"] > before["moves"]:
        return f"unreached, moved to wave {now['wave']}"
    if now["restarts"] > before["restarts"]:
        return f"crashes: unplanned restart {now['restarts']}, by its heartbeat"
    if now["state"] == before["state"] or now["state"] not in _ENDS:
        return ""
    return f"{now['state']}: {now['reason']}" if now["reason"] else str(now["state"])


def start(
    stage: Stage,
    version: str,
    nodes: Sequence[Node],
    plan: Mapping[str, Any],
    *,
    quiet: bool = False,
) -> Rollout:
    """Make a rollout over nodes in this order. `plan`: see fleet/rollouts/schemas.py."""
    devices = [node.id for node in nodes]
    wanted = {"version": version, "devices": devices, **_PLAN, **plan}
    made = stage.city.api("POST", "/rollouts", json=wanted)
    return Rollout(stage, made["id"], quiet=quiet)


def over(shown: Shown) -> bool:
    """Say whether a rollout goes on no longer."""
    return shown["state"] in _OVER


def actions(shown: Shown, node: Node) -> list[Action]:
    """Return a node's updates in a rollout, oldest first."""
    mine = [action for action in shown["actions"] if action["device"] == node.id]
    return sorted(mine, key=lambda action: int(action["id"]))


def count(shown: Shown, word: str) -> int:
    """Return how many updates have come to a word."""
    return sum(action["state"] == word for action in shown["actions"])
