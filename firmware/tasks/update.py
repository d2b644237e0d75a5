"""Updates: polls the server, has the updater do what is offered, has a trial boot judged.

All that takes is loaded when needed and let go. The server's polling interval holds, within the
updater's bounds; a config that polls faster than these is a bench's, and holds itself.
"""

import asyncio
import sys

from ota.core import errors

from firmware.tasks import measuring
from firmware.tasks.loading import let_go

DATA = "/data"
PARTS = "/data/parts"
REPORTS = "/data/reports"
_ERROR_WAIT_S = 60
_SLEEP_LEAST_S = 30
_MODULES = (
    "ota.device.updater",
    "ota.device.journal",
    "ota.device.poll",
    "ota.device.report",
    "ota.device.swap",
    "ota.device.files",
    "ota.core.update",
    "ota.core.versions",
    "ota.core.bootrecord",
    "firmware.tasks.errands",
    "firmware.tasks.trial",
    "firmware.tasks.selftest",
    "firmware.tasks.drift",
    "ota.core.manifest",
)


async def run(node) -> None:
    """Have the trial judged, if this is one; then look after updates, for ever."""
    if _is_trial():
        from firmware.tasks import trial

        await trial.judge(node, poll)
        del trial
        let_go(*_MODULES)
    await node.enrolled.wait()
    verify_s = node.clock.uptime_s() + node.config["verify_s"]
    while True:
        wait_s = _ERROR_WAIT_S
        try:
            wait_s = await turn(node)
        except errors.ServerError as error:
            node.console.warn("update", str(error))
            wait_s = max(wait_s, min(error.retry_after_s, 3600))
        except errors.NetworkError as error:
            node.console.warn("update", errors.reason(error))
        except OSError as error:  # what the flash refuses now, it may take another time
            node.console.error("update", "flash: %s" % error)
        finally:
            let_go(*_MODULES)
        if node.clock.uptime_s() >= verify_s:
            verify_s = node.clock.uptime_s() + node.config["verify_s"]
            from firmware.tasks import drift

            await drift.look(node)
            del drift
            let_go(*_MODULES)
        await asyncio.sleep(wait_s)


def _is_trial() -> bool:
    from ota.device import swap

    found = swap.load(DATA)["state"] == "trying"
    del swap
    let_go(*_MODULES)
    return found


async def turn(node) -> int:
    """Send what is to report, poll, tell, do what is offered; seconds until the next turn."""
    if node.storage.exists(REPORTS):
        from ota.device.report import Reports

        await Reports(DATA).send(node.client, node.id)
    offer = await poll(node)
    figures = node.memory.note()
    node.console.info("update", "memory with TLS open %s" % figures)
    if offer.config or node.clock.uptime_s() >= node.tell_s:
        await tell(node, figures)
    poll_s = node.config["poll_s"]
    if offer.action or offer.cancellation:
        if node.measuring and not measuring.has_room(node):
            from firmware.tasks import errands

            if not errands.may_leave(node):
                return poll_s
            keep_parts(node)
            await errands.make_room(node, measuring.UPDATE)
        await update(node, offer)
    measuring.resume(node)
    return poll_s if poll_s < _SLEEP_LEAST_S else offer.sleep_s


async def update(node, offer) -> None:
    """Do what is offered; resets when a release is staged."""
    if node.errand:
        measuring.make_more_room(node)
    from ota.device import updater

    node.memory.lowest.clear()
    staged = await updater.update(ports(node), offer)
    node.console.info("update", "memory at the lowest %s" % node.memory.lowest)
    if staged:
        if node.measuring:
            keep_parts(node)
        node.restart("update to " + offer.version)
    del updater
    let_go(*_MODULES)


def keep_parts(node) -> None:
    """Keep which parts answer: no more will be asked of the next release."""
    try:
        node.storage.write(PARTS, ",".join(sorted(node.answered)).encode())
    except OSError as error:
        node.console.error("update", "%s cannot be written: %s" % (PARTS, error))


async def poll(node):
    """Poll once."""
    from ota.device import poll as ddi

    from firmware.tasks import clock

    try:
        offer = await ddi.poll(node.client, node.id)
    except errors.Untrusted:  # or it is the time that is wrong
        clock.turn(node)
        raise
    clock.take_date(node, offer.headers)
    return offer


async def tell(node, figures: dict) -> None:
    """Send a heartbeat; not in an errand's start, whose heap is the update's."""
    if node.errand == measuring.UPDATE:
        return
    try:
        from firmware.tasks import heartbeat

        await heartbeat.send(node, figures)
        del heartbeat
    except Exception as error:  # nothing of it may stand in an update's way; the next poll tries
        node.console.warn("update", "heartbeat: " + errors.reason(error))
    let_go("firmware.tasks.heartbeat")


def ports(node):
    """Gather what the updater works with."""
    from ota.device import updater

    made = updater.Ports(
        node.client, node.id, node.release, runtime(), node.clock.now, saying(node)
    )
    made.note = node.memory.note
    return made


def saying(node):
    """Make what takes a line for the log."""
    return lambda text: node.console.info("update", text)


def settle(node) -> None:
    """Have the last trial's outcome put among the reports, before the heap is needed for more."""
    from ota.device import swap

    record = swap.load(DATA)
    if record["outcome"] == "fell":
        node.counts["fell"] = 1
        node.console.error("update", "back to slot %s: %s" % (record["slot"], record["reason"]))
    if record["outcome"] or record["state"] == "trying":
        from ota.device import journal

        journal.settle(DATA, saying(node))
        del journal
    del swap
    let_go(*_MODULES)


def runtime() -> str:
    """MicroPython's version."""
    return "%d.%d.%d" % tuple(sys.implementation.version[:3])
