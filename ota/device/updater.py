"""One update from offer to planned reset: carries out what ota.core.update decides.

Loaded when the server has something to do, and let go afterwards. The order within a step:
reports to flash, then the state, then the other effects. A power cut in between repeats effects,
and each may be carried out twice.

    updater.settle(ports)                 after every start, and when a trial has ended
    await updater.update(ports, offer)    True: the caller resets now; it is written down already
"""

import gc
import os
import sys

from ota.core.errors import (
    NetworkError,
    NodeError,
    Refused,
    RepositoryError,
    ServerError,
    TooLong,
    reason,
)
from ota.device import files

# What is not needed together is not loaded together.
_OTHERS = (
    "device.journal",
    "core.update",
    "core.versions",
    "device.poll",
    "device.report",
    "device.stage",
    "device.patch",
    "device.swap",
    "core.bootrecord",
    "core.manifest",
)


class Ports:
    """What an update works with.

    client: http.Client; device: this node's id; release: the running release's manifest header;
    runtime: MicroPython's version, "1.27.0"; now: callable, unix seconds; say: callable, takes a
    line for the log; data, factory: where the slots and the factory's root.json lie.
    """

    def __init__(self, client, device: str, release: dict, runtime: str, now, say) -> None:  # noqa: ANN001
        self.client = client
        self.device = device
        self.release = release
        self.runtime = runtime
        self.now = now
        self.say = say
        self.note = gc.collect  # called where most is loaded
        self.data = "/data"
        self.factory = "/etc/root.json"


def settle(ports: Ports) -> None:
    """Bring the journal in line with the boot record; see ota.device.journal."""
    from ota.device import journal

    journal.settle(ports.data, ports.say)


async def update(ports: Ports, offer) -> bool:  # noqa: ANN001 - a poll.Offer
    """Do what an offer asks, as far as it goes now; True when the node shall reset.

    Nothing raises that has to do with the release, the network or the server: it is reported.
    """
    if offer.cancellation:
        events = [("cancel", offer.cancellation, offer.cancels)]
    else:
        running = ports.release["version"]
        events = [("offer", offer.action, offer.version, running, ports.now())]
    try:
        while events:
            effects = _step(ports, events.pop(0))
            if effects:
                await _send(ports, events)
            for effect in effects:
                if effect[0] == "reset":
                    return True
                event = await _carry_out(ports, effect)
                if event:
                    events.append(event)
        return False
    finally:
        let_go(*_OTHERS)


def load(data: str) -> dict:
    """Read the journal's state."""
    from ota.device import journal

    return journal.load(data)


def let_go(*names: str) -> None:
    """Forget modules of ota, so that the collector can take their bytecode back."""
    for name in names:
        sys.modules.pop("ota." + name, None)
        package, child = name.split(".")
        parent = sys.modules.get("ota." + package)
        if hasattr(parent, child):
            delattr(parent, child)
    gc.collect()


def _rules() -> list[str]:
    """Name what is loaded of ota.core, but for what stays."""
    return [
        name[4:]
        for name in sys.modules
        if name.startswith("ota.core.") and name != "ota.core.errors"
    ]


def _step(ports: Ports, event: tuple) -> list:
    from ota.device import journal

    return journal.step(ports.data, event, ports.say)


async def _send(ports: Ports, events: list) -> None:
    """Send what is kept; what is not taken now is sent another time."""
    from ota.device.report import Reports

    try:
        gone = await Reports(ports.data).send(ports.client, ports.device)
        events.extend([("gone", action) for action in gone])
    except (NetworkError, ServerError) as error:
        ports.say("update: reports wait: " + reason(error))


async def _carry_out(ports: Ports, effect: tuple) -> tuple | None:
    """Carry out one effect; return the event that it leads to."""
    act = _ACTS.get(effect[0])
    if act is None:
        return None  # reports and answers: done with the step
    try:
        return await act(ports, *effect[1:])
    except (RepositoryError, NodeError, TooLong) as error:
        return "failed", reason(error)
    except OSError as error:
        return "failed", reason(files.wrapped(error))
    except (NetworkError, ServerError, MemoryError) as error:
        ports.say("update: another time: " + reason(error))
        return "delayed", reason(error), ports.now()


