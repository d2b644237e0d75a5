"""Chapter 3: two bad releases, each properly signed. Neither gets beyond its first wave."""

from sim.demo.following import ONE_THEN_ALL, Rollout, Shown, count, over, start
from sim.demo.stage import Stage
from sim.node import Node

TITLE = "Two bad releases, properly signed, stop in their first wave"
_BROKEN, _CRASHING, _GOOD = "1.2.0", "1.3.0", "1.1.0"
_SOAK_S = 600
_RESTARTS = 1


def tell(stage: Stage) -> None:
    """Roll both out."""
    stage.releases.prepare("1.4.0")
    stage.releases.prepare_theft("1.5.0")
    _broken(stage)
    _crashing(stage)


def _broken(stage: Stage) -> None:
    cast = stage.cast
    stage.releases.publish(_BROKEN)
    order = _first(cast.everyone, cast.broken)
    rollout = start(stage, _BROKEN, order, ONE_THEN_ALL)
    shown = rollout.follow(over)
    stage.story.tell("rollout", f"{shown['state']}: {shown['reason']}")
    reverted = count(shown, "rolled_back")
    stage.figures.releases[_BROKEN] = _figures(shown, reverted)
    stage.story.check(
        "1.2.0_reverts_by_itself",
        reverted == 1 and stage.runs(cast.broken, _GOOD),
        f"{stage.names(cast.broken)} runs {_GOOD} again",
    )
    _stopped(stage, shown, cast.broken)
    rollout.act("abort")


def _crashing(stage: Stage) -> None:
    cast, nodes = stage.cast, stage.cast.crashing
    stage.releases.publish(_CRASHING)
    waves = [{"count": len(nodes)}, {"percent": 100}]
    plan = {"waves": waves, "soak_s": _SOAK_S, "max_restarts": _RESTARTS}
    rollout = start(stage, _CRASHING, _first(cast.everyone, *nodes), plan)
    shown = rollout.follow(over)
    stage.story.tell("rollout", f"{shown['state']} in its soak time: {shown['reason']}")
    restarts = max(action["restarts"] for action in shown["actions"])
    stage.story.check(
        "1.3.0_stopped_by_heartbeats",
        count(shown, "confirmed") == len(nodes) and restarts > _RESTARTS,
        f"confirmed, then {restarts} restarts in heartbeats: {_RESTARTS} is allowed",
    )
    _stopped(stage, shown, *nodes)
    _roll_back(stage, rollout)


def _roll_back(stage: Stage, rollout: Rollout) -> None:
    nodes = stage.cast.crashing
    back = rollout.act("rollback")["rollouts"]
    stage.story.tell("operator", f"lamppost rollout rollback {rollout.number}")
    ends = [Rollout(stage, each["id"]).follow(over) for each in back]
    reverted = sum(count(end, "confirmed") for end in ends)
    shown = rollout.show()
    stage.figures.releases[_CRASHING] = _figures(shown, reverted)
    stage.story.check(
        "1.3.0_rolled_back_by_one_action",
        reverted == len(nodes) and all(stage.runs(node, _GOOD) for node in nodes),
        f"{stage.names(*nodes)} run {_GOOD} again: {shown['state']}",
    )


def _figures(shown: Shown, reverted: int) -> dict[str, int | str]:
    offered = sum(action["offered_at"] is not None for action in shown["actions"])
    return {"offered": offered, "rolled_back": reverted, "rollout": shown["state"]}


def _stopped(stage: Stage, shown: Shown, *tried: Node) -> None:
    version, ids = shown["version"], {node.id for node in tried}
    offered = {each["device"] for each in shown["actions"] if each["offered_at"] is not None}
    seen = {node.id for node in stage.cast.everyone if version in node.console.text}
    stage.story.check(
        f"{version}_touches_nobody_else",
        shown["state"] == "paused" and offered == seen == ids,
        f"{shown['state']}; {len(offered)} of {len(shown['actions'])} nodes ever saw {version}",
    )


def _first(nodes: tuple[Node, ...], *before: Node) -> list[Node]:
    """Return all nodes, some before the others."""
    return [*before, *(node for node in nodes if node not in before)]
