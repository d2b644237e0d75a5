"""Chapter 5: a thief with all that the server holds makes four offers; every node refuses."""

from pathlib import Path

from sim import flashfiles, thief
from sim.demo import following
from sim.demo.stage import Stage
from sim.node import Node

TITLE = "A thief with everything in the server's home makes four offers"
VERSION = "1.5.0"
_ALL = ({"percent": 100},)
_BOARD = "esp32"


def tell(stage: Stage) -> None:
    """Make every offer to every node, and put the repository right again."""
    server = stage.server
    stage.story.doing("lamppost ota publish: a release for another board")
    stage.releases.publish("other")
    thief.name_as_theirs(server, VERSION, _BOARD)
    before = _running(stage)
    with thief.break_in(server, stage.folder / "genuine"):
        thief.forge(server, Path(stage.releases.built("forged")["bundle"]))
        _offer(stage, "forged_release_refused", "a forged release", VERSION, "BadSignature")
    installed = sum(now != was for now, was in zip(_running(stage), before, strict=True))
    stage.figures.forged = {"offered": len(before), "installed": installed}
    _offer(stage, "other_boards_release_refused", "another board's", VERSION, "Unsuited")
    with thief.break_in(server, stage.folder / "genuine"):
        thief.put_back(server, stage.folder / "first-day")
        _offer(
            stage, "old_release_refused", "an old release, under old metadata", "1.0.0", "Rollback"
        )
    with thief.break_in(server, stage.folder / "genuine"):
        thief.freeze(server)
        _offer(stage, "frozen_timestamp_refused", "a frozen timestamp", VERSION, "Expired")
    stage.story.check(
        "nothing_of_the_thiefs_installed", _running(stage) == before, "every node runs what it ran"
    )


def _offer(stage: Stage, check: str, what: str, version: str, error: str) -> None:
    """Offer something to all at once; each must say why it does not want it."""
    nodes = stage.cast.everyone
    rollout = following.start(
        stage, version, nodes, _ALL, failure_percent=100, min_sample=len(nodes)
    )
    shown = following.follow(stage, rollout, told=False)
    following.act(stage, rollout, "abort")
    reasons = [str(action["reason"]) for action in shown["actions"]]
    refused = sum(
        action["state"] == "failed" and reason.startswith(error)
        for action, reason in zip(shown["actions"], reasons, strict=True)
    )
    stage.story.check(
        check, refused == len(nodes), f"{what}: {refused} of {len(nodes)} refuse: {reasons[0]}"
    )


def _running(stage: Stage) -> list[str]:
    """Return the version on each node's flash."""
    return [_version(node) for node in stage.cast.everyone]


def _version(node: Node) -> str:
    """Return the version on a node's flash; amid a write it cannot be read."""
    return str(node.wait(lambda: flashfiles.version(node.flash.path), 30))
