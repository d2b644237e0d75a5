"""Measuring (sampling, outbox, uplink), and how it makes room for an errand: enrolment, an update.

Either takes as much heap as is free beside measuring, and more than is free in one piece. Where
there is no room, the node starts anew without measuring, does its errand in a heap that nothing
has scattered yet, and starts once more. A minute's readings are missing, and are seen to be.
"""

import asyncio

from firmware.tasks import supervise
from firmware.tasks.loading import let_go, load

FLAG = "/data/errand"
ENROLMENT = "enrolment"
UPDATE = "an update"
_CLAIM = "/etc/claim"
_IDENTITY = "/etc/identity"
_ROOM_BYTES = 40960  # an updater, the metadata it verifies, and what must stay free
_ALONE_S = 1800
MODULES = (
    "firmware.core.outboxlog",
    "firmware.tasks.outbox",
    "firmware.core.ranges",
    "firmware.core.filters",
    "firmware.core.windows",
    "firmware.tasks.sample",
    "firmware.core.senml",
    "firmware.tasks.uplink",
)

_DONE = (
    "firmware.core.calendar",
    "firmware.core.httpdate",
    "firmware.tasks.clock",
    "firmware.tasks.identity",
    "ota.device.poll",
)
_UPDATER = (
    "ota.core.versions",
    "ota.core.bootrecord",
    "ota.core.update",
    "ota.device.files",
    "ota.device.journal",
    "ota.device.updater",
    "ota.core.p256",
    "ota.core.keys",
    "ota.core.metadata",
    "ota.core.tuf",
    "ota.device.fetch",
    "ota.core.manifest",
    "ota.device.stage",
    "ota.device.patch",
    "ota.device.poll",
    "ota.device.report",
    "ota.device.swap",
)


def errand(storage) -> str:
    """Tell what this start is for: UPDATE, ENROLMENT or, to measure, ""."""
    try:
        why = storage.read(FLAG, 16)
        if why:
            storage.remove(FLAG)
            return why.decode()
    except (OSError, ValueError):
        pass  # whatever lies there, it is no errand
    return ENROLMENT if storage.exists(_CLAIM) and not storage.exists(_IDENTITY) else ""


def begin(node) -> None:
    """Start measuring, unless this start is an errand's."""
    if node.errand == ENROLMENT and has_room(node):
        node.errand = ""
    if not node.errand:
        start(node)
        return
    if node.errand == UPDATE:
        for name in ("streams", "parts", "position"):
            node.config[name] = {}
        # The table of names grows now, not when the heap is in pieces.
        for name in _UPDATER:
            load(name)
            let_go(*_UPDATER)
    node.tasks.append(asyncio.create_task(_watch(node)))


def start(node) -> None:
    """Open the outbox, start sampling and uplink; without an outbox the rest goes on."""
    load(*MODULES)
    from firmware.tasks import outbox, sample, uplink

    try:
        node.outbox = outbox.Outbox(node.storage, node.random)
    except OSError as error:
        supervise.record(node, "outbox", error)
        return
    if node.clock.synced:
        node.outbox.dated(node.clock.now() - node.clock.uptime_s())
    for name, work in (("sample", sample.run), ("uplink", uplink.run)):
        node.measuring.append(asyncio.create_task(supervise.run(node, name, work)))


def has_room(node) -> bool:
    """Say whether an errand can be done beside measuring."""
    return node.memory.note().get("heap_free", _ROOM_BYTES) >= _ROOM_BYTES


def make_more_room(node) -> None:
    """Forget what an update has no more use for, once its tasks have ended."""
    node.tasks[:] = [task for task in node.tasks if not task.done()]
    let_go(*_DONE)


def resume(node) -> None:
    """Measure again after an errand: at once where there is room, else after a clean start."""
    if not node.errand:
        return
    if node.errand == UPDATE or not has_room(node):
        node.restart("measuring again")
    node.errand = ""
    start(node)


async def _watch(node) -> None:
    """Let no errand take longer than half an hour."""
    await asyncio.sleep(_ALONE_S)
    resume(node)
