"""What an emulated city costs the machine: memory and CPU a node, and the time until all enrol."""

import subprocess
import tempfile
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

from row import row

from ota.build import bundle
from sim import fleet, runtime, usage
from sim.fleet import Fleet
from sim.nodeconfig import Pace
from sim.office import Office

SIZES = (8, 50, 100)
PACE = Pace(window_s=600, poll_s=300, sample_s=10, frame_s=2.3)  # the firmware's own defaults
IDLE = 8
WATCHED_S = 20
ENROL_S = 300
WAKES = "import asyncio\nasync def main():\n while True:\n  await asyncio.sleep(1)\n"
WAKES += "print(1)\nasyncio.run(main())"


def rows():
    """Run fleets of growing size as `lamppost sim run` does, each against the same server."""
    idle_bytes, idle_cores = idle()
    with tempfile.TemporaryDirectory() as folder, office(Path(folder) / "home") as made:
        release = bundle.load(Path(made.bundles["1.0.0"]["bundle"]))
        url = made.access["LAMPPOST_URL"]
        given = fleet.provision(made.operator_api, url)
        alone_s = measured(made, given, release, 1, 200, watched_s=0)["enrolled_s"]
        for number, size in enumerate(SIZES):
            found = measured(made, given, release, size, number)
            among = f"among {size}"
            yield row(
                f"memory of a node {among}, all processes of the emulation",
                found["memory_bytes"] / size / 1000,
                "KB (PSS)",
                idle_bytes / 1000,
                f"one of {IDLE} VMs with nothing to run",
            )
            yield row(
                f"CPU of a node {among}, sampling every {PACE.sample_s} s",
                found["cores"] / size * 1000,
                "ms a second",
                idle_cores * 1000,
                "a VM that wakes once a second and does nothing",
            )
            yield row(
                f"time until {size} nodes have made their keys and enrolled",
                found["enrolled_s"],
                "s",
                alone_s,
                "one node alone",
            )


def measured(made, given, release, size, seed, watched_s=WATCHED_S):
    """Run one fleet until it has been watched for a while after all have enrolled."""
    with (
        tempfile.TemporaryDirectory() as folder,
        Fleet(made.operator_api, given, Path(folder), seed=seed, pace=PACE) as town,
    ):
        town.populate(size, release)
        for figures in town.run(ENROL_S + watched_s):
            enrolled_s = town.enrolled_after_s
            if enrolled_s is not None and figures.seconds >= enrolled_s + watched_s:
                break
        assert enrolled_s is not None, f"{figures.enrolled} of {size} nodes enrolled"
        return {
            "enrolled_s": enrolled_s,
            "memory_bytes": town.memory_peak_bytes,
            "cores": town.cores_since_enrolled,
        }


@contextmanager
def office(home):
    """Give a fleet server that has a release."""
    made = Office(home, poll_s=PACE.poll_s)
    try:
        made.open("1.0.0")
        yield made
    finally:
        made.close()


def idle():
    """Measure VMs that do nothing but wake once a second: bytes (PSS) and cores of one."""
    heap = f"heapsize={runtime.FIRMWARE_HEAP + runtime.SHIMS_HEAP}wK"
    command = [*runtime.command(), "-X", heap, "-c", WAKES]
    with ExitStack() as stack:
        vms = [
            stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE))
            for _ in range(IDLE)
        ]
        for vm in vms:
            stack.callback(vm.kill)
            vm.stdout.readline()
        pids = [vm.pid for vm in vms]
        began, before = time.monotonic(), sum(map(cpu_ns, pids))
        time.sleep(WATCHED_S)
        used = (sum(map(cpu_ns, pids)) - before) / 1e9
        return usage.pss_bytes(pids) / IDLE, used / (time.monotonic() - began) / IDLE


def cpu_ns(pid):
    """Return the nanoseconds that a process has been on a CPU."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0])
