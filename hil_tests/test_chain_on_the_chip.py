"""What a TUF chain costs the stock ESP32 image: CPU seconds, by counted instructions.

The chain is a real one, made by `lamppost ota init` and `publish`; the code is a slot's own. The
modules are loaded before: a look at the flash costs more there than the arithmetic.
"""

import time
from pathlib import Path

import pytest

from hil_tests.rigs import counted
from ota.build import bundle
from ota.field.image import flash_image
from sim.city import City

# Run by the stock `_boot.py`, before any firmware of ours.
PROBE = b"""
import gc, io, os, sys, vfs
from esp32 import Partition
from time import ticks_us, ticks_diff
vfs.mount(Partition.find(Partition.TYPE_DATA, label="data")[0], "/data")
sys.path[:] = ["/data/a", ".frozen"]
def content(name):
    with open("/data/chain/" + name, "rb") as file:
        return io.BytesIO(file.read())
def timed(name, steps):
    total = longest = 0
    while True:
        began = ticks_us()
        try:
            next(steps)
            ended = False
        except StopIteration:
            ended = True
        took = ticks_diff(ticks_us(), began)
        total += took
        longest = max(longest, took)
        if ended:
            break
    print("figure", name, total, longest)
gc.collect()
free = gc.mem_free()
from ota.core import p256, tuf
gc.collect()
print("figure loaded", free - gc.mem_free(), 0)
files = {name: content(name + ".json") for name in ("root", "timestamp", "snapshot", "targets")}
began = ticks_us()
trusted = tuf.Trusted(files["root"], NOW)
print("figure root", ticks_diff(ticks_us(), began), 0)
for name in ("timestamp", "snapshot", "targets"):
    timed(name, getattr(trusted, "update_" + name)(files[name]))
print("target", trusted.target("esp32/1.0.0.jsonl")[1])
print("end of probe")
"""


@pytest.mark.timeout(counted.DEADLINE_S + 60)
def test_a_chain_verifies_in_slices_that_keep_the_loop_turning(tmp_path):
    runtime = counted.runtime()
    with City(tmp_path / "home") as city:
        city.found()
        city.serve()
        release = bundle.load(Path(city.release("1.0.0")["bundle"]))
    metadata = city.home / "server" / "tuf" / "metadata"
    signed = {role: _newest(metadata, role) for role in ("root", "snapshot", "targets")}
    signed["timestamp"] = (metadata / "timestamp.json").read_bytes()
    data = release.slot("a") | {f"chain/{role}.json": text for role, text in signed.items()}
    flash = tmp_path / "flash.bin"
    probe = PROBE.replace(b"NOW", str(int(time.time())).encode())
    flash.write_bytes(flash_image(runtime, {"boot.py": probe}, data))
    said = counted.run(flash, tmp_path / "serial.log", "end of probe", counted.CHIP).splitlines()
    words = [line.split() for line in said if line.startswith("figure")]
    figures = {name: (int(total), int(longest)) for _, name, total, longest in words}
    loaded, _ = figures.pop("loaded")
    total_s = sum(total for total, _ in figures.values()) / 1e6
    longest_ms = max(longest for _, longest in figures.values()) / 1e3
    print(f"\na chain: {total_s:.2f} s of CPU, longest slice {longest_ms:.0f} ms")
    print(f"tuf, p256 and what they import: {loaded} bytes of heap")
    print({name: f"{total / 1e6:.2f} s" for name, (total, _) in figures.items()})
    assert any(line.startswith("target ") and len(line.split()[1]) == 64 for line in said)
    assert longest_ms <= 50  # DESIGN.md: "The loop must not stall"
    assert total_s < 3


def _newest(metadata, role):
    files = metadata.glob(f"*.{role}.json")
    return max(files, key=lambda path: int(path.name.split(".")[0])).read_bytes()
