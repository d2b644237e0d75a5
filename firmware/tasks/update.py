"""Updates: polls the server, has the updater do what is offered, judges a trial boot.

poll, updater and self-test are loaded when needed and let go. The server's polling interval holds,
within the updater's bounds; a config that polls faster than these is a bench's, and holds itself.

A trial is confirmed after the self-test and one poll over mutual TLS that the server accepted. It
fails at once when the self-test does. Without an accepted poll within its powered minutes it fails
too, unless there was no way to the server: then it is put off without blame.
"""

import asyncio
import gc
import sys

from ota.core import errors

from firmware.tasks.loading import let_go

DATA = "/data"
PARTS = "/data/parts"
REPORTS = "/data/reports"
_ERROR_WAIT_S = 60
_TRIAL_POLL_S = 15
_SPEND_MINUTES = 5
_SLEEP_LEAST_S = 30
_BLAMELESS = (errors.Unreachable, errors.Timeout, errors.Closed)
_MODULES = (
    "ota.device.updater",
    "ota.device.poll",
    "ota.device.report",
    "ota.device.swap",
    "ota.device.files",
    "ota.core.update",
    "ota.core.versions",
    "ota.core.bootrecord",
    "firmware.tasks.selftest",
)


async def run(node: object) -> None:
    """Judge the trial, if this is one; then look after updates, for ever."""
    settle(node)
    if is_trial():
        await trial(node)
    await node.enrolled.wait()
    while True:
        wait_s = _ERROR_WAIT_S
        try:
            wait_s = await turn(node)
        except errors.ServerError as error:
            node.console.warn("update", str(error))
            wait_s = max(wait_s, min(error.retry_after_s, 3600))
        except errors.NetworkError as error:
            node.console.warn("update", errors.reason(error))
        finally:
            let_go(*_MODULES)
        await asyncio.sleep(wait_s)


async def turn(node: object) -> int:
    """Send what is to report, poll, do what is offered; seconds until the next turn."""
    if node.storage.exists(REPORTS):
        from ota.device.report import Reports

        await Reports(DATA).send(node.client, node.id)
    offer = await poll(node)
    if offer.action or offer.cancellation:
        from ota.device import updater

        gc.collect()
        if await updater.update(ports(node), offer):
            node.storage.write(PARTS, ",".join(sorted(node.answered)).encode())
            node.restart("update to " + offer.version)
    poll_s = node.config["poll_s"]
    return poll_s if poll_s < _SLEEP_LEAST_S else offer.sleep_s


async def poll(node: object) -> object:
    """Poll once; give the server what it asks to know of the node."""
    from ota.device import poll as ddi

    from firmware.tasks import clock

    offer = await ddi.poll(node.client, node.id)
    clock.take_date(node, offer.headers)
    if offer.config:
        release = node.release
        about = {"version": release["version"], "board": release["board"], "runtime": runtime()}
        await ddi.tell(node.client, node.id, about)
    return offer


def ports(node: object) -> object:
    """What the updater works with."""
    from ota.device import updater

    say = node.console.info
    return updater.Ports(
        node.client,
        node.id,
        node.release,
        runtime(),
        node.clock.now,
        lambda text: say("update", text),
    )


def settle(node: object) -> None:
    """Have the outcome of the last trial put among the reports."""
    from ota.device import updater

    updater.settle(ports(node))
    let_go(*_MODULES)


def runtime() -> str:
    """MicroPython's version."""
    return "%d.%d.%d" % tuple(sys.implementation.version[:3])


def is_trial() -> bool:
    """Say whether this start is a trial of its slot."""
    from ota.device import swap

    return swap.load(DATA)["state"] == "trying"


async def trial(node: object) -> None:
    """Confirm this release, or go back and say why."""
    node.console.info("update", "trial boot of release %s" % node.release.get("version"))
    from ota.device import swap

    why = await self_test(node)
    if why is None:
        why, blame = await accepted(node)
    else:
        blame = True
    if why is None:
        swap.confirm(DATA)
        node.console.info("update", "release %s confirmed" % node.release.get("version"))
        settle(node)
        return
    node.console.error("update", "going back: " + why)
    if blame:
        swap.fail(DATA, why)
    else:
        swap.defer(DATA, why)
    node.restart("back to the old release")


async def self_test(node: object) -> str | None:
    """Run the self-test: None when it passes, else why not."""
    try:
        from firmware.tasks import selftest

        await selftest.run(node)
    except Exception as error:  # a test that breaks has not been passed
        return "%s: %s" % (type(error).__name__, error)
    finally:
        let_go("firmware.tasks.selftest")
    return None


async def accepted(node: object) -> tuple:
    """Poll until the server accepts one: (None, False), or (why, whether the release is to blame).

    The trial's minutes add up over power cuts.
    """
    from ota.core import bootrecord
    from ota.device import swap

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
        await asyncio.sleep(min(_TRIAL_POLL_S, node.config["poll_s"]))
        if node.clock.uptime_s() - spent_s >= _SPEND_MINUTES * 60:
            spent_s = node.clock.uptime_s()
            record = bootrecord.spend(swap.load(DATA), _SPEND_MINUTES)
            swap.save(DATA, record)
            if record["minutes"] >= bootrecord.TRIAL_MINUTES:
                return why, blame
