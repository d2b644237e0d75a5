"""How measuring makes room for an errand (see measuring.py); loaded when there is none."""

import asyncio

from firmware.tasks import measuring
from firmware.tasks.loading import let_go

ERRANDS = "/data/errands"
ERRANDS_PER_DAY = 12  # two planned starts each, whatever a server offers


def may_leave(node) -> bool:
    """Say whether it has measured long enough since the last errand, and has one left today."""
    if node.clock.uptime_s() < node.config["poll_s"]:
        return False
    if errands_today(node) < ERRANDS_PER_DAY:
        return True
    node.console.warn("update", "%d errands today: no more" % ERRANDS_PER_DAY)
    return False


def errands_today(node) -> int:
    """Count the errands of this day, by the clock's word."""
    try:
        day, _, count = (node.storage.read(ERRANDS, 32) or b"").partition(b" ")
        return int(count) if int(day) == node.clock.now() // 86400 else 0
    except ValueError:
        return 0  # none yet, or whatever else lies there


async def make_room(node, why: str) -> None:
    """Start anew for an errand; the open window is closed as long as it is.

    OSError when the flash refuses; it then measures on.
    """
    spent = errands_today(node) + 1
    node.storage.write(measuring.FLAG, why.encode())
    node.storage.write(ERRANDS, b"%d %d" % (node.clock.now() // 86400, spent))
    await close_window(node)
    leave(node, "room for " + why)


def leave(node, why: str) -> None:
    """Start anew after measuring has ended; OSError when the flash refuses: it measures on."""
    try:
        node.restart(why)
    except OSError:
        measuring.start(node)
        raise


async def leave_off(node) -> None:
    """End measuring until the next start: its heap is for something else."""
    await close_window(node)
    node.outbox = None
    let_go(*measuring.MODULES)


async def close_window(node) -> None:
    """End measuring: the open window goes to flash, as long as it is."""
    while node.measuring:
        task = node.measuring.pop()
        task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            pass
