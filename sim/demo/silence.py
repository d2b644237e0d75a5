"""Chapter 4: silence counts, before and after an update is staged; who comes back catches up."""

from sim.demo.following import PATIENCE_S, Shown, actions, over, start
from sim.demo.stage import Stage
from sim.node import Node

TITLE = "Two nodes go silent in an update; when they are back, they catch up"
VERSION = "1.4.0"
_PLAN = {
    "waves": [{"count": 3}, {"percent": 100}],
    "deadline_s": 12,
    "failure_percent": 60,  # one of two may fail
    "success_percent": 40,
}


def tell(stage: Stage) -> None:
    """Roll 1.4.0 out to four nodes, two of which have no power at a bad time."""
    cast, story = stage.cast, stage.story
    stage.releases.publish(VERSION)
    cast.lightless.power_off()
    story.tell(stage.names(cast.lightless), "its lighting circuit has no power")
    vanishing = stage.meanwhile(_vanish, stage, cast.vanished)
    rollout = start(stage, VERSION, cast.evening, _PLAN)
    _judged(stage, rollout.follow(lambda shown: _both_judged(stage, shown)))
    vanishing.result()
    for node in (cast.lightless, cast.vanished):
        node.power_on()
        story.tell(stage.names(node), "has power again")
    shown = rollout.follow(lambda shown: _all_confirmed(stage, shown))
    story.check(
        "silent_nodes_catch_up",
        all(stage.runs(node, VERSION) for node in (cast.lightless, cast.vanished)),
        f"both run {VERSION}, and the server knows; the rollout is {shown['state']}",
    )


def _vanish(stage: Stage, node: Node) -> None:
    """Switch a node off as soon as it has staged and told so."""
    node.wait_text(f"planned reset: update to {VERSION}", PATIENCE_S)
    node.power_off()
    stage.story.tell(stage.names(node), f"loses its power with {VERSION} staged")


def _both_judged(stage: Stage, shown: Shown) -> bool:
    lightless, vanished = (
        actions(shown, node)[0] for node in (stage.cast.lightless, stage.cast.vanished)
    )
    return bool(lightless["moves"]) and vanished["state"] == "failed"


def _judged(stage: Stage, shown: Shown) -> None:
    cast = stage.cast
    lightless, vanished = (actions(shown, node)[0] for node in (cast.lightless, cast.vanished))
    stage.story.check(
        "silent_before_staging_is_unreached",
        lightless["moves"] == 1 and lightless["wave"] == 2,
        f"{stage.names(cast.lightless)}: no blame, and wave {lightless['wave']} instead",
    )
    stage.story.check(
        "silent_after_staging_is_failed",
        vanished["state"] == "failed" and "silent" in vanished["reason"],
        f"{stage.names(cast.vanished)}: {vanished['state']} at the deadline",
    )


def _all_confirmed(stage: Stage, shown: Shown) -> bool:
    return over(shown) and all(
        actions(shown, node)[-1]["state"] == "confirmed" for node in stage.cast.evening
    )
