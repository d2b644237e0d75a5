"""Chapter 4: silence counts, before and after an update is staged; who comes back catches up."""

from sim.demo import following
from sim.demo.following import Shown, actions
from sim.demo.stage import Stage
from sim.node import Node

TITLE = "Two nodes go silent in an update; when they come back, they catch up"
VERSION = "1.4.0"
_DEADLINE_S = 15
_TOLERANCE = {"failure_percent": 60, "success_percent": 40, "min_sample": 1}
_WAVES = ({"count": 3}, {"percent": 100})


def tell(stage: Stage) -> None:
    """Roll 1.4.0 out to four nodes, two of which have no power at a bad time."""
    cast, story = stage.cast, stage.story
    stage.releases.publish(VERSION)
    cast.lightless.power_off()
    story.tell(stage.names(cast.lightless), "its lighting circuit has no power")
    vanishing = stage.meanwhile(_vanish, cast.vanished)
    rollout = following.start(
        stage, VERSION, cast.evening, _WAVES, deadline_s=_DEADLINE_S, **_TOLERANCE
    )
    vanishing.result(following.PATIENCE_S)
    story.tell(stage.names(cast.vanished), f"loses its power with {VERSION} staged")
    shown = following.follow(stage, rollout, lambda found: _both_judged(stage, found))
    _judged(stage, shown)
    for node in (cast.lightless, cast.vanished):
        node.power_on()
        story.tell(stage.names(node), "has power again")
    shown = following.follow(stage, rollout, lambda found: _all_confirmed(stage, found))
    returned = [stage.runs(node, VERSION) for node in (cast.lightless, cast.vanished)]
    story.check(
        "silent_nodes_catch_up",
        all(returned),
        f"both run {VERSION} and the server knows; the rollout is {shown['state']}",
    )


def _vanish(node: Node) -> None:
    """Switch a node off as soon as it has staged and told so."""
    node.wait_text(f"planned reset: update to {VERSION}", following.PATIENCE_S)
    node.power_off()


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
        lightless["moves"] == 1 and lightless["wave"] > 1,
        f"{stage.names(cast.lightless)} was unreached and is in wave {lightless['wave']} now",
    )
    stage.story.check(
        "silent_after_staging_is_failed",
        vanished["state"] == "failed" and "silent" in vanished["reason"],
        f"{stage.names(cast.vanished)} failed at the deadline: {vanished['reason']}",
    )


def _all_confirmed(stage: Stage, shown: Shown) -> bool:
    return following.over(shown) and all(
        actions(shown, node)[-1]["state"] == "confirmed" for node in stage.cast.evening
    )
