"""The only wiring: builds ports and drivers, starts the tasks; no other module imports those.

Order: config, lamp, light task; then the radio, the heap's second segment (which must be claimed
before much is loaded and before TLS), the parts, the outbox, and the tasks one by one.
"""

import asyncio
import gc
import json
import sys

from firmware.core.errors import ConfigError
from firmware.core.names import device_id
from firmware.ports.console import Console
from firmware.tasks import light, supervise
from firmware.tasks.loading import let_go, load

if sys.platform == "esp32":
    from firmware.ports import esp32 as port
else:
    from firmware.ports import unix as port

WATCHDOG_MS = 30_000
CONFIG = "/etc/config.json"
CONFIG_KEPT = "/data/config.json"
RESIDENT = (
    "firmware.core.sntp",
    "firmware.tasks.clock",
    "firmware.tasks.network",
    "firmware.core.filters",
    "firmware.core.windows",
    "firmware.tasks.sample",
    "ota.core.errors",
    "ota.core.limits",
    "ota.device.http",
    "firmware.tasks.identity",
    "firmware.core.senml",
    "firmware.tasks.uplink",
    "firmware.tasks.update",
)
_CONFIG_LIMIT = 4096


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
        self.release = header(self.storage, slot)
        self.config = None
        self.lamp = self.ambient = self.outbox = self.client = self.id = None
        self.parts = {}
        self.answered = {}
        self.counts = {}
        self.beat = 0
        self.dying = ""
        self.tasks = []
        self.filled = asyncio.Event()
        self.online = asyncio.Event()
        self.enrolled = asyncio.Event()
        self.dead = asyncio.Event()

    def restart(self, why: str) -> None:
        """Reset by intent: written down first, the lamp at full and held."""
        from ota.core import bootrecord

        self.console.info("main", "planned reset: " + why)
        change_record(self.storage, bootrecord.planned)
        if self.lamp:
            self.lamp.full_and_hold()
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
    node.config = load_config(node)
    try:
        make_lamp(node)
    except Exception as error:  # a lamp that cannot be driven floats, and burns
        supervise.record(node, "lamp", error)
    node.tasks.append(asyncio.create_task(light.run(node)))
    node.tasks.append(asyncio.create_task(supervise.pulse(node)))
    await asyncio.sleep(0)
    tell(node)
    node.network.start()
    node.id = device_id(node.network.mac)
    if node.config is None:
        node.console.error("main", "no valid config: light at 100 %, waiting for the cable")
    else:
        start_tasks(node)
    await node.dead.wait()
    raise RuntimeError(node.dying)


def start_tasks(node: Node) -> None:
    """Claim the heap, make the parts and the outbox, start the tasks."""
    pins = bus_pins(node.config)
    if pins:
        node.console.info("main", "heap claimed: %d bytes" % node.memory.claim(*pins))
    make_parts(node)
    load("firmware.core.outboxlog", "firmware.tasks.outbox")
    from firmware.tasks import outbox

    node.outbox = outbox.Outbox(node.storage, node.random)
    node.clock.at_least(node.release.get("built", 0), "built")
    seen = node.storage.read("/data/seen", 16) or b"0"
    node.clock.at_least(int(seen) if seen.isdigit() else 0, "seen")
    load(*RESIDENT)
    from firmware.tasks import clock, identity, network, sample, update, uplink

    for name, work in (
        ("sample", sample.run),
        ("network", network.run),
        ("clock", clock.run),
        ("identity", identity.run),
        ("uplink", uplink.run),
        ("update", update.run),
        ("settle", supervise.settle),
    ):
        node.tasks.append(asyncio.create_task(supervise.run(node, name, work)))
    gc.collect()
    node.console.info("main", "memory %s" % node.memory.figures())


def header(storage: object, slot: str) -> dict:
    """Read the first line of the running release's manifest; {} when it cannot be read."""
    try:
        with storage.open(slot + "/manifest.jsonl") as file:
            found = json.loads(file.readline(1024))
        return found if type(found) is dict else {}
    except (OSError, ValueError):
        return {}


def load_config(node: Node) -> dict | None:
    """Read the config; an invalid one is named, and the last valid one stays in force."""
    from firmware.core import config

    made = None
    for path in (CONFIG, CONFIG_KEPT):
        try:
            text = node.storage.read(path, _CONFIG_LIMIT)
            if text is None:
                continue
            made = config.parse(text)
        except (ConfigError, ValueError) as error:
            node.console.error("config", "%s: %s" % (path, error))
            continue
        if path == CONFIG and node.storage.read(CONFIG_KEPT, _CONFIG_LIMIT) != text:
            node.storage.write(CONFIG_KEPT, text)
        break
    let_go("firmware.core.config")
    return made


def tell(node: Node) -> None:
    """Say what runs, and what the run before had to say."""
    cause = port.Reset().cause()
    release = node.release.get("version", "unknown")
    node.console.info("main", "release %s from %s, reset cause %s" % (release, node.slot, cause))
    for name in (node.config or {}).get("ignored", ()):
        node.console.warn("config", name + " is not known to this release")
    words = node.storage.read("/data/crash.old", 1024)
    if words:
        node.console.error("main", "the run before ended: " + words.decode())
        node.storage.remove("/data/crash.old")


def make_lamp(node: Node) -> None:
    """Make the drivers that the light task needs."""
    from machine import ADC, PWM, Pin

    for name, part in (node.config or {"parts": {}})["parts"].items():
        if part["driver"] == "lamp" and node.lamp is None:
            from firmware.drivers.lamp import Lamp

            pin = Pin(part["pin"], Pin.OUT, value=0, hold=False)
            pwm = PWM(pin, freq=part["frequency_hz"], duty_u16=0)
            node.parts[name] = node.lamp = Lamp(pin, pwm)
        elif part["driver"] == "ambient" and node.ambient is None:
            from firmware.drivers.ambient import Ambient

            adc = ADC(Pin(part["pin"]), atten=ADC.ATTN_11DB)
            node.parts[name] = node.ambient = Ambient(adc, part["lux_full_scale"])


def make_parts(node: Node) -> None:
    """Make the drivers of the parts that are read; one that fails is named and left out."""
    for name, part in node.config["parts"].items():
        if name in node.parts:
            continue
        try:
            node.parts[name] = make_part(part)
        except (OSError, ValueError) as error:
            supervise.record(node, name, error)


def make_part(part: dict) -> object:
    """Make one part's bus and driver."""
    from machine import I2C, UART, Pin

    if part["driver"] == "pms5003":
        from firmware.drivers.pms5003 import PMS5003

        return PMS5003(UART(part["uart"], baudrate=9600, tx=part["tx"], rx=part["rx"]))
    if part["driver"] == "bme280":
        from firmware.drivers.bme280 import BME280

        return BME280(
            I2C(part["i2c"], scl=Pin(part["scl"]), sda=Pin(part["sda"])), part["address"]
        )
    raise ValueError("a second " + part["driver"])


def bus_pins(config: dict) -> tuple | None:
    """Give two pins of a bus, on which an idle UART does no harm; None when there is no bus."""
    for part in config["parts"].values():
        for first, second in (("tx", "rx"), ("scl", "sda")):
            if first in part:
                return part[first], part[second]
    return None


def change_record(storage: object, change: object) -> None:
    """Apply a transition of ota.core.bootrecord to the boot record on flash."""
    from ota.core import bootrecord

    before = bootrecord.newest([storage.read("/data/boot.%d" % i, 512) for i in (0, 1)])
    after = change(before)
    if after != before:
        index, data, _ = bootrecord.seal(after)
        storage.write("/data/boot.%d" % index, data)
