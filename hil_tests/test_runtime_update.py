"""A release brings another MicroPython: it is fetched, written, tried and kept, on a rig.

On the stock image it is the same app under another name, so that what is seen is the chip's own
bootloader, its flash and its memory. The figures of the budget are the firmware's own.
"""

import ast
import re

import pytest

from hil_tests.rigs.rig import flash_of
from ota.field.partitions import EIGHT_MB
from sim import flashfiles
from sim.espimage import app_of, renamed

pytestmark = pytest.mark.timeout(5400)

_KB = 1024
_NEW = "1.27.9"
_LOWEST = re.compile(r"update: memory at the lowest (\{.*\})")


def changed(text):
    return text.replace('"pm25": (0, 1000)', '"pm25": (0, 900)')


def test_a_release_brings_its_micropython(rig, city, tmp_path):
    image = renamed(rig.micropython(), _NEW)
    (tmp_path / "new.bin").write_bytes(image)
    node = rig.node(city, "hil-two-apps", "1.0.0", tmp_path, flash="8MB")
    brings = ("--micropython", tmp_path / "new.bin")
    built = city.release("1.1.0", {"core/ranges.py": changed}, options=brings)
    node.power_on()
    try:
        node.wait_text("enrol: certificate", 30 * rig.patience)
        city.wait_action(city.rollout("1.1.0", node), node, "confirmed", 90 * rig.patience)
        text = node.console.text
    finally:
        node.close()
    lowest = ast.literal_eval(_LOWEST.findall(text)[-1])
    print(f"\n{rig.name}: {built['runtime']} bytes of MicroPython, lowest {lowest}")
    path = flash_of(node)
    data = flashfiles.read(path, "data")
    assert (data["a/app"], data["b/app"]) == (b"ota_0", b"ota_1")
    assert flashfiles.version(path) == "1.1.0"
    app = app_of(image)
    with path.open("rb") as file:
        file.seek(EIGHT_MB["ota_1"].offset)
        assert file.read(len(app)) == app
    assert lowest["heap_free"] >= 12 * _KB
    assert lowest.get("idf_free", 20 * _KB) >= 20 * _KB
    assert lowest.get("idf_largest", 12 * _KB) >= 12 * _KB
