"""Bad networks: what waits on flash meanwhile, and what becomes of it."""

import re
import time
from dataclasses import dataclass

from sim import flashfiles
from sim.demo.cast import CUT_OFF, LOSES_AN_ANSWER, SLOW
from sim.demo.following import PATIENCE_S
from sim.demo.stage import Stage
from sim.errors import FlashError
from sim.flashfiles import Windows
from sim.node import Node

_OUTAGE_S = 8.0
_RESENT_S = 10.0  # within which a node has sent again what was not acknowledged
_AGAIN = re.compile(r"([0-9a-f]{16}) sent (\d+) records again")
_ACKNOWLEDGED = re.compile(r"windows up to (\d+) acknowledged")


@dataclass(frozen=True)
class Spoilt:
    """When networks became bad (time.monotonic), and what the slow district had sent by then."""

    at: float
    slow: int


@dataclass(frozen=True)
class Outage:
    """What a node held, unknown to the server, when its district came back.

    mark: of its console then.
    """

    node: Node
    waiting: Windows
    mark: int


def spoil(stage: Stage) -> Spoilt:
    """Make the networks of three districts bad in three ways."""
    districts, story = stage.city.districts, stage.story
    spoilt = Spoilt(time.monotonic(), _count(stage, SLOW))
    districts[CUT_OFF].cut()
    story.tell(CUT_OFF, "is cut off")
    districts[SLOW].slow()
    districts[SLOW].lossy()
    story.tell(SLOW, "has a slow network that loses packets")
    return spoilt


def lost_answer(stage: Stage) -> int:
    """Lose an answer to windows after their commit; return how many were then sent again."""
    district, nodes = stage.city.districts[LOSES_AN_ANSWER], _nodes(stage, LOSES_AN_ANSWER)
    due = 0.0

    def windows() -> int:
        nonlocal due
        if district.dropped and time.monotonic() > due:  # the last one answered something else
            district.drop_next_2xx()
            due = time.monotonic() + _RESENT_S
        return sum(resent(stage, node) for node in nodes)

    found = stage.wait(windows, PATIENCE_S, "windows whose acknowledgement is lost")
    stage.story.tell(LOSES_AN_ANSWER, "lost a 200 after the commit: the node sent again")
    return found


def resent(stage: Stage, node: Node) -> int:
    """Return how many windows the server was sent that it had: duplicates, by its own words."""
    records = sum(
        int(count) for device, count in _AGAIN.findall(stage.city.server_log) if device == node.id
    )
    return records // len({row["stream"] for row in stage.readings(node)}) if records else 0


def outages(stage: Stage, spoilt: Spoilt) -> list[Outage]:
    """Bring the district back that was cut off; return what each of its nodes then held."""
    nodes, until = _nodes(stage, CUT_OFF), spoilt.at + _OUTAGE_S
    stage.wait(lambda: time.monotonic() >= until, PATIENCE_S, "the end of the outage")
    found = [
        Outage(node, _unsent(stage, node) - _stored(stage, node), node.console.length)
        for node in nodes
    ]
    stage.city.districts[CUT_OFF].restore()
    windows = sum(len(outage.waiting) for outage in found)
    stage.story.tell(CUT_OFF, f"is back; {windows} windows wait on flash")
    return found


def arrive_in_order(stage: Stage, outage: Outage) -> bool:
    """Wait until what waited is stored; say whether it was acknowledged in order of time."""
    node = outage.node
    what = f"late windows of {stage.names(node)}"
    stage.wait(lambda: outage.waiting <= _stored(stage, node), PATIENCE_S, what)
    last = max(seq for _, seq in outage.waiting)

    def acknowledged() -> list[int]:
        found = [int(seq) for seq in _ACKNOWLEDGED.findall(node.console.since(outage.mark))]
        return found if found and found[-1] >= last else []

    order = stage.wait(acknowledged, PATIENCE_S, what)
    times = [row["time"] for row in sorted(stage.readings(node), key=lambda row: int(row["seq"]))]
    return order == sorted(order) and times == sorted(times)


def restore_slow(stage: Stage, spoilt: Spoilt) -> int:
    """Make the slow network good again; return the windows that came through meanwhile."""
    through = _count(stage, SLOW) - spoilt.slow
    stage.city.districts[SLOW].restore()
    stage.story.tell(SLOW, "has a good network again")
    return through


def _nodes(stage: Stage, district: str) -> list[Node]:
    return [node for name, node in stage.city.nodes.items() if name.startswith(f"{district}-")]


def _count(stage: Stage, district: str) -> int:
    return sum(len(_stored(stage, node)) for node in _nodes(stage, district))


def _stored(stage: Stage, node: Node) -> Windows:
    """Return the windows of a node that the server has."""
    return {(row["box"], row["seq"]) for row in stage.readings(node)}


def _unsent(stage: Stage, node: Node) -> Windows:
    """Return what waits on a node's flash; amid a write it cannot be read."""

    def look() -> tuple[Windows] | None:
        try:
            return (flashfiles.outbox(node.flash.path)[1],)
        except FlashError:
            return None

    return stage.wait(look, PATIENCE_S, f"the flash of {stage.names(node)}")[0]
