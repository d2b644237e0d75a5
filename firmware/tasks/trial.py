"""Judges a trial boot: self-test, then one poll over mutual TLS that the server accepts.

The release fails at once when the self-test does. Without an accepted poll within the trial's
powered minutes it fails too, unless there was no way to the server: then it is put off. The boot
record's rules are not in the heap while the node polls beside its measuring.
"""

import asyncio

from ota.core import errors

from firmware.tasks import measuring, update
from firmware.tasks.loading import let_go

_DATA = "/data"
_POLL_S = 15
_SPEND_MINUTES = 5
_MODULES = (
    "firmware.tasks.selftest",
    "ota.device.swap",
    "ota.device.files",
    "ota.core.bootrecord",
)
_BLAMELESS = (errors.Unreachable, errors.Timeout, errors.Closed)


async def judge(node, poll) -> None:
    """Judge this trial: the release stays, or the node goes back to the other."""
    why, blame = await run(node, poll)
    from ota.device import swap

    version = node.release.get("version")
    if why is None:
        swap.confirm(_DATA)
        words = "release %s confirmed, memory at the lowest %s"
        node.console.info("update", words % (version, node.memory.lowest))
        del swap
        let_go(*_MODULES)
        if not measuring.has_room(node):
            node.restart("to report it")
        update.settle(node)
        return
    node.console.error("update", "release %s goes back: %s" % (version, why))
    (swap.fail if blame else swap.defer)(_DATA, why)
    node.restart("back to the other release")


async def run(node, poll) -> tuple:
    """Judge: (None, False) when the release is good, else (why, whether it is to blame)."""
    node.console.info("update", "trial boot of release %s" % node.release.get("version"))
    why = await self_test(node)
    return await accepted(node, poll) if why is None else (why, True)


async def self_test(node) -> str | None:
    """Run the self-test: None when it passes, else why not."""
    try:
        from firmware.tasks import selftest

        await selftest.run(node)
        del selftest
    except Exception as error:  # a test that breaks has not been passed
        return "%s: %s" % (type(error).__name__, error)
    finally:
        let_go(*_MODULES)
    return None


async def accepted(node, poll) -> tuple:
    """Poll until the server accepts one: (None, False), or (why, whether the release is to blame).

    The trial's minutes add up over power cuts.
    """
    spent_s = node.clock.uptime_s()
    why, blame = "no network", False
    while True:
        if node.enrolled.is_set():
            try:
                await poll(node)
                return None, False
            except errors.ServerError as error:
                why, blame = errors.reason(error), error.status < 500 and error.status != 429
            except errors.NetworkError as error:
                why, blame = errors.reason(error), not isinstance(error, _BLAMELESS)
        elif node.online.is_set():
            why, blame = "no certificate", True
        await asyncio.sleep(min(_POLL_S, node.config["poll_s"]))
        if node.clock.uptime_s() - spent_s >= _SPEND_MINUTES * 60:
            spent_s = node.clock.uptime_s()
            if _spend():
                return why, blame


def _spend() -> bool:
    """Count the minutes into the boot record; say whether the trial's are over."""
    from ota.core import bootrecord
    from ota.device import swap

    record = bootrecord.spend(swap.load(_DATA), _SPEND_MINUTES)
    swap.save(_DATA, record)
    over = record["minutes"] >= bootrecord.TRIAL_MINUTES
    del swap, bootrecord
    let_go(*_MODULES)
    return over
