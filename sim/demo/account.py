"""Chapter 7: everything is counted: windows on flashes and server, cuts, light, nodes."""

from datetime import UTC, datetime

from sim import flashfiles
from sim.demo import network
from sim.demo.silence import VERSION
from sim.demo.stage import Stage
from sim.errors import SimError
from sim.hardware.lamp import LampCircuit
from sim.node import Node

TITLE = "Everything is counted"
_DRAIN_S = 60.0
_TRIES = 4
_COLUMNS = ("node", "identity", "kind", "release", "state", "reported", "starts")


def tell(stage: Stage) -> None:
    """Drain the outboxes, switch the nodes off, count."""
    shown = {node.id: stage.device(node) for node in stage.cast.everyone}
    wanted = [found["version"] == VERSION for found in shown.values()]
    _drain(stage)
    _windows(stage)
    _light(stage)
    _cuts(stage)
    stage.story.check(
        "all_run_the_wanted_release", all(wanted), f"{sum(wanted)} nodes run {VERSION}"
    )
    _nodes(stage)


def _drain(stage: Stage) -> None:
    """Switch every node off at a moment when nothing waits on its flash."""
    left = list(stage.cast.everyone)
    for _ in range(_TRIES):
        marks = [(node, node.console.length) for node in left]
        for number, (node, mark) in enumerate(marks):
            stage.story.doing("draining the outboxes", number, len(marks))
            node.power_on()
            node.wait_text("acknowledged", _DRAIN_S, mark)
        for node in left:
            node.power_off()
        left = [node for node in left if flashfiles.outbox(node.flash.path)[1]]
        if not left:
            return
    raise SimError(f"the outboxes of {stage.names(*left)} do not drain")


def _windows(stage: Stage) -> None:
    figures, story = stage.figures, stage.story
    for node in stage.cast.everyone:
        produced, _ = flashfiles.outbox(node.flash.path)
        rows = stage.readings(node)
        stored = {(row["box"], row["seq"]) for row in rows}
        spans = {(row["stream"], row["time"], row["length"]) for row in rows}
        figures.windows_produced += len(produced)
        figures.windows_stored += len(stored)
        figures.windows_lost += len(produced - stored)
        figures.windows_duplicated += len(rows) - len(spans)
        figures.windows_resent += network.resent(stage, node)
    story.check(
        "no_window_lost",
        figures.windows_produced > 0 and not figures.windows_lost,
        f"{figures.windows_produced} on flash, {figures.windows_lost} lost",
    )
    story.check(
        "no_window_twice",
        figures.windows_stored == figures.windows_produced and not figures.windows_duplicated,
        f"{figures.windows_stored} stored, {figures.windows_duplicated} twice,"
        f" {figures.windows_resent} sent again",
    )


def _light(stage: Stage) -> None:
    lamps = [lamp for node in stage.cast.everyone if (lamp := _lamp(node))]
    dark, lit = sum(lamp.dark_s for lamp in lamps), sum(lamp.lit_s for lamp in lamps)
    stage.figures.lamp_dark_seconds = round(dark, 3)
    stage.story.check(
        "never_dark",
        dark == 0 and all(lamp.lit_s > 0 for lamp in lamps),
        f"{len(lamps)} lamps: {lit:.0f} s at full light, {dark:.3f} s dark",
    )


def _lamp(node: Node) -> LampCircuit | None:
    pins = node.wiring.pins.values()
    return next((part for part in pins if isinstance(part, LampCircuit)), None)


def _cuts(stage: Stage) -> None:
    cut = [node for node in stage.cast.everyone if node.cuts]
    bricked = [node for node in cut if flashfiles.version(node.flash.path) != VERSION]
    injected = sum(node.cuts for node in cut)
    stage.figures.power_cuts = {"injected": injected, "bricked": len(bricked)}
    stage.story.check(
        "power_cuts_brick_nothing",
        injected == 2 and not bricked,
        f"{injected} cuts within flash writes, {len(bricked)} bricked",
    )


def _nodes(stage: Stage) -> None:
    rows = []
    for node in stage.cast.everyone:
        shown = stage.device(node)
        last = max(row["time"] for row in stage.readings(node))
        rows.append(
            (
                shown["name"],
                shown["id"],
                "light" if _lamp(node) else "air",
                str(shown["version"]),
                shown["state"],
                f"{datetime.fromtimestamp(last, UTC):%H:%M:%S}",
                str(len(node.resets)),
            )
        )
    stage.story.table("Nodes (times are UTC)", _COLUMNS, rows)
