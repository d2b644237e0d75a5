"""Chapter 2: a release in waves; each node fetches what changed and nothing else."""

import re

from sim.demo import following
from sim.demo.stage import Stage

TITLE = "1.1.0 comes over the air: to one node first, then to the rest"
VERSION = "1.1.0"
_FETCHED = re.compile(r"update: (\d+) files fetched")


def tell(stage: Stage) -> None:
    """Roll 1.1.0 out to everyone."""
    city, story, nodes = stage.city, stage.story, stage.cast.everyone
    story.doing("lamppost ota publish")
    built = stage.releases.publish(VERSION)
    stage.releases.prepare("1.2.0", "1.3.0")
    received = city.received
    rollout = following.start(stage, VERSION, nodes, following.ONE_THEN_ALL)
    shown = following.follow(stage, rollout)
    sent = (city.received - received) // len(nodes)
    confirmed = following.count(shown, "confirmed")
    full = int(built["deflated"])
    stage.figures.releases[VERSION] = {
        "confirmed": confirmed,
        "bytes_full": full,
        "bytes_sent_per_node": sent,
    }
    first = [action for action in shown["actions"] if action["wave"] == 1]
    later = [action["started_at"] for action in shown["actions"] if action["wave"] > 1]
    story.check(
        "first_wave_is_one_node",
        len(first) == 1 and min(later) >= first[0]["changed_at"],
        f"{len(first)} node alone, {len(later)} others after it had confirmed",
    )
    story.check("1.1.0_confirmed", confirmed == len(nodes), f"{confirmed} nodes run {VERSION}")
    _fetched(stage, full, sent)


def _fetched(stage: Stage, full: int, sent: int) -> None:
    changed = len(stage.releases.changed("1.0.0", VERSION))
    counts = [int(_FETCHED.findall(node.console.text)[-1]) for node in stage.cast.everyone]
    stage.story.check(
        "only_changed_files_fetched",
        counts == [changed] * len(counts) and sent < full,
        f"{changed} file a node; {sent} bytes to each with metadata, polls and all,"
        f" the release has {full}",
    )
