"""Measuring (sampling, outbox, uplink), which makes room while a node enrols or updates.

Their code and buffers are a fifth of the heap; what is to be verified takes as much. So they stop
for that minute: the open window is closed as long as it is, what is on flash waits there.
"""

import asyncio

from firmware.tasks import supervise
from firmware.tasks.loading import let_go, load

_MODULES = (
    "firmware.core.outboxlog",
    "firmware.tasks.outbox",
    "firmware.core.ranges",
    "firmware.core.filters",
    "firmware.core.windows",
    "firmware.tasks.sample",
    "firmware.core.senml",
    "firmware.tasks.uplink",
)


def start(node) -> None:
    """Open the outbox, start sampling and uplink."""
    load(*_MODULES)
    from firmware.tasks import outbox, sample, uplink

    node.outbox = outbox.Outbox(node.storage, node.random, boot=node.boot)
    node.boot = node.outbox.boot
    if node.clock.synced:
        node.outbox.dated(node.clock.now() - node.clock.uptime_s())
    for name, work in (("sample", sample.run), ("uplink", uplink.run)):
        node.measuring.append(asyncio.create_task(supervise.run(node, name, work)))


async def stop(node) -> bool:
    """Stop them and forget their code; say whether they had been running."""
    was_running = bool(node.measuring)
    while node.measuring:
        task = node.measuring.pop()
        task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            pass
    node.outbox = None
    let_go(*_MODULES)
    return was_running
