"""Rollouts made, and followed word by word until something is so."""

from collections.abc import Callable, Sequence
from typing import Any

from sim.demo.stage import Stage
from sim.node import Node

Shown = dict[str, Any]
PATIENCE_S = 90.0
ONE_THEN_ALL = ({"count": 1}, {"percent": 100})
_ENDS = ("confirmed", "rolled_back", "failed", "expired", "unreached", "cancelled")
_OVER = ("paused", "aborted", "finished", "rolled_back")


def start(
    stage: Stage,
    version: str,
    nodes: Sequence[Node],
    waves: Sequence[dict[str, int]],
    **plan: int,
) -> int:
    """Make a rollout over nodes in this order; return its number. `plan`: see fleet.rollouts."""
    wanted = {
        "version": version,
        "devices": [node.id for node in nodes],
        "waves": list(waves),
        "soak_s": 0,
        "deadline_s": 600,
    }
    made = stage.city.api("POST", "/rollouts", json=wanted | plan)
    return int(made["id"])


def show(stage: Stage, rollout: int) -> Shown:
    """Return a rollout as the server has it."""
    found: Shown = stage.city.api("GET", f"/rollouts/{rollout}")
    return found


def act(stage: Stage, rollout: int, word: str) -> Shown:
    """Pause, resume, abort or roll back."""
    answer: Shown = stage.city.api("POST", f"/rollouts/{rollout}/{word}", json={})
    return answer


def over(shown: Shown) -> bool:
    """Say whether a rollout goes on no longer."""
    return shown["state"] in _OVER


def follow(
    stage: Stage,
    rollout: int,
    until: Callable[[Shown], bool] = over,
    deadline_s: float = PATIENCE_S,
    *,
    told: bool = True,
) -> Shown:
    """Tell each node's outcomes as they come, until the rollout is as wanted; return it."""
    follower = _Follower(stage, told=told)

    def look() -> Shown | None:
        shown = show(stage, rollout)
        follower.see(shown)
        return shown if until(shown) else None

    return stage.city.wait(look, deadline_s, f"rollout {rollout}", lambda: follower.words)


def actions(shown: Shown, node: Node) -> list[dict[str, Any]]:
    """Return a node's updates in a rollout, oldest first."""
    mine = [action for action in shown["actions"] if action["device"] == node.id]
    return sorted(mine, key=lambda action: int(action["id"]))


def count(shown: Shown, word: str) -> int:
    """Return how many updates have come to a word."""
    return sum(action["state"] == word for action in shown["actions"])


class _Follower:
    """Tells what is new of a rollout; `words`: where it stood last."""

    def __init__(self, stage: Stage, *, told: bool) -> None:
        self._stage = stage
        self._told = told
        self._seen: dict[int, tuple[str, int]] = {}
        self._wave = 0
        self.words = ""

    def see(self, shown: Shown) -> None:
        """Take the rollout as it stands."""
        version = shown["version"]
        if self._told and shown["wave"] != self._wave and len(shown["waves"]) > 1:
            self._wave = shown["wave"]
            planned = shown["waves"][self._wave - 1]["planned"]
            self._stage.story.tell(
                "wave " + str(self._wave), f"{version} for {planned} node{'s'[: planned != 1]}"
            )
        for action in shown["actions"]:
            now = (action["state"], action.get("moves", 0))
            if self._seen.get(action["id"], ("", 0)) != now:
                self._seen[action["id"]] = now
                self._event(version, action)
        ended = sum(action["state"] in _ENDS for action in shown["actions"])
        self._stage.story.doing(f"{version} rolls out", ended, len(shown["actions"]))
        self.words = f"{shown['state']}, {shown['reason']}, {shown['counts']}"

    def _event(self, version: str, action: dict[str, Any]) -> None:
        state = action["state"]
        if state == "pending" and action.get("moves", 0):
            state = "unreached: moved to a later wave"
        elif state not in _ENDS:
            return
        if self._told:
            reason = f": {action['reason']}" if action["reason"] else ""
            name = self._stage.name(action["device"])
            self._stage.story.tell(name, f"{version} {state}{reason}")
