"""Chapter 5: a thief with all that the server holds makes four offers; every node refuses.

He makes them through the city's own server, which he has broken into: nodes go on reporting to
it, and no reading is lost to a server that is only his.
"""

from pathlib import Path

from sim import flashfiles, thief
from sim.demo.following import ALL_AT_ONCE, over, start
from sim.demo.stage import Stage
from sim.node import Node

TITLE = "A thief with everything in the server's home makes four offers"
VERSION = "1.5.0"
_OLD = "1.0.0"
_BOARD = "esp32"


def tell(stage: Stage) -> None:
    """Make every offer to every node; the repository is put right after each."""
    server, kept = stage.server, stage.folder / "genuine"
    stage.story.doing("lamppost ota publish: a release for another board")
    stage.releases.publish("other")
    thief.name_as_theirs(server, VERSION, _BOARD)
    before = _running(stage)
    with thief.break_in(server, kept):
        thief.forge(server, Path(stage.releases.built("forged")["bundle"]))
        _offer(stage, "forged release", VERSION, "BadSignature")
        installed = sum(now != was for now, was in zip(_running(stage), before, strict=True))
        stage.figures.forged = {"offered": len(before), "installed": installed}
    _offer(stage, "foreign release", VERSION, "Unsuited")
    with thief.break_in(server, kept):
        thief.put_back(server, stage.first_day)
        _offer(stage, "old release", _OLD, "Rollback")
    with thief.break_in(server, kept):
        thief.freeze(server)
        _offer(stage, "frozen timestamp", VERSION, "Expired")
    stage.story.check(
        "nothing_of_the_thiefs_installed",
        _running(stage) == before,
        "every node runs what it ran before",
    )


def _offer(stage: Stage, what: str, version: str, error: str) -> None:
    """Offer something to all at once; each must say why it does not want it."""
    nodes = stage.cast.everyone
    plan = {**ALL_AT_ONCE, "failure_percent": 100, "min_sample": len(nodes)}
    rollout = start(stage, version, nodes, plan, quiet=True)
    shown = rollout.follow(over)
    rollout.act("abort")
    answers = [(action["state"], str(action["reason"])) for action in shown["actions"]]
    refused = sum(state == "failed" and why.startswith(error) for state, why in answers)
    stage.story.tell("thief", f"{what}: {answers[0][1]}")
    stage.story.check(
        f"{what.replace(' ', '_')}_refused",
        refused == len(nodes),
        f"{refused} of {len(nodes)} nodes: {error}",
    )


def _running(stage: Stage) -> list[str]:
    """Return the version on each node's flash."""
    return [_version(node) for node in stage.cast.everyone]


def _version(node: Node) -> str:
    """Return the version on a node's flash; amid a write it cannot be read."""
    return str(node.wait(lambda: flashfiles.version(node.flash.path), 30))
