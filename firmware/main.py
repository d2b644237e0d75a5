"""The only wiring: builds ports and drivers, starts the tasks; no other module imports those.

What is needed only at the start lies in firmware/assembly.py and is let go. Order: config, lamp,
light task; then the radio, the heap's second segment (to be claimed before much is loaded, and
before TLS), the parts, the outbox, and the tasks one by one.
"""

import asyncio
import sys

from firmware.core.names import device_id
from firmware.ports.console import Console
from firmware.tasks import light, measuring, supervise
from firmware.tasks.loading import let_go, load

if sys.platform == "esp32":
    from firmware.ports import esp32 as port
else:
    from firmware.ports import unix as port

WATCHDOG_MS = 30_000
RESIDENT = (
    "firmware.tasks.clock",
    "firmware.tasks.network",
    "ota.core.errors",
    "ota.core.limits",
    "ota.device.http",
    "firmware.tasks.identity",
    "firmware.tasks.update",
)


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
    """Start everything, the light first."""
    from firmware import assembly

    node.release = assembly.header(node.storage, node.slot)
    node.config = assembly.load_config(node)
    try:
        assembly.make_lamp(node)
    except Exception as error:  # a lamp that cannot be driven floats, and burns
        supervise.record(node, "lamp", error)
    node.tasks.append(asyncio.create_task(light.run(node)))
    node.tasks.append(asyncio.create_task(supervise.pulse(node)))
    await asyncio.sleep(0)
    assembly.tell(node, port.Reset().cause())
    node.network.start()
    node.id = device_id(node.network.mac)
    if node.config is None:
        node.console.error("main", "no valid config: light at 100 %, waiting for the cable")
    else:
        node.errand = measuring.errand(node.storage)
        assembly.make_parts(node)
        start_tasks(node)
    del assembly
    let_go("firmware.assembly")
    node.console.info("main", "memory %s" % node.memory.note())
    await node.dead.wait()
    raise RuntimeError(node.dying)


def start_tasks(node: Node) -> None:
    """Start the tasks."""
    load(*RESIDENT)
    from firmware.tasks import clock, identity, network, update

    try:
        update.settle(node)
    except Exception as error:  # a report that cannot be made must not stop the measuring
        supervise.record(node, "update", error)
    measuring.begin(node)
    for name, work in (
        ("network", network.run),
        ("clock", clock.run),
        ("identity", identity.run),
        ("update", update.run),
        ("settle", supervise.settle),
    ):
        node.tasks.append(asyncio.create_task(supervise.run(node, name, work)))


def change_record(storage, change) -> None:
    """Apply a transition of ota.core.bootrecord to the boot record on flash."""
    from ota.core import bootrecord

    before = bootrecord.newest([storage.read("/data/boot.%d" % i, 512) for i in (0, 1)])
    after = change(before)
    if after != before:
        index, data, _ = bootrecord.seal(after)
        storage.write("/data/boot.%d" % index, data)
