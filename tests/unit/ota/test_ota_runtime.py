"""The runtime of a flash image: whole, for the right chip and small enough, or refused."""

import os
from pathlib import Path

import pytest

from ota.build import micropython
from ota.build.boards import BOARDS
from ota.build.errors import FieldError
from ota.field import image
from sim.espimage import ESP32, esp_image, official


@pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
def test_each_boards_runtime_starts_at_its_own_base(board):
    flash = image.flash_image(official(board), {}, {}, board=board)
    assert flash[board.base] == 0xE9
    assert flash[0x10000] == 0xE9
    assert micropython.split(official(board), board).version == "1.27.0"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (official(BOARDS["esp32c3"]), "the runtime is for ESP32-C3, board esp32 has ESP32"),
        (official(chip_id=13), "the runtime is for ESP32-C6, board esp32 has ESP32"),
        (official(app=esp_image(9)), "the runtime is for ESP32-S3, board esp32 has ESP32"),
        (b"UF2\n" * 1000, "is no ESP image"),
        (b"", "is no ESP image"),
        (b"\xe9", "cut short"),
        (official()[:0x9000], "the runtime is cut short: no app in it"),
        (official()[:-40], "the app is cut short"),
        (official()[:-1] + b"\0", "the app is damaged: its hash is wrong"),
        (official(size_nibble=4), "expects 16 MB of flash, this profile 4"),
        (esp_image(0).ljust(0x20000, b"\xff"), "no partition table at flash 0x8000"),
        (official(app=esp_image(0, bytes(0x1F0000))), "the app has .* its partition 2031616"),
    ],
)
def test_a_runtime_that_cannot_be_used_says_why(data, message):
    with pytest.raises(FieldError, match=message):
        image.flash_image(data, {}, {})


def test_an_app_with_a_flipped_bit_and_no_hash_fails_its_checksum():
    app = bytearray(esp_image(0, b"some code", hashed=False))
    micropython.split(official(app=bytes(app)), ESP32)
    app[40] ^= 1
    with pytest.raises(FieldError, match="the app is damaged: its checksum is wrong"):
        micropython.split(official(app=bytes(app)), ESP32)


def test_an_official_image_is_split_as_esptool_reads_it():
    path = os.environ.get("LAMPPOST_ESP32_IMAGE")
    if not path:
        pytest.skip("LAMPPOST_ESP32_IMAGE names no official MicroPython .bin")
    data = Path(path).read_bytes()
    found = micropython.split(data, ESP32)
    assert found.version
    flash = image.flash_image(data, {"boot.py": b"1"}, {})
    app = data[0x10000 - ESP32.base :]
    assert flash[0x10000:][: len(app)].rstrip(b"\xff") == app.rstrip(b"\xff")
