"""Sent to a node over its serial port by `lamppost node selftest`, and run there in the raw REPL.

It makes a node of the slot's own ports, drivers and light task, as firmware/tasks/__init__.py
describes one, and has the slot's own self-test judge it: what an update has to pass. Network,
outbox and updates stay as they are. The lamp is at full all the time.

Lines to the laptop begin with "@" and are JSON: [name, value]. The laptop adds the last line, a
call of `main`.
"""

import asyncio
import gc
import json
import sys

import machine

from telling import restart, tell

_TRIES = 3
_READ_S = 6
_JUDGE_S = 20
_CONFIG_BYTES = 8192
_TEXT_MAX = 200


class Node:
    """What the light task and the self-test work with."""

    def __init__(self) -> None:
        if sys.platform == "esp32":
            from firmware.ports import esp32 as port
        else:
            from firmware.ports import unix as port
        self.clock = port.Clock()
        self.storage = port.Storage()
        self.watchdog = port.Watchdog(30_000)
        self.memory = port.Memory()
        self.console = self
        self.slot = sys.path[0]
        self.release = {}
        self.config: dict | None = None
        self.lamp: object = None
        self.ambient: object = None
        self.parts = {}
        self.answered = {}
        self.counts = {}
        self.beat = 0

    def info(self, task: str, text: str) -> None:
        """Say nothing of what goes as it should."""

    def warn(self, task: str, text: str) -> None:
        """Tell the laptop what does not."""
        tell("said", "%s: %s" % (task, text))

    error = warn


def verdict(part: str, why: str, values: dict | None = None) -> None:
    """Tell one part's verdict: an empty why is a pass."""
    tell("verdict", {"part": part, "why": why[:_TEXT_MAX], "values": values or {}})


def reason(error: Exception) -> str:
    """Name an error; of ours the words are enough."""
    words = str(error)
    return (
        words if type(error).__name__ == "SelfTestError" else type(error).__name__ + ": " + words
    )


def load_config(node: Node) -> None:
    """Take the configuration in force; what is wrong with the first choice is a failure."""
    from firmware.core import config as rules

    why = "there is none"
    for path in ("/etc/config.json", "/data/config.json"):
        try:
            data = node.storage.read(path, _CONFIG_BYTES)
            if data is None:
                continue
            node.config = rules.parse(data)
            why = "" if path.startswith("/etc") else "%s; the last valid one is in force" % why
            break
        except Exception as error:
            why = str(error) or type(error).__name__
    verdict("config", why)


def make(node: Node, name: str, part: dict) -> None:
    """Make a part's driver, as firmware/assembly.py does."""
    kind = part["driver"]
    if kind == "lamp":
        from firmware.drivers.lamp import Lamp

        pin = machine.Pin(part["pin"], machine.Pin.OUT, value=0, hold=False)  # pyright: ignore[reportCallIssue] - not in the stubs
        pwm = machine.PWM(pin, freq=part["frequency_hz"], duty_u16=0)
        node.lamp = node.parts[name] = Lamp(pin, pwm)
    elif kind == "ambient":
        from firmware.drivers.ambient import Ambient

        adc = machine.ADC(machine.Pin(part["pin"]), atten=machine.ADC.ATTN_11DB)
        node.ambient = node.parts[name] = Ambient(adc, part["lux_full_scale"])
    elif kind == "pms5003":
        from firmware.drivers.pms5003 import PMS5003

        uart = machine.UART(part["uart"], baudrate=9600, tx=part["tx"], rx=part["rx"])
        node.parts[name] = PMS5003(uart)
    elif kind == "bme280":
        from firmware.drivers.bme280 import BME280

        pins = machine.Pin(part["scl"]), machine.Pin(part["sda"])
        i2c = machine.I2C(part["i2c"], scl=pins[0], sda=pins[1])
        node.parts[name] = BME280(i2c, part["address"])
    else:
        raise ValueError("this version of `lamppost node` does not know the driver " + kind)


async def try_part(node: Node, name: str) -> None:
    """Read a part until it answers, or has been silent often enough."""
    why = ""
    for _ in range(_TRIES):
        try:
            values = await asyncio.wait_for(node.parts[name].read(), _READ_S)
        except Exception as error:
            why = reason(error)
            continue
        node.answered[name] = node.clock.uptime_s()
        verdict(name, "", values)
        return
    verdict(name, why)


async def run(node: Node) -> None:
    """Make the node, read its parts one by one, then have the firmware's self-test judge it."""
    from firmware.tasks import light, selftest, supervise

    with node.storage.open(node.slot + "/manifest.jsonl") as file:
        node.release = json.loads(file.readline(1024))
    tell("release", node.release.get("version"))
    load_config(node)
    configured = node.config["parts"] if node.config else {}
    for name, part in configured.items():
        try:
            make(node, name, part)
        except Exception as error:
            verdict(name, reason(error))
    tasks = [asyncio.create_task(each(node)) for each in (light.run, supervise.pulse)]
    await asyncio.sleep(0.1)
    for name in configured:
        if name in node.parts:
            await try_part(node, name)
    gc.collect()
    why = ""
    try:
        await asyncio.wait_for(selftest.run(node), _JUDGE_S)
    except asyncio.TimeoutError:
        why = "a part that answered before does not answer any more"
    except Exception as error:
        why = reason(error)
    verdict("firmware", why)
    for task in tasks:
        task.cancel()


def main(wants_restart: bool) -> None:
    """Test, and start anew when that is wanted, whatever happens before."""
    try:
        asyncio.run(run(Node()))
    except Exception as error:
        tell("fault", reason(error))
    finally:
        tell("end", True)
        if wants_restart:
            restart()
        machine.WDT(timeout=600_000)
