"""The node: what the tasks share, and how it starts. With firmware/assembly.py, the only wiring.

What is needed only at the start, the order in which things are started among it, lies there and
is let go; no other module imports ports and drivers.
"""

import asyncio
import sys

from firmware.ports.console import Console
from firmware.tasks.loading import let_go

if sys.platform == "esp32":
    from firmware.ports import esp32 as port
else:
    from firmware.ports import unix as port

WATCHDOG_MS = 30_000


class Node:
    """What the tasks work with; see firmware/tasks/__init__.py."""

    def __init__(self, slot: str) -> None:
        self.clock = port.Clock()
        self.storage = port.Storage()
        self.watchdog = port.Watchdog(WATCHDOG_MS)
        self.network = port.Network()
        self.memory = port.Memory()
        self.random = port.random
        self.console = Console(self.storage, self.clock)
        self.slot = slot
        self.release = {}
        self.id = ""
        self.config: dict | None = None
        self.lamp = self.ambient = self.outbox = self.client = None
        self.parts = {}
        self.answered = {}
        self.counts = {}
        self.beat = 0
        self.date_s = self.tell_s = 0
        self.dying = ""
        self.tasks = []
        self.measuring = []
        self.errand = ""
        self.filled = asyncio.Event()
        self.online = asyncio.Event()
        self.enrolled = asyncio.Event()
        self.dead = asyncio.Event()

    def restart(self, why: str) -> None:
        """Reset by intent: written down first, the lamp at full and held."""
        from ota.core import bootrecord

        self.console.info("main", "planned reset: " + why)
        change_record(self.storage, bootrecord.planned)
        try:
            if self.lamp:
                self.lamp.full_and_hold()
        finally:  # it is written down: what came of the lamp is the next start's to see
            port.Reset().reset()

    def healthy(self) -> None:
        """Forgive the slot its earlier crashes."""
        from ota.core import bootrecord

        change_record(self.storage, bootrecord.healthy)
        let_go("ota.core.bootrecord")


def main() -> None:
    """Run the node; returns never, raises what was fatal."""
    node = Node(sys.path[0])
    try:
        asyncio.run(start(node))
    except KeyboardInterrupt:
        node.watchdog.relax()
        raise


async def start(node: Node) -> None:
    """Start everything; run until a task is beyond help."""
    from firmware import assembly

    await assembly.start(node, port.Reset().cause())
    del assembly
    let_go("firmware.assembly")
    node.console.info("main", "memory %s" % node.memory.note())
    await node.dead.wait()
    raise RuntimeError(node.dying)


def change_record(storage, change) -> None:
    """Apply a transition of ota.core.bootrecord to the boot record on flash."""
    from ota.core import bootrecord

    before = bootrecord.newest([storage.read("/data/boot.%d" % i, 512) for i in (0, 1)])
    after = change(before)
    if after != before:
        index, data, _ = bootrecord.seal(after)
        storage.write("/data/boot.%d" % index, data)
