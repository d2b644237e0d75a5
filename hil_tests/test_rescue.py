"""The rescue on a rig: both slots wrecked, the node fetches its release and starts it.

A timer in boot.py looks at the heaps while it works; boards have two of them that live off the
same RAM.
"""

import ast
import re

import pytest

from hil_tests.budget import within_idf_budget
from hil_tests.rigs.rig import flash_of
from sim import flashfiles

pytestmark = pytest.mark.timeout(3600)

_FIGURES = re.compile(r"lowest (\{.*\})")
_BOOT = b"""
import startup
import gc, machine
try:
    from esp32 import HEAP_DATA, idf_heap_info
except ImportError:
    idf_heap_info = None
lowest = {}
def look(_=None):
    regions = idf_heap_info(HEAP_DATA) if idf_heap_info else []
    largest = max([each[2] for each in regions] or [0])
    free = gc.mem_free() - largest
    found = {"heap_free": free, "heap": free + gc.mem_alloc()}
    if regions:
        found["idf_free"] = sum([each[1] for each in regions])
        found["idf_largest"] = largest
    for name in found:
        lowest[name] = min(found[name], lowest.get(name, found[name]))
    lowest["heap"] = max(found["heap"], lowest["heap"])
    return found
def say(text, tell=startup.say):
    gc.collect()
    tell(text)
    print("now", look(), "lowest", lowest)
startup.boot()
if startup.sys.path[0] == ".frozen":
    startup.say = say
    if hasattr(machine, "Timer"):
        machine.Timer(0).init(period=100, callback=look)
"""


def test_a_node_without_a_sound_slot_heals(rig, city, told, tmp_path_factory):
    node = rig.node(city, "hil-rescue", "1.0.0", tmp_path_factory.mktemp("rescue"))
    path = flash_of(node)
    files = flashfiles.read(path, "data")
    lost = {name: None for name in files if name.startswith("a/firmware/tasks")}
    flashfiles.change(path, "data", lost | {"b/manifest.jsonl": None, "b/firmware/main.mpy": b""})
    flashfiles.change(path, "vfs", {"boot.py": _BOOT})
    try:
        node.power_on()
        node.wait_text("files,", 45 * rig.patience)
        found = [ast.literal_eval(each) for each in _FIGURES.findall(node.console.text)]
        told["lowest in the rescue"] = found[-1]
        node.wait_text("release 1.0.0 from /data/", 20 * rig.patience)
        assert "again in" not in node.console.text
        within_idf_budget(found[-1])
    finally:
        node.close()
