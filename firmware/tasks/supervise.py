"""Keeps the tasks going: what crashes is recorded, counted and started again, ever more slowly."""

import asyncio
import gc
import sys

BACKOFF_MAX_S = 300
STREAK_MAX = 8  # crashes in a row, some four minutes, after which the node starts anew
_SETTLED_S = 600  # a task that lived so long starts a new streak
_PULSE_S = 5
_FIRST_S = 60
_HOUR_S = 3600
_LIGHT_LATE_S = 20
_HEALTHY_S = 900


async def run(node, name: str, work) -> None:
    """Run `work(node)` until it returns; restart it when it raises."""
    streak = 0
    while True:
        began_s = node.clock.uptime_s()
        try:
            await work(node)
            return
        except Exception as error:  # once, for all tasks: no crash of one may stop another
            gc.collect()
            record(node, name, error)
        if node.clock.uptime_s() - began_s > _SETTLED_S:
            streak = 0
        streak += 1
        if streak >= STREAK_MAX:
            node.dying = "%s crashed %d times" % (name, streak)
            node.dead.set()
        await asyncio.sleep(min(BACKOFF_MAX_S, 1 << streak))


def record(node, name: str, error: Exception) -> None:
    """Log a crash and count it."""
    node.counts[name] = node.counts.get(name, 0) + 1
    node.console.error(name, "%s: %s" % (type(error).__name__, error))
    if hasattr(sys, "print_exception"):
        sys.print_exception(error)


async def pulse(node) -> None:
    """Feed the watchdog as long as the loop turns and the light task ticks; watch the memory."""
    tell_s = _FIRST_S
    while True:
        now_s = node.clock.uptime_s()
        if now_s - node.beat < _LIGHT_LATE_S:
            node.watchdog.feed()
        found = node.memory.note()
        if now_s >= tell_s:
            tell_s += _HOUR_S
            node.console.info("main", "memory %s, lowest %s" % (found, node.memory.lowest))
        await asyncio.sleep(_PULSE_S)


async def settle(node) -> None:
    """After a quarter of an hour without a crash streak, forgive the slot its earlier crashes."""
    while node.clock.uptime_s() < _HEALTHY_S:
        await asyncio.sleep(30)
    node.healthy()