async def _fetch(ports: Ports, version: str) -> tuple:
    """Have TUF vouch for the manifest, and see whether it suits this node."""
    board = ports.release["board"]
    active, idle = _slots(ports.data)
    waiting = idle + "/manifest.new"
    name = "%s/%s.jsonl" % (board, version)
    let_go(*_OTHERS)
    files.make_folders(waiting)  # a damaged block may have taken the slot's
    try:
        from ota.device import fetch

        trusted = await fetch.refresh(ports.client, ports.data, ports.factory, ports.now())
        found = await fetch.listed(ports.client, ports.data, trusted, name)
        url = fetch.place(name, found[1])
        listed = trusted.targets["version"]
        ports.note()
    finally:
        trusted = fetch = None
        let_go("device.fetch", "device.delegated", *_rules())
    digest = found[1]
    if not await _patched(ports, url, found, active, waiting):
        from ota.device import fetch

        try:
            await fetch.target(ports.client, name, found, waiting)
        finally:
            fetch = None
            let_go("device.fetch", *_rules())
    from ota.core import bootrecord, manifest, versions
    from ota.device import swap

    with open(waiting, "rb") as file:
        head = manifest.whole(file)
    floor = max((load(ports.data)["floor"], ports.release["floor"]), key=versions.key)
    runtime = head["micropython"] if _two_apps() and head["micropython"] else ports.runtime
    manifest.suited(head, board, version, runtime, floor)
    if bootrecord.refused(swap.load(ports.data), digest):
        raise Refused("this manifest has failed its trials")
    if versions.key(head["floor"]) > versions.key(floor):
        # From here on no crash may lead back to what may be below it.
        files.remove(idle + "/manifest.jsonl")
    return "genuine", digest, head["floor"], listed


async def _patched(ports: Ports, url: str, found: tuple, active: str, waiting: str) -> bool:
    """Make a manifest of the running one and what has changed; False when that cannot be."""
    old = active + "/manifest.jsonl"
    size, digest = found
    if await files.matches(waiting, size, digest):
        return True
    from ota.device import patch

    try:
        with open(old, "rb") as file:
            url = "%s.%s" % (url, await files.copy(file, None, os.stat(old)[6]))
        new = ports.data + "/new"
        if await patch.get(ports.client, ports.data, url, old, new, (size, digest, size // 2)):
            files.make_folders(waiting)
            files.replace(new, waiting)
            return True
    finally:
        patch = None
        let_go("device.patch")
    return False


async def _fill(ports: Ports) -> tuple:
    active, idle = _slots(ports.data)
    let_go(*_OTHERS)
    from ota.device import patch, stage

    count, total = await stage.fill(ports.client, ports.data, idle, active, patch)
    ports.note()
    patch = None
    if _two_apps():
        let_go("device.patch")
        from ota.device import runtime

        try:
            total += await runtime.fill(ports.client, ports.data, idle, ports.say)
            ports.note()
        finally:
            runtime = None
            let_go("device.runtime", "core.runtime")
    stage.seal(idle)
    ports.say("update: %d files fetched, %d bytes" % (count, total))
    return ("filled",)


async def _stage(ports: Ports) -> tuple:
    from ota.device import swap

    state = load(ports.data)
    try:
        swap.stage(ports.data, state["digest"], state["action"], state["version"])
    except ValueError as error:
        raise Refused(str(error))
    return "staged", ports.now()


async def _clean(ports: Ports) -> None:
    from ota.device import stage

    stage.clean(ports.data, _slots(ports.data)[1])


def _two_apps() -> bool:
    """Say whether there is a place for another MicroPython than the one that runs."""
    try:
        from esp32 import Partition
    except ImportError:
        return False  # no chip: a test
    return len(Partition.find(Partition.TYPE_APP)) > 1


def _slots(data: str) -> tuple[str, str]:
    """Return the folders of the slot that runs and of the idle one. Refused during a trial."""
    from ota.core import bootrecord
    from ota.device import swap

    record = swap.load(data)
    if record["state"] == "trying":
        raise Refused("a trial is going on")
    slot = record["slot"]
    return "%s/%s" % (data, slot), "%s/%s" % (data, bootrecord.other(slot))


_ACTS = {"fetch": _fetch, "fill": _fill, "stage": _stage, "clean": _clean}
