"""One node on the stock ESP32 image, in an emulator: what it leaves free and how long it takes.

Needs what `make hil RIG=esp32-emulator` needs. Times are of counted instructions, 4 ns each, the
same whatever else the machine does; those of an update are CPU seconds of the emulator. The limit
of memory is what the bare image has free.
"""

import os
import sys
import tempfile
from pathlib import Path
from unittest import SkipTest

sys.path.insert(0, str(Path(__file__).parents[2]))  # hil_tests is no part of the package

from row import row

from hil_tests.budget import figures
from hil_tests.rigs import counted
from hil_tests.rigs.esp32_emulator import Esp32Emulator
from hil_tests.test_chain_on_the_chip import SINGLES, measured, seconds
from ota.field.image import flash_image
from sim.city import City

_STARTED = "main: memory"
_OLD, _NEW = '"pm25": (0, 1000)', '"pm25": (0, 900)'
_BARE = "the bare image at its boot.py"
_WORDS = {"heap_free": "GC heap free", "idf_free": "IDF heap free", "idf_largest": "largest block"}

# Before any firmware of ours; how much is counted as in firmware/ports/esp32.py.
PROBE = b"""
import esp32, gc, time
gc.collect()
found = esp32.idf_heap_info(esp32.HEAP_DATA)
largest = max([r[2] for r in found])
print("bare", {"heap_free": gc.mem_free() - largest, "idf_free": sum([r[1] for r in found]),
    "idf_largest": largest, "us": time.ticks_us()})
print("end of probe")
"""


def rows():
    """Measure a start, the memory in each state of a node, an update, and what TUF takes."""
    missing = [name for name in counted.NEEDED if not os.environ.get(name)]
    if missing:
        raise SkipTest(f"{', '.join(missing)} not set: no ESP32 emulator here")
    with tempfile.TemporaryDirectory() as folder:
        runtime, work = counted.runtime(), Path(folder)
        flash = work / "bare.bin"
        flash.write_bytes(flash_image(runtime, {"boot.py": PROBE}, {}))
        said = counted.run(flash, work / "bare.log", "end of probe", counted.CHIP)
        bare = figures(said, "bare {")
        yield from _life(work, bare)
        found = measured(runtime, work)
        one = seconds(found, "one:p256") / SINGLES
        name = "seven signatures of P-256, a root's rotation among them: CPU"
        yield row(name, seconds(found, "p256:"), "s", 7 * one, "seven verifications")


def _life(work, bare):
    with City(work / "life", window_s=14, poll_s=3) as city:
        city.open("1.0.0")
        rig = Esp32Emulator()
        node = rig.node(city, "bench", "1.0.0", work)
        yield _start(node, work, bare)
        node.power_on()
        try:
            yield from _states(rig, city, node, bare)
        finally:
            node.close()


def _start(node, work, bare):
    copy = work / "start.bin"
    copy.write_bytes(node.flash_path.read_bytes())
    said = counted.run(copy, work / "start.log", _STARTED, counted.CHIP)
    line = next(line for line in said.splitlines() if _STARTED in line)
    seconds = float(line.partition("]")[0].strip("[ "))
    name = "start: MicroPython up to all tasks running, every file of the slot hashed"
    return row(name, seconds, "s", bare["us"] / 1e6, _BARE)


def _states(rig, city, node, bare):
    """Yield what is free in each state, and the CPU of an update beside that of a start."""
    node.wait_text(_STARTED, 20 * rig.patience)
    start_s = rig.cpu_s(node)
    yield from _free("idle, all tasks running", figures(node.console.text, _STARTED), bare)
    node.wait_text("memory with TLS open", 60 * rig.patience)
    text = node.console.text
    yield from _free("TLS open, measuring", figures(text, "memory with TLS open"), bare)
    city.release("1.1.0", {"core/ranges.py": lambda text: text.replace(_OLD, _NEW)})
    mark, began_s = node.console.length, rig.cpu_s(node)
    rollout = city.rollout("1.1.0", node)
    city.wait_action(rollout, node, "confirmed", 60 * rig.patience)
    update_s = rig.cpu_s(node) - began_s
    said = node.console.since(mark)
    yield from _free(
        "an update, at the lowest", figures(said, "update: memory at the lowest"), bare
    )
    name = "a one-line update, from offer to confirmation: CPU of the emulator"
    yield row(name, update_s, "s", start_s, "one start in the same run")


def _free(state, found, bare):
    for key, what in _WORDS.items():
        yield row(f"{state}: {what}", found[key] / 1024, "KB", bare[key] / 1024, _BARE)
