"""Sent to a node over its serial port, and run there in the raw REPL before the node is reset.

It asks what only holds until then: the reset cause, the clock, the Wi-Fi, the heap. It needs
nothing but MicroPython: what stands behind the port may be any board. Nothing is written.

Lines to the laptop begin with "@" and are JSON: [name, value], a fault as {"fault": text}.
"""

import gc
import json
import sys
import time
from binascii import hexlify

_CAUSES = ("PWRON_RESET", "HARD_RESET", "WDT_RESET", "DEEPSLEEP_RESET", "SOFT_RESET")


def ask(name, function) -> None:  # noqa: ANN001
    """Tell the laptop what a function finds, or why it does not."""
    try:
        found = function()
    except Exception as error:
        found = {"fault": "%s: %s" % (type(error).__name__, error)}
    print("@" + json.dumps([name, found]))


def heap() -> dict:
    """Measure the GC heap and, on a chip, the IDF heap, in bytes; mem_free counts its largest."""
    gc.collect()
    found = {"free": gc.mem_free(), "used": gc.mem_alloc()}
    try:
        import esp32

        regions = esp32.idf_heap_info(esp32.HEAP_DATA)
    except (ImportError, AttributeError):
        regions = []
    if regions:
        found["idf_free"] = sum([each[1] for each in regions])
        found["idf_largest"] = max([each[2] for each in regions])
        found["free"] -= found["idf_largest"]
    return found


def chip() -> dict:
    """Name chip and runtime."""
    import machine

    return {
        "platform": sys.platform,
        "machine": getattr(sys.implementation, "_machine", ""),
        "micropython": "%d.%d.%d" % tuple(sys.implementation.version[:3]),
        "unique_id": hexlify(machine.unique_id()).decode(),
    }


def reset_cause() -> str:
    """Name the last reset."""
    import machine

    found = machine.reset_cause()
    for name in _CAUSES:
        if getattr(machine, name, None) == found:
            return name
    return str(found)


def clock() -> int:
    """Tell the time by the chip's clock, unix s."""
    return int(time.time()) + (946_684_800 if time.gmtime(0)[0] == 2000 else 0)


def wifi() -> dict:
    """Describe the station interface as the firmware left it."""
    import network

    station = network.WLAN(network.STA_IF)
    found = {
        "active": station.active(),
        "connected": station.isconnected(),
        "mac": hexlify(station.config("mac")).decode(),
    }
    if found["connected"]:
        found["address"] = station.ifconfig()[0]
        try:
            found["rssi"] = station.status("rssi")
        except (OSError, ValueError):
            pass
    return found


for each in (("heap", heap), ("chip", chip), ("reset_cause", reset_cause), ("clock", clock)):
    ask(*each)
ask("wifi", wifi)
print("@" + json.dumps(["end", True]))
