"""The stock ESP32 image, in an emulator, mounts what `lamppost node image` laid out."""

import pytest

from hil_tests.rigs import counted
from ota.field.image import flash_image

# Run by the stock `_boot.py`, so from the `/` that it mounted by itself.
BOOT = b"""
import os, vfs
from esp32 import Partition
print("root", sorted(os.listdir("/")), sorted(os.listdir("/lib")), os.statvfs("/")[:3])
for info in sorted(p.info()[2:5] for p in Partition.find(Partition.TYPE_DATA)):
    print("partition", *info)
print("app", *Partition(Partition.RUNNING).info()[2:5])
vfs.mount(Partition.find(Partition.TYPE_DATA, label="data")[0], "/data")
print("data", sorted(os.listdir("/data")), os.statvfs("/data")[:3])
with open("/data/a/main.mpy", "rb") as file:
    print("read", len(file.read()))
with open("/data/written", "wb") as file:
    print("wrote", file.write(b"x" * 5000))
print("end of probe")
"""


@pytest.mark.timeout(counted.DEADLINE_S + 30)
def test_the_stock_image_mounts_both_file_systems(tmp_path):
    runtime = counted.runtime()
    flash = tmp_path / "flash.bin"
    vfs = {"boot.py": BOOT, "lib/startup.mpy": b"x" * 3000, "etc/claim": b"token"}
    data = {"a/main.mpy": b"m" * 9000, "b/main.mpy": b"m" * 9000, "boot.0": b"0" * 300}
    flash.write_bytes(flash_image(runtime, vfs, data))
    said = counted.run(flash, tmp_path / "serial.log", until="end of probe").splitlines()
    assert "root ['boot.py', 'etc', 'lib'] ['startup.mpy'] (4096, 4096, 32)" in said
    assert [line for line in said if line.startswith("partition")] == [
        f"partition {0x9000} {0x6000} nvs",
        f"partition {0xF000} {0x1000} phy_init",
        f"partition {0x200000} {0x20000} vfs",
        f"partition {0x220000} {0x1E0000} data",
    ]
    assert f"app {0x10000} {0x1F0000} factory" in said
    assert "data ['a', 'b', 'boot.0'] (4096, 4096, 480)" in said
    assert "read 9000" in said
    assert "wrote 5000" in said
