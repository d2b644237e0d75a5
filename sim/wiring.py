"""Builds the parts that a node's configuration names, wired as it says.

The configuration is the node's own config.json (firmware/config.schema.json): what the firmware
expects on its pins is what hangs there.
"""

from collections.abc import Mapping
from typing import Any, Protocol

from sim.board import Wiring
from sim.clock import Clock
from sim.errors import SimError
from sim.hardware.adc import Adc
from sim.hardware.bme280 import Bme280
from sim.hardware.lamp import LampCircuit
from sim.hardware.parts import Air, Sky
from sim.hardware.pms5003 import PERIOD_S, Pms5003
from sim.hardware.wifi import Wifi


class Surroundings(Air, Sky, Protocol):
    """Air and light at one place."""


def wire(
    config: Mapping[str, Any],
    clock: Clock,
    around: Surroundings,
    *,
    frame_s: float = PERIOD_S,
) -> Wiring:
    """Return the wiring for a parsed config.json; SimError for a driver without a model.

    `frame_s`: the time between two frames of a particle sensor by `clock`.
    """
    i2c: dict[tuple[int, int], dict[int, Any]] = {}
    uart: dict[tuple[int, int], Any] = {}
    pins: dict[int, Any] = {}
    adc: dict[int, Any] = {}
    for name, part in config["parts"].items():
        driver = part["driver"]
        if driver == "pms5003":
            uart[part["tx"], part["rx"]] = Pms5003(clock, around, period_s=frame_s)
        elif driver == "bme280":
            bus = i2c.setdefault((part["scl"], part["sda"]), {})
            bus[part.get("address", 0x76)] = Bme280(clock, around)
        elif driver == "lamp":
            pins[part["pin"]] = LampCircuit(clock, around)
        elif driver == "ambient":
            scale = part.get("lux_full_scale", 2000)
            adc[part["pin"]] = Adc(clock, around, full_scale_lux=scale)
        else:
            raise SimError(f"part {name}: there is no model of {driver!r}")
    network = config.get("wifi", {})
    wifi = Wifi(clock, ssid=network.get("ssid", ""), password=network.get("password", ""))
    return Wiring(i2c=i2c, uart=uart, pins=pins, adc=adc, wifi=wifi)
