"""Chapter 2: a release in waves; each node fetches what changed and nothing else."""

import re

from sim.demo.following import ONE_THEN_ALL, Shown, count, over, start
from sim.demo.stage import Stage

TITLE = "1.1.0 comes over the air: to one node first, then to the rest"
VERSION = "1.1.0"
_FETCHED = re.compile(r"update: (\d+) files fetched")


def tell(stage: Stage) -> None:
    """Roll 1.1.0 out to everyone."""
    city, nodes = stage.city, stage.cast.everyone
    stage.story.doing("lamppost ota publish")
    built = stage.releases.publish(VERSION)
    stage.releases.prepare("1.2.0", "1.3.0")
    received = city.received
    shown = start(stage, VERSION, nodes, ONE_THEN_ALL).follow(over)
    sent = (city.received - received) // len(nodes)
    confirmed, full = count(shown, "confirmed"), int(built["deflated"])
    stage.figures.releases[VERSION] = {
        "confirmed": confirmed,
        "bytes_full": full,
        "bytes_sent_per_node": sent,
    }
    _waves(stage, shown)
    stage.story.check(
        "1.1.0_confirmed", confirmed == len(nodes), f"{confirmed} of {len(nodes)} nodes confirmed"
    )
    _fetched(stage, full, sent)


def _waves(stage: Stage, shown: Shown) -> None:
    first = [action for action in shown["actions"] if action["wave"] == 1]
    later = [action for action in shown["actions"] if action["wave"] > 1]
    begun = min(action["started_at"] for action in later)
    stage.story.check(
        "first_wave_is_one_node",
        len(first) == 1 and begun >= first[0]["changed_at"],
        f"{len(first)} node alone, {len(later)} others once it had confirmed",
    )


def _fetched(stage: Stage, full: int, sent: int) -> None:
    changed = len(stage.releases.changed("1.0.0", VERSION))
    counts = [sum(map(int, _FETCHED.findall(node.console.text))) for node in stage.cast.everyone]
    stage.story.check(
        "only_changed_files_fetched",
        max(counts) == changed and sent < full,
        f"{changed} file a node: {sent} of {full} bytes, with metadata and polls",
    )
