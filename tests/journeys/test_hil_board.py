"""`pytest hil_tests --rig board`: an emulated node stands for the board on the cable."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from benchboard import BenchBoard, FakeRelay
from emulated import flash
from serialnet import SerialSocket

from hil_tests.rigs.around import Network, TimeServer
from hil_tests.rigs.bench import Place
from hil_tests.rigs.board import BoardNode
from hil_tests.rigs.console import SerialConsole
from hil_tests.rigs.flasher import Esptool
from hil_tests.rigs.power import Relay, Unswitched
from hil_tests.rigs.rig import BenchError
from ota.boards import BOARDS
from sim.clock import Clock
from sim.espimage import official
from sim.wiring import wire
from sim.world import World, midnight_place

ROOT = Path(__file__).parents[2]
MAIN = "import time\nfor n in range(9999):\n    print('tick %04d' % n)\n    time.sleep(0.05)\n"
UP = "tick 0005"
_DEADLINE_S = 200
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
        timeout=_DEADLINE_S,
        check=False,
    )


@pytest.mark.timeout(_DEADLINE_S + 30)
def test_a_node_lives_on_a_board_that_a_usb_hub_switches(board, tmp_path):
    done = hil(tmp_path, board, HUB, "hil_tests/test_one_node.py", "-k", "boots or power")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout
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


def test_a_bench_file_that_is_wrong_ends_before_any_test(board, tmp_path):
    done = hil(tmp_path, board, '{ kind = "uhubctl", location = "1-1.4" }', "hil_tests")
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    error = f"{tmp_path / 'bench.toml'}: board pier: power: port: is missing"
    assert done.stderr.strip() == f"ERROR: {error}"
    assert not board.log.exists()


@pytest.fixture
def node(board, tmp_path, monkeypatch):
    """Give a function that makes a node of the board, with firmware of a test's own."""
    for name, value in board.environment.items():
        monkeypatch.setenv(name, value)
    made = []

    def make(port, power):
        image = flash(tmp_path / "image.bin", MAIN)
        place = Place(
            *("pier", BOARDS["esp32"], str(port), 115_200, image, "127.0.0.1"),
            *({}, {}, power, 1.0),
        )
        flasher = Esptool(place)
        place.power.on()
        chip, console = flasher.chip(), SerialConsole(place.port, tmp_path / "pier.log")
        around = (Network(("127.0.0.1", 9)), TimeServer())
        made.append(BoardNode(place, chip, flasher, image, console, *around))
        return made[-1]

    yield make
    for each in made:
        each.close()


def test_a_relay_switches_a_board_whose_port_stays(board, node):
    with FakeRelay(board.do) as relay:
        made = node(board.node.serial, Relay(relay.port, 1))
        assert made.id == board.node.id
        assert made.flash_path.name == "image.bin"
        made.power_on()
        assert made.flash_path is None
        made.wait_text(UP, 20)
        mark = made.console.length
        made.power_off()
        board.node.wait(lambda: board.node.state == "off", 10)
        made.power_on()
        made.wait_text(UP, 20, mark)
        mark = made.console.length
        made.press_reset()  # a PTY has no control lines: by its power
        made.wait_text(UP, 20, mark)
        assert set(board.node.resets) == {"power_on"}
        made.close()
        board.node.wait(lambda: board.node.state == "off", 10)


def test_a_board_that_nothing_switches_is_reset_by_its_ports_control_lines(board, node):
    board.do(["on"])
    with SerialSocket(board.node.serial, rfc2217=True, en=board.node.press_reset) as line:
        made = node(line.url, Unswitched())
        made.power_on()
        made.wait_text(UP, 20)
        mark = made.console.length
        made.press_reset()
        made.wait_text(UP, 20, mark)
        with pytest.raises(pytest.skip.Exception, match="cannot cut power"):
            made.power_off()
        with pytest.raises(pytest.skip.Exception, match="the air at a board is what it is"):
            made.stimulus.set(1, 2, 3)
        made.close()
    assert board.node.state == "running"


def test_a_bench_file_that_is_not_true_is_an_error_and_no_skip(board, node, monkeypatch):
    monkeypatch.setattr("hil_tests.rigs.flasher._THERE_S", 0.2)
    with pytest.raises(BenchError, match=r"board pier: .*ttyUSB9: there is no such port"):
        node(board.port.with_name("ttyUSB9"), Unswitched())
    board.do(["on"])
    told = json.loads(os.environ["FAKE_ESPTOOL"]) | {"chip": "ESP32-C3"}
    monkeypatch.setenv("FAKE_ESPTOOL", json.dumps(told))
    with pytest.raises(BenchError, match=r"board pier: .* the board is an ESP32-C3"):
        node(board.port, Unswitched())
