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
_ACKNOWLEDGED = re.compile(r"windows up to (\d+) acknowledged")


@dataclass(frozen=True)
class Outage:
    """What a node held when its district came back; `mark`: of its console then."""

    node: Node
    waiting: Windows
    mark: int


def spoil(stage: Stage) -> float:
    """Make the networks of three districts bad in three ways; return when, on time.monotonic."""
    city = stage.city
    city.districts[CUT_OFF].cut()
    stage.story.tell(CUT_OFF, "is cut off")
    slow = city.districts[SLOW]
    slow.slow()
    slow.lossy()
    stage.story.tell(SLOW, "is slow and loses packets")
    city.districts[LOSES_AN_ANSWER].drop_next_2xx()
    return time.monotonic()


def lost_answer(stage: Stage) -> Windows:
    """Wait until an answer was lost; return the windows stored by then that nodes still hold."""
    district = stage.city.districts[LOSES_AN_ANSWER]
    stage.city.wait(lambda: district.dropped, PATIENCE_S, "an answer to be lost")

    def held() -> Windows:
        return {key for node in of(stage, LOSES_AN_ANSWER) for key in stored_and_held(stage, node)}

    resent = stage.city.wait(held, PATIENCE_S, "windows whose acknowledgement was lost")
    stage.story.tell(
        LOSES_AN_ANSWER, f"a 200 was lost after the commit of {len(resent)} windows: sent again"
    )
    return resent


def restore_cut_off(stage: Stage, since: float) -> list[Outage]:
    """Bring the district back that was cut off; return what each of its nodes then held."""
    nodes = of(stage, CUT_OFF)
    stage.city.wait(
        lambda: time.monotonic() - since >= _OUTAGE_S, PATIENCE_S, "the end of the outage"
    )
    outages = [Outage(node, unsent(stage, node), node.console.length) for node in nodes]
    stage.city.districts[CUT_OFF].restore()
    windows = sum(len(outage.waiting) for outage in outages)
    stage.story.tell(CUT_OFF, f"is back; {windows} windows wait on flash")
    return outages


def arrived_in_order(stage: Stage, outage: Outage) -> bool:
    """Wait until what waited has arrived; say whether it was acknowledged in order of time."""
    node = outage.node
    stage.city.wait(
        lambda: outage.waiting <= stored(stage, node),
        PATIENCE_S,
        f"late windows of {stage.names(node)}",
    )
    order = [int(seq) for seq in _ACKNOWLEDGED.findall(node.console.since(outage.mark))]
    return order == sorted(order)


def of(stage: Stage, district: str) -> list[Node]:
    """Return the nodes of a district."""
    return [node for name, node in stage.city.nodes.items() if name.startswith(f"{district}-")]


def stored(stage: Stage, node: Node) -> Windows:
    """Return the windows of a node that the server has."""
    return {(row["box"], row["seq"]) for row in stage.readings(node)}


def unsent(stage: Stage, node: Node) -> Windows:
    """Return what waits on a node's flash; amid a write it cannot be read."""

    def look() -> tuple[Windows] | None:
        try:
            return (flashfiles.outbox(node.flash.path)[1],)
        except FlashError:
            return None

    return stage.city.wait(look, PATIENCE_S, f"the flash of {stage.names(node)}")[0]


def stored_and_held(stage: Stage, node: Node) -> Windows:
    """Return the windows that the server has and the node has no acknowledgement for."""
    held = unsent(stage, node)
    return held & stored(stage, node)
