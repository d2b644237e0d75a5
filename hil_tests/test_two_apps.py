"""Two app partitions: a new runtime starts once, unless it is kept; emulated and stock.

The emulated node's bootloader (sim/shims/_bootloader.py) is held to what the stock image does.
"""

import struct

import pytest

from hil_tests.rigs import counted, two_apps
from sim.node import Node

_RESETS_S = 900  # a reset takes a counted chip half a minute, on a busy machine several


def image(content):
    """Return an ESP image of one segment (ESP-IDF, "App Image Format") without a hash."""
    head = struct.pack("<BBBBI16s", 0xE9, 1, 2, 0x20, 0x40080000, bytes(16))
    body = head + struct.pack("<II", 0x3F400020, len(content)) + content
    return body + bytes(16 - len(body) % 16)


@pytest.fixture
def node(tmp_path):
    flash = tmp_path / "flash.bin"
    flash.write_bytes(two_apps.flash(image(b"MicroPython v1.27.0")))
    made = Node(flash)
    yield made
    made.close()


@pytest.mark.timeout(60)
def test_an_emulated_node_rolls_back_what_is_not_kept(node):
    node.power_on()
    node.wait_text("end of probe", 30)
    assert two_apps.told(node.console.text) == two_apps.SAID


@pytest.mark.timeout(_RESETS_S + 30)
def test_the_stock_image_does(tmp_path):
    runtime = counted.runtime()
    flash = tmp_path / "flash.bin"
    flash.write_bytes(two_apps.flash(runtime[0x10000 - 0x1000 :], runtime[: 0x8000 - 0x1000]))
    said = counted.run(flash, tmp_path / "serial.log", "end of probe", deadline_s=_RESETS_S)
    assert two_apps.told(said) == two_apps.SAID
