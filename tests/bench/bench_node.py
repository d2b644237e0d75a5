"""What an emulated node costs the machine, and what an update costs the air."""

import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

from row import row

from sim import runtime
from sim.city import City

_OLD, _NEW = '"pm25": (0, 1000)', '"pm25": (0, 900)'


def rows():
    """Measure one node's memory and start, then the bytes of a one-file update over the air."""
    with tempfile.TemporaryDirectory() as folder, City(Path(folder) / "home") as city:
        city.open("1.0.0")
        node = city.node("bench", "1.0.0")
        began = time.monotonic()
        node.power_on()
        node.wait_text("main: release", 20)
        start_s = time.monotonic() - began
        node.wait_text("acknowledged", 40)
        with idle_vm() as (pid, idle_s):
            yield row("memory of one node's VM", private_kb(node.pid), "KB", private_kb(pid), _VM)
            name = "start: power on to firmware running, every file of the slot hashed"
            yield row(name, start_s, "s", idle_s, _VM)
        changes = {"core/ranges.py": lambda text: text.replace(_OLD, _NEW)}
        built = city.release("1.1.0", changes)
        before = city.received
        city.wait_action(city.rollout("1.1.0", node), node, "confirmed", 90)
        name = "a one-file update, all bytes to the node from offer to confirmation"
        full = "the files of the whole release, deflated"
        yield row(name, city.received - before, "bytes", built["deflated"], full)


_VM = "the same VM with nothing to run"


@contextmanager
def idle_vm():
    """Give process and seconds to start of a VM that waits at its prompt."""
    heap = f"heapsize={runtime.FIRMWARE_HEAP + runtime.SHIMS_HEAP}wK"
    began = time.monotonic()
    process = subprocess.Popen(
        [*runtime.command(), "-X", heap, "-c", "print(1); input()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        process.stdout.readline()
        yield process.pid, time.monotonic() - began
    finally:
        process.communicate(b"\n")


def private_kb(pid):
    """Return the memory in KB that would be free without this process."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_"))
