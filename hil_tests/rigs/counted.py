"""The stock ESP32 image in an emulator that counts instructions: nothing around it but a serial
port. What takes time there takes the same in every run, whatever else the host does.
"""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

NEEDED = ("LAMPPOST_QEMU", "LAMPPOST_QEMU_BIOS", "LAMPPOST_ESP32_IMAGE")
DEADLINE_S = 240
# 4 ns an instruction is 250 million a second, of the order of the chip's; 16 ns runs faster here.
CHIP, COARSE = 2, 4


def runtime() -> bytes:
    """Return the official image; skips, saying what is missing, without an emulator."""
    missing = [name for name in NEEDED if not os.environ.get(name)]
    if missing:
        pytest.skip(f"{', '.join(missing)} not set: no ESP32 emulator here")
    return Path(os.environ["LAMPPOST_ESP32_IMAGE"]).read_bytes()


def run(
    flash: Path, log: Path, until: str, shift: int = COARSE, deadline_s: float = DEADLINE_S
) -> str:
    """Start the emulator on a flash file and return what its serial port said up to `until`.

    Instructions are counted (2**shift ns each): the two cores then take turns, without which the
    emulator now and then trips over its own flash cache.
    """
    command = [
        os.environ["LAMPPOST_QEMU"],
        *("-L", os.environ["LAMPPOST_QEMU_BIOS"]),
        *("-machine", "esp32-picsimlab", "-nic", "user,model=esp32_wifi"),
        *("-icount", f"shift={shift},align=off,sleep=off"),
        *("-drive", f"file={flash},if=mtd,format=raw"),
        *("-display", "none", "-monitor", "none", "-serial", f"file:{log}"),
    ]
    deadline = time.monotonic() + deadline_s
    said = ""
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as emulator:
        assert emulator.stderr is not None
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
        f"nothing like {until!r} within {deadline_s} s; the serial port said: {said}"
    )
