"""`pytest hil_tests --rig board`: an emulated node stands for the board on the cable."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from benchboard import BenchBoard

from sim.clock import Clock
from sim.espimage import official
from sim.wiring import wire
from sim.world import World, midnight_place

ROOT = Path(__file__).parents[2]
CONFIG = {
    "window_s": 2,
    "sample_s": 1,
    "parts": {
        "air": {"driver": "pms5003", "uart": 1, "tx": 17, "rx": 16},
        "lamp": {"driver": "lamp", "pin": 25},
        "ambient": {"driver": "ambient", "pin": 34, "lux_full_scale": 2000},
    },
    "streams": {"pm25": {"part": "air", "purpose": "air quality", "retention_days": 365}},
}
BENCH = """
[board.pier]
chip = "esp32"
port = "{port}"
image = "micropython.bin"
host = "127.0.0.1"
wifi = {{ ssid = "bench", password_env = "BENCH_WIFI" }}
power = {power}
patience = 3
config = {config}
"""
HUB = '{ kind = "uhubctl", location = "1-1.4", port = 2 }'


def toml(value):
    """Return a value as TOML has it inline."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {toml(each)}" for key, each in value.items()) + " }"
    return json.dumps(value)


@pytest.fixture
def board(tmp_path):
    clock = Clock()
    place = World(1).at(midnight_place(time.time()))
    wiring = wire(
        {**CONFIG, "wifi": {"ssid": "bench", "password": "only for the bench"}},
        clock,
        place,
        frame_s=0.25,
    )
    with BenchBoard(tmp_path, wiring) as made:
        yield made


def hil(folder, board, power, *words):
    bench = folder / "bench.toml"
    bench.write_text(BENCH.format(port=board.port, power=power, config=toml(CONFIG)))
    (folder / "micropython.bin").write_bytes(official())
    environment = os.environ | board.environment | {"BENCH_WIFI": "only for the bench"}
    return subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-rs", "--rig", "board"),
            *("--bench", str(bench), *words),
        ],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )


def test_a_node_lives_on_a_board_that_a_usb_hub_switches(board, tmp_path):
    done = hil(
        tmp_path, board, HUB, "hil_tests/test_one_node.py", "-k", "boots or reports or power"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 passed" in done.stdout
    on, off = (["-l", "1-1.4", "-p", "2", "-a", action] for action in ("on", "off"))
    port = ["--port", str(board.port)]
    detected, written = board.commands[1:3]
    assert detected == [*port, "flash-id"]
    assert written[:-1] == [
        *(*port, "--chip", "esp32", "--baud", "460800"),
        *("write-flash", "--erase-all", "0"),
    ]
    started, cut, given_back = [off, on], [off, on], [off]
    assert board.commands == [on, detected, written, *started, *cut, *given_back]
    assert board.node.resets[-2:] == ["power_on", "power_on"]
    assert board.node.state == "off"
