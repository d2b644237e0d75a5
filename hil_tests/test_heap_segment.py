"""The heap's second segment on the stock ESP32 image: bounded however the IDF heap is cut up."""

import pytest

from hil_tests.rigs import counted
from ota.build.compiler import compile_module
from ota.build.sources import package_folder
from ota.field.image import flash_image

_KB = 1024
# Run by the stock `_boot.py`, before any firmware of ours.
PROBE = b"""
import gc, esp32, machine, network, sys
sys.path[:] = ["/lib", ".frozen"]
def idf():
    regions = esp32.idf_heap_info(esp32.HEAP_DATA)
    return sum([r[1] for r in regions]), max([r[2] for r in regions])
from firmware.ports import segment
network.WLAN(network.WLAN.IF_STA).active(True)
gc.collect()
if FRAGMENTED:
    # The heap grows and shrinks again; what was taken meanwhile stays in the middle.
    fill, free = [], idf()[0]
    while idf()[0] > free - 20000:
        fill.append(bytearray(1000))
    pin = machine.UART(2, tx=26, rx=27, rxbuf=4000)
    del fill
    for _ in range(3):
        gc.collect()
print("figure", idf()[1], segment.claim(17, 16, 3072)[0], *idf())
print("end of probe")
"""


@pytest.mark.timeout(counted.DEADLINE_S + 60)
@pytest.mark.parametrize("fragmented", [False, True])
def test_tls_is_left_its_share_of_the_idf_heap(tmp_path, fragmented):
    runtime = counted.runtime()
    ports = package_folder("firmware") / "ports"
    path = "firmware/ports/segment"
    code = {f"lib/{path}.mpy": compile_module(ports / "segment.py", f"{path}.py")}
    probe = PROBE.replace(b"FRAGMENTED", str(fragmented).encode())
    flash = tmp_path / "flash.bin"
    flash.write_bytes(flash_image(runtime, {"boot.py": probe, **code}, {"any": b""}))
    said = counted.run(flash, tmp_path / "serial.log", "end of probe").splitlines()
    (line,) = [each for each in said if each.startswith("figure")]
    before, gained, free, largest = map(int, line.split()[1:])
    print(f"\nlargest {before}, gained {gained}; left {free}, largest {largest}")
    assert (before < 64 * _KB) == fragmented
    assert 28 * _KB <= gained <= 44 * _KB
    assert free >= 48 * _KB
    assert largest >= 32 * _KB
