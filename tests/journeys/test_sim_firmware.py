"""The real firmware, among parts that are well and parts that are not, without a server."""

import re

import pytest
from emulated import LAMP_POST, StillAir, command, factory_flash

from sim.clock import Clock
from sim.node import Node
from sim.wiring import wire

STREAMS = {
    "pm25": "air",
    "temperature": "climate",
    "humidity": "climate",
    "pressure": "climate",
    "illuminance": "ambient",
    "lamp_level": "lamp",
}
CONFIG = LAMP_POST | {
    "parts": {
        "air": {"driver": "pms5003", "uart": 1, "tx": 17, "rx": 16},
        "climate": {"driver": "bme280", "i2c": 0, "scl": 22, "sda": 21, "address": 118},
        "lamp": {"driver": "lamp", "pin": 25},
        "ambient": {"driver": "ambient", "pin": 34, "lux_full_scale": 2000},
    },
    "streams": {
        name: {"part": part, "purpose": "test", "retention_days": 1}
        for name, part in STREAMS.items()
    },
}


@pytest.fixture(scope="module")
def factory():
    """The flash of a node of this checkout's firmware."""
    return factory_flash(CONFIG)


@pytest.fixture
def start(factory, tmp_path):
    """Give a function that switches a new node on."""
    nodes = []

    def started():
        path = tmp_path / f"{len(nodes)}.bin"
        path.write_bytes(factory)
        clock = Clock()
        air = StillAir(21.5, 48.0, 100_850.0, (7, 12, 21), 5.0)
        wiring = wire(CONFIG, clock, air, frame_s=0.4)
        nodes.append(Node(path, wiring=wiring, clock=clock))
        nodes[-1].power_on()
        return nodes[-1]

    yield started
    for node in nodes:
        node.close()


@pytest.fixture
def node(start):
    return start()


def window(node, mark):
    """Return the streams of the first whole window after a mark, as the node tells them."""
    pattern = re.compile(r"sample: window \d+ of 2 s, (.+?)\r")
    told = node.wait(lambda: pattern.search(node.console.since(mark)), 20, "a window")[1]
    return dict(part.split(" ") for part in told.split(", "))


def test_it_measures_from_raw_bytes_what_its_surroundings_are(node):
    node.wait_text("window 1 ", 20)
    told = window(node, node.console.length)
    assert set(told) == set(STREAMS)
    assert float(told["pm25"]) == 12
    assert float(told["temperature"]) == pytest.approx(21.5, abs=0.06)
    assert float(told["humidity"]) == pytest.approx(48, abs=0.1)
    assert float(told["pressure"]) == pytest.approx(100_850, abs=5)
    assert float(told["illuminance"]) == pytest.approx(5, abs=1)
    assert float(told["lamp_level"]) == 100
    assert node.lamp.dark_s == 0
    assert node.resets == ["power_on"]


def test_a_broken_line_gives_no_reading_and_the_others_go_on(start):
    faults = ["bad_checksum", "cut_short", "silent"]
    nodes = [start() for _ in faults]
    for node, fault in zip(nodes, faults, strict=True):
        node.wiring.uart[17, 16].fault = fault
        node.wiring.i2c[22, 21][0x76].fault = "nack"
    for node in nodes:
        node.wait_text("window 1 ", 20)
    marks = [node.console.length for node in nodes]
    for node, mark in zip(nodes, marks, strict=True):
        told = window(node, mark)
        assert told["pm25"] == "none"
        assert told["temperature"] == "none"
        assert float(told["lamp_level"]) == 100
        node.wiring.uart[17, 16].fault = None
        node.wiring.i2c[22, 21][0x76].fault = None
    for node, mark in zip(nodes, marks, strict=True):
        node.wait_text("pm25 12.0", 20, since=mark)
        node.wait_text("temperature 21.5", 20, since=mark)
        assert node.resets == ["power_on"]


def test_the_cable_works_on_running_firmware_and_the_lamp_stays_lit(node):
    node.wait_text("network: up", 20)
    listing = command("mpremote", "connect", node.serial, "fs", "ls", ":/etc").decode()
    assert "config.json" in listing
    assert "stopped from the cable" in node.console.text
    assert b"/data/a" in command("ampy", "--port", node.serial, "ls", "/data").split()
    assert node.lamp.level == 100
    command("mpremote", "connect", node.serial, "reset")
    node.wait(lambda: node.resets[-1] == "hard", 10)
    mark = node.console.length
    node.wait_text("sample: window", 20, since=mark)
    assert node.lamp.dark_s == 0
