"""The stock ESP32 image, in an emulator, mounts what `lamppost node image` laid out."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from ota.field.image import flash_image

NEEDED = ("LAMPPOST_QEMU", "LAMPPOST_QEMU_BIOS", "LAMPPOST_ESP32_IMAGE")
DEADLINE_S = 240
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


@pytest.mark.timeout(DEADLINE_S + 30)
def test_the_stock_image_mounts_both_file_systems(tmp_path):
    missing = [name for name in NEEDED if not os.environ.get(name)]
    if missing:
        pytest.skip(f"{', '.join(missing)} not set: no ESP32 emulator here")
    flash = tmp_path / "flash.bin"
    runtime = Path(os.environ["LAMPPOST_ESP32_IMAGE"]).read_bytes()
    vfs = {"boot.py": BOOT, "lib/startup.mpy": b"x" * 3000, "etc/claim": b"token"}
    data = {"a/main.mpy": b"m" * 9000, "b/main.mpy": b"m" * 9000, "boot.0": b"0" * 300}
    flash.write_bytes(flash_image(runtime, vfs, data))
    said = boot(flash, tmp_path / "serial.log", until="end of probe").splitlines()
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


def boot(flash, log, until):
    """Start the emulator on a flash file and return what its serial port said up to `until`.

    Instructions are counted (-icount): the two cores then take turns, without which the emulator
    now and then trips over its own flash cache.
    """
    command = [
        os.environ["LAMPPOST_QEMU"],
        *("-L", os.environ["LAMPPOST_QEMU_BIOS"]),
        *("-machine", "esp32-picsimlab", "-nic", "user,model=esp32_wifi"),
        *("-icount", "shift=4,align=off,sleep=off"),
        *("-drive", f"file={flash},if=mtd,format=raw"),
        *("-display", "none", "-monitor", "none", "-serial", f"file:{log}"),
    ]
    deadline = time.monotonic() + DEADLINE_S
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as emulator:
        try:
            while time.monotonic() < deadline:
                said = log.read_text(errors="replace") if log.exists() else ""
                if until in said:
                    return said
                try:
                    emulator.wait(0.5)
                except subprocess.TimeoutExpired:
                    continue
                pytest.fail(f"the emulator ended: {emulator.stderr.read().decode()}")
        finally:
            emulator.send_signal(signal.SIGKILL)
    return pytest.fail(
        f"nothing like {until!r} within {DEADLINE_S} s; the serial port said: {said}"
    )
