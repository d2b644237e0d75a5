"""Sent to a node over its serial port, and run there in the raw REPL: erases what the node knows.

Whole partitions, block by block, read back: a file system leaves copies of what it removes. The
first blocks of `vfs` go first: a node cut off in the middle then starts as a blank board does,
with MicroPython's prompt, and can be wiped again. This program lives in RAM alone.
"""

import json
import time

import machine
import vfs
from esp32 import Partition

_LABELS = ("vfs", "data", "nvs")  # nvs: ESP-IDF's own, where a Wi-Fi driver may keep networks
_TELL_EACH = 16


def tell(*words: object) -> None:
    """Tell the laptop."""
    print("@" + json.dumps(words))


def partitions() -> list:
    """List those that there are."""
    found = []
    for label in _LABELS:
        found += Partition.find(Partition.TYPE_DATA, label=label)
    return found


def wipe() -> None:
    """Erase; a block that does not read as erased gets zeros, and counts if it keeps neither."""
    found = partitions()
    for path in ("/data", "/"):
        try:
            vfs.umount(path)
        except OSError:
            pass  # not mounted
    machine.RTC().memory(b"")
    total = sum([part.ioctl(4, 0) for part in found])
    buffer = bytearray(4096)
    ones = b"\xff" * 4096
    done = bad = 0
    for part in found:
        machine.WDT(timeout=600_000)
        for block in range(part.ioctl(4, 0)):
            part.ioctl(6, block)
            part.readblocks(block, buffer)
            if buffer != ones:
                part.writeblocks(block, bytes(4096), 0)
                part.readblocks(block, buffer)
                bad += buffer != bytes(4096)
            done += 1
            if done % _TELL_EACH == 0:
                tell("at", done, total)
    tell("end", done, bad)


try:
    wipe()
except Exception as error:
    tell("fault", "%s: %s" % (type(error).__name__, error))
finally:
    time.sleep(0.2)  # for the last line to leave
    machine.reset()
