"""`lamppost node flash`: what esptool says becomes one line with the next step."""

import json
import os
import stat
import sys
import tty
from pathlib import Path

import pytest
import serial
from click.testing import CliRunner

from ota.build.boards import BOARDS
from ota.build.errors import FieldError
from ota.field import flash as flashing
from ota.field.cli import node
from ota.field.image import flash_image
from sim.espimage import official

FAKE = Path(__file__).parents[2] / "support" / "fake_esptool.py"


@pytest.fixture
def bench(tmp_path, monkeypatch):
    """Lay out an image and a port; the fake esptool comes first."""
    image = flash_image(official(), {"boot.py": b"1"}, {})
    (tmp_path / "flash.bin").write_bytes(image)
    (tmp_path / "port").touch()
    program = tmp_path / "esptool"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -I -S {FAKE} "$@"\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("LAMPPOST_ESPTOOL", str(program))

    def set_up(**board):
        board["log"] = str(tmp_path / "log")
        monkeypatch.setenv("FAKE_ESPTOOL", json.dumps(board))
        return tmp_path

    set_up()
    return set_up


def run(place, *more):
    words = ["flash", "--port", str(place / "port"), "--image", str(place / "flash.bin"), *more]
    return CliRunner().invoke(node, words)


def commands(place):
    return [json.loads(line) for line in (place / "log").read_text().splitlines()]


def refused(result, *words):
    assert result.exit_code == 2, result.output
    assert isinstance(result.exception, SystemExit)
    assert result.stderr.count("\n") == 1, result.stderr
    for each in words:
        assert each in result.stderr, result.stderr


def test_a_board_is_detected_erased_written_and_verified(bench):
    place = bench()
    result = run(place, "--json")
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert (told["id"], told["chip"], told["board"]) == ("240ac4fffe123456", "ESP32", "esp32")
    assert (told["bytes"], told["verified"]) == (4 << 20, True)
    detect, write = commands(place)
    assert detect == ["--port", str(place / "port"), "flash-id"]
    image = str(place / "flash.bin")
    assert write[2:] == [
        *("--chip", "esp32", "--baud", "460800"),
        *("write-flash", "--erase-all", "0", image),
    ]
    percents = []
    flashing.write(
        str(place / "port"), place / "flash.bin", BOARDS["esp32"], 9600, percents.append
    )
    assert percents == [0.4, 33.3, 66.7, 100.0]


@pytest.mark.parametrize(
    ("board", "words"),
    [
        ({"chip": "ESP32-C3"}, ["is an ESP32-C3, the image is for ESP32", "bundle for esp32c3"]),
        ({"chip": "ESP32-C6"}, ["is an ESP32-C6", "no release is for it"]),
        ({"flash": "2MB"}, ["has 2 MB of flash, the image needs 4 MB"]),
        ({"fail": "busy"}, ["the port is busy"]),
        ({"fail": "rights"}, ["no permission", "dialout"]),
        ({"fail": "silent"}, ["no board answers", "Hold BOOT, press EN"]),
        ({"fail": "mode"}, ["not in download mode"]),
        ({"fail": "noise"}, ["the line is noisy", "--baud 115200"]),
        ({"fail": "locked"}, ["is locked"]),
        ({"fail": "secure"}, ["is locked"]),
    ],
)
def test_what_does_not_suit_ends_before_anything_is_written(bench, board, words):
    place = bench(**board)
    refused(run(place), *words, "nothing was written")
    if board.get("fail") != "secure":
        assert len(commands(place)) == 1


@pytest.mark.parametrize(
    ("fail", "words"),
    [
        ("pulled", "was the cable pulled?"),
        ("lost", "was the cable pulled?"),
        ("worn", "does not read back"),
    ],
)
def test_a_write_that_was_cut_off_says_so_and_can_be_repeated(bench, fail, words):
    place = bench(fail=fail)
    refused(run(place), words, "it has no whole firmware now: give the same command again")
    assert run(bench()).exit_code == 0


def test_an_image_without_a_runtime_or_a_port_that_is_not_there_is_named(bench):
    place = bench()
    (place / "flash.bin").write_bytes(flash_image(None, {}, {}))
    refused(run(place), "holds no runtime", "lamppost node image --runtime")
    (place / "flash.bin").write_bytes(b"")
    refused(run(place), "holds no runtime")
    (place / "flash.bin").unlink()
    refused(run(place), "No such file")
    (place / "flash.bin").write_bytes(flash_image(official(), {}, {}))
    (place / "port").unlink()
    refused(run(place), "there is no such port")
    assert not (place / "log").exists()


def test_the_board_of_an_image_is_that_of_its_bootloader():
    for name in ("esp32", "esp32c3", "esp32s3"):
        board = BOARDS[name]
        image = flash_image(official(board), {}, {}, board=board)
        assert flashing.board_of(image) == board


def test_an_esptool_that_is_not_there_is_named(bench, monkeypatch):
    monkeypatch.setenv("LAMPPOST_ESPTOOL", "/nowhere/esptool")
    refused(run(bench()), "/nowhere/esptool: no such program", "'.[field]'")


def test_the_real_esptool_meets_a_port_that_is_busy_or_dead(monkeypatch):
    monkeypatch.delenv("LAMPPOST_ESPTOOL", raising=False)
    monkeypatch.setenv("ESPTOOL_CFGFILE", os.devnull)
    master, slave = os.openpty()
    tty.setraw(slave)
    port = os.ttyname(slave)
    try:
        busy = pytest.raises(FieldError, match=r"the port is busy.*nothing was written")
        with serial.Serial(port, exclusive=True), busy:
            flashing.detect(port)
        with pytest.raises(FieldError, match="no board answers"):
            flashing.detect(port)
    finally:
        os.close(master)
        os.close(slave)
