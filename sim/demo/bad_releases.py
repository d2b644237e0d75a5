"""Chapter 3: two bad releases, each properly signed. Neither gets beyond its first wave."""

from sim.demo import following
from sim.demo.following import Shown
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
    cast, story = stage.cast, stage.story
    stage.releases.publish(_BROKEN)
    order = _first(cast.everyone, cast.broken)
    rollout = following.start(stage, _BROKEN, order, following.ONE_THEN_ALL)
    shown = following.follow(stage, rollout)
    story.tell("rollout", f"{shown['state']}: {shown['reason']}")
    reverted = following.count(shown, "rolled_back")
    stage.figures.releases[_BROKEN] = _figures(shown, reverted)
    story.check(
        "1.2.0_reverts_by_itself",
        reverted == 1 and stage.runs(cast.broken, _GOOD),
        f"{stage.names(cast.broken)} runs {_GOOD} again",
    )
    _stopped(stage, shown, "paused", cast.broken)
    following.act(stage, rollout, "abort")


def _crashing(stage: Stage) -> None:
    cast, story = stage.cast, stage.story
    stage.releases.publish(_CRASHING)
    order = _first(cast.everyone, *cast.crashing)
    waves = ({"count": len(cast.crashing)}, {"percent": 100})
    rollout = following.start(
        stage, _CRASHING, order, waves, soak_s=_SOAK_S, max_restarts=_RESTARTS
    )
    paused = following.follow(stage, rollout)
    story.tell("rollout", f"{paused['state']} in its soak time: {paused['reason']}")
    restarts = [(stage.device(node)["heartbeat"] or {})["restarts"] for node in cast.crashing]
    story.check(
        "1.3.0_stopped_by_heartbeats",
        following.count(paused, "confirmed") == len(cast.crashing) and max(restarts) > _RESTARTS,
        f"all had confirmed; {max(restarts)} restarts seen in heartbeats, {_RESTARTS} allowed",
    )
    _stopped(stage, paused, "paused", *cast.crashing)
    back = following.act(stage, rollout, "rollback")["rollouts"]
    story.tell("operator", f"lamppost rollout rollback {rollout}")
    ends = [following.follow(stage, each["id"]) for each in back]
    reverted = sum(following.count(end, "confirmed") for end in ends)
    shown = following.show(stage, rollout)
    stage.figures.releases[_CRASHING] = _figures(shown, reverted)
    story.check(
        "1.3.0_rolled_back_by_one_action",
        reverted == len(cast.crashing) and all(stage.runs(node, _GOOD) for node in cast.crashing),
        f"{stage.names(*cast.crashing)} run {_GOOD} again; the rollout is {shown['state']}",
    )


def _figures(shown: Shown, reverted: int) -> dict[str, int | str]:
    offered = sum(action["offered_at"] is not None for action in shown["actions"])
    return {"offered": offered, "rolled_back": reverted, "rollout": shown["state"]}


def _stopped(stage: Stage, shown: Shown, state: str, *tried: Node) -> None:
    version, ids = shown["version"], {node.id for node in tried}
    offered = {each["device"] for each in shown["actions"] if each["offered_at"] is not None}
    seen = {node.id for node in stage.cast.everyone if version in node.console.text}
    stage.story.check(
        f"{version}_touches_nobody_else",
        shown["state"] == state and offered == seen == ids,
        f"{version} is {state}; {len(offered)} of {len(shown['actions'])} nodes ever saw it",
    )


def _first(nodes: tuple[Node, ...], *before: Node) -> list[Node]:
    """Return all nodes, some before the others."""
    return [*before, *(node for node in nodes if node not in before)]
