"""The part of the wiring that is needed once, and let go: config, drivers, first words, tasks.

Order: config, lamp, light task; then the radio, the heap's second segment (to be claimed before
much is loaded, and before TLS), the parts, the outbox, and the tasks one by one.
"""

import asyncio
import json
import sys

from firmware.core.errors import ConfigError
from firmware.core.names import device_id
from firmware.tasks import light, measuring, supervise
from firmware.tasks.loading import let_go, load

CONFIG = "/etc/config.json"
CONFIG_KEPT = "/data/config.json"
_CONFIG_LIMIT = 4096
_PIECE_BYTES = 128
_UPDATE_MORE_BYTES = 2048  # an update's TLS has so much to spare: nothing is measured beside it
_RESIDENT = (
    "ota.core.errors",
    "firmware.tasks.clock",
    "firmware.tasks.network",
    "ota.device.http",
    "firmware.tasks.identity",
    "firmware.tasks.update",
)


async def start(node, cause: str) -> None:
    """Start everything, the light first; cause: of this start."""
    node.release = header(node.storage, node.slot)
    node.config = load_config(node)
    try:
        make_lamp(node)
    except Exception as error:  # a lamp that cannot be driven floats, and burns
        supervise.record(node, "lamp", error)
    node.tasks.append(asyncio.create_task(light.run(node)))
    node.tasks.append(asyncio.create_task(supervise.pulse(node)))
    await asyncio.sleep(0)
    tell(node, cause)
    node.network.start()
    node.id = device_id(node.network.mac)
    if getattr(sys.modules.get("startup"), "keys", None) is not None:
        from firmware.tasks import lock

        node.tasks.append(asyncio.create_task(supervise.run(node, "lock", lock.run)))
    if node.config is None:
        node.console.error(
            "main", "not provisioned: light at 100 %; run `lamppost node provision`"
        )
    else:
        node.errand = measuring.errand(node.storage)
        make_parts(node)
        start_tasks(node)


def start_tasks(node) -> None:
    """Start the tasks."""
    load(*_RESIDENT)
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


def header(storage, slot: str) -> dict:
    """Read the first line of the running release's manifest; {} when it cannot be read."""
    try:
        with storage.open(slot + "/manifest.jsonl") as file:
            found = json.loads(file.readline(1024))
        if type(found) is not dict:
            return {}
        found.pop("sbom", None)  # for auditors; here it would stay in the heap
        return found
    except (OSError, ValueError):
        return {}


def load_config(node) -> dict | None:
    """Read the config; an invalid one is named, and the last valid one stays in force."""
    from firmware.core import config

    made = new = None
    for path in (CONFIG, CONFIG_KEPT):
        try:
            text = node.storage.read(path, _CONFIG_LIMIT)
            if text is None:
                continue
            made = config.parse(text)
        except (ConfigError, ValueError) as error:
            node.console.error("config", "%s: %s" % (path, error))
            continue
        new = text if path == CONFIG else None
        break
    if made:
        made.pop("console", None)  # the boot code has it
    for stream in (made or {"streams": {}})["streams"].values():
        for name in ("purpose", "retention_days"):  # the server's to know
            stream.pop(name, None)
    del config
    let_go("firmware.core.config", "firmware.core.timezone")
    if new:
        keep_config(node, new)
    return made


def keep_config(node, text: bytes) -> None:
    """Keep a valid config for the day when there is none; a flash that refuses stops no start."""
    try:
        if not is_kept(node.storage, text):
            node.storage.write(CONFIG_KEPT, text)
    except OSError as error:
        node.console.error("config", "%s cannot be written: %s" % (CONFIG_KEPT, error))


def is_kept(storage, text: bytes) -> bool:
    """Compare with what is kept, piece by piece: the heap must not grow for a second copy."""
    if storage.size(CONFIG_KEPT) != len(text):
        return False
    with storage.open(CONFIG_KEPT) as file:
        for at in range(0, len(text), _PIECE_BYTES):
            if file.read(_PIECE_BYTES) != text[at : at + _PIECE_BYTES]:
                return False
    return True


def tell(node, cause: str) -> None:
    """Say what runs, and what the run before had to say."""
    release = node.release.get("version", "unknown")
    node.console.info("main", "release %s from %s, reset cause %s" % (release, node.slot, cause))
    for name in (node.config or {}).get("ignored", ()):
        node.console.warn("config", name + " is not known to this release")
    if node.storage.exists("/data/crash.old"):
        try:
            words = node.storage.read("/data/crash.old", 1024).decode()
        except ValueError:
            words = "nobody can read how"
        node.console.error("main", "the run before ended: " + words)
        node.storage.remove("/data/crash.old")


def make_lamp(node) -> None:
    """Make the drivers that the light task needs."""
    from machine import ADC, PWM, Pin

    for name, part in (node.config or {"parts": {}})["parts"].items():
        if part["driver"] == "lamp" and node.lamp is None:
            from firmware.drivers.lamp import Lamp

            pin = Pin(part["pin"], Pin.OUT, value=0, hold=False)  # pyright: ignore[reportCallIssue] - not in the stubs
            pwm = PWM(pin, freq=part["frequency_hz"], duty_u16=0)
            node.parts[name] = node.lamp = Lamp(pin, pwm)
        elif part["driver"] == "ambient" and node.ambient is None:
            from firmware.drivers.ambient import Ambient

            adc = ADC(Pin(part["pin"]), atten=ADC.ATTN_11DB)
            node.parts[name] = node.ambient = Ambient(adc, part["lux_full_scale"])


def make_parts(node) -> None:
    """Bound the heap, then make the drivers, but for an update; one that fails is left out."""
    pins = bus_pins(node.config)
    if pins:
        more = _UPDATE_MORE_BYTES if node.errand == measuring.UPDATE else 0
        gained = node.memory.claim(*pins, more)
        node.console.info("main", "heap claimed: %d bytes" % gained)
    for name, part in node.config["parts"].items():
        if name in node.parts or node.errand == measuring.UPDATE:
            continue
        try:
            node.parts[name] = make_part(part)
        except (OSError, ValueError) as error:
            supervise.record(node, name, error)


def make_part(part: dict):
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
