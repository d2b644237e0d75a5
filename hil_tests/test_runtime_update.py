"""A release brings another MicroPython: it is fetched, written, tried and kept, on a rig.

On the stock image it is the same app under another name, so that what is seen is the chip's own
bootloader, its flash and its memory. The figures of the budget are the firmware's own.
"""

import pytest

from hil_tests.budget import above_the_least, figures
from hil_tests.changes import ONE_LINE
from hil_tests.rigs.rig import flash_of
from ota.boards import BOARDS
from ota.field.partitions import EIGHT_MB
from sim import flashfiles
from sim.espimage import app_of, renamed

pytestmark = pytest.mark.timeout(5400)

_NEW = "1.27.9"


def test_a_release_brings_its_micropython(rig, city, told, tmp_path):
    board = BOARDS[rig.board]
    image = renamed(rig.micropython(), _NEW, board)
    (tmp_path / "new.bin").write_bytes(image)
    node = rig.node(city, "hil-two-apps", "1.0.0", tmp_path, flash="8MB")
    brings = ("--micropython", tmp_path / "new.bin")
    built = city.release("1.1.0", ONE_LINE, options=brings)
    node.power_on()
    try:
        node.wait_text("enrol: certificate", 30 * rig.patience)
        city.wait_action(city.rollout("1.1.0", node), node, "confirmed", 90 * rig.patience)
        text = node.console.text
    finally:
        node.close()
    told["MicroPython brought"] = f"{built['runtime']} bytes"
    told["lowest in its update"] = lowest = figures(text, "update: memory at the lowest")
    above_the_least(lowest)
    path = flash_of(node)
    data = flashfiles.read(path, "data")
    assert (data["a/app"], data["b/app"]) == (b"ota_0", b"ota_1")
    assert flashfiles.version(path) == "1.1.0"
    app = app_of(image, board)
    with path.open("rb") as file:
        file.seek(EIGHT_MB["ota_1"].offset)
        assert file.read(len(app)) == app
