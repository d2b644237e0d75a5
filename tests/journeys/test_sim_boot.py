"""An emulated node is its flash: it boots from it, resets as a chip does, and leaves nothing."""

import json
import os
import re
import selectors
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from emulated import files, flash, started

from sim import flashfiles, runtime
from sim.board import Wiring
from sim.errors import DeadlineError, FlashError
from sim.node import Node

MAC = bytes.fromhex("240ac4123456")


@pytest.fixture
def node(tmp_path):
    """Give a function that starts a node with a main.py; all nodes end with the test."""
    made = []

    def start(main="", **kwargs):
        path = tmp_path / f"flash{len(made)}.bin"
        made.append(started(path, main, **kwargs))
        return made[-1]

    yield start
    for each in made:
        each.close()


def test_it_boots_from_flash_into_what_a_board_has(node):
    chip = node(
        "import sys, os, machine, network, time, json\n"
        "print('facts', json.dumps([sys.path, os.listdir('/'), os.getcwd(), machine.reset_cause(),"
        " machine.unique_id().hex(), network.WLAN().config('mac').hex(), time.gmtime()[0],"
        " list(machine.RTC().datetime())[:3], sys.argv]))\n",
        mac=MAC,
    )
    line = chip.wait_text("\n>>> ", 10).partition("facts ")[2].splitlines()[0]
    path, listing, folder, cause, unique, mac, year, date, argv = json.loads(line)
    assert path == ["", ".frozen", "/lib"]
    assert sorted(listing) == ["boot.py", "main.py"]
    assert folder == "/"
    assert cause == 1
    assert unique == mac == MAC.hex()
    assert chip.id == "240ac4fffe123456"
    assert year == 2000
    assert date == [2000, 1, 1]
    assert argv == []
    assert chip.resets == ["power_on"]


def test_a_file_that_is_missing_on_flash_cannot_come_from_the_checkout(node):
    chip = node(
        "import os\n"
        "for name in ('firmware.main', 'ota.core.versions', 'sim.node', '_start'):\n"
        "    try:\n"
        "        __import__(name)\n"
        "        print('found', name)\n"
        "    except ImportError as error:\n"
        "        print('missing', error)\n"
        f"for path in ({str(runtime.SHIMS)!r}, '/etc', '/tmp', '/proc'):\n"
        "    try:\n"
        "        print('found', os.listdir(path))\n"
        "    except OSError as error:\n"
        "        print('missing', error.errno)\n"
    )
    shown = chip.wait_text(">>> ", 10)
    assert shown.count("missing") == 8
    assert "found" not in shown


def test_the_shims_leave_the_firmware_its_heap(node):
    chip = node("import gc; gc.collect(); print('free', gc.mem_free(), gc.mem_alloc())")
    free, taken = map(int, chip.wait_text(">>> ", 10).split("free ")[1].split()[:2])
    share = runtime.SHIMS_HEAP * 2 * 1024
    names = 14 * 1024  # the pool of names that the shims make necessary later on
    assert 0.85 * share < taken + names < share
    assert free + taken > (runtime.FIRMWARE_HEAP + runtime.SHIMS_HEAP) * 2 * 1024 * 0.95


COUNTER = (
    "import machine, os\n"
    "causes = open('/causes').read() if 'causes' in os.listdir('/') else ''\n"
    "causes += str(machine.reset_cause())\n"
    "with open('/causes', 'w') as file: file.write(causes)\n"
    "print('causes', causes)\n"
)


def test_every_reset_has_its_cause(node):
    chip = node(
        COUNTER + "if len(causes) == 1: machine.reset()\n"
        "if len(causes) == 2: machine.soft_reset()\n"
        "if len(causes) == 3: machine.deepsleep(50)\n"
        "if len(causes) == 4:\n"
        "    machine.WDT(timeout=150)\n"
        "    while True: pass\n"
    )
    chip.wait_text("causes 12543", 10)
    assert chip.resets == ["power_on", "hard", "soft", "deep_sleep", "watchdog"]
    chip.press_reset()
    chip.wait_text("causes 125431", 10)
    chip.power_off()
    assert chip.state == "off"
    assert chip.pid is None
    chip.power_on()
    chip.wait_text("causes 1254311", 10)


def test_the_watchdog_survives_a_soft_reset_and_bites_only_when_it_is_not_fed(node):
    chip = node(
        COUNTER + "import time\n"
        "if len(causes) == 1:\n"
        "    dog = machine.WDT(timeout=400)\n"
        "    for _ in range(8):\n"
        "        time.sleep_ms(100)\n"
        "        dog.feed()\n"
        "    print('fed')\n"
        "    machine.soft_reset()\n"
    )
    chip.wait_text("causes 153", 10)
    assert "fed" in chip.console.text


def test_the_clock_runs_on_over_resets_and_is_lost_without_power(node):
    chip = node(
        "import machine, time\n"
        "rtc = machine.RTC()\n"
        "print('at', rtc.datetime()[0], int(time.time()), rtc.memory())\n"
        "if machine.reset_cause() == 1:\n"
        "    rtc.datetime((2026, 3, 29, 6, 1, 2, 3, 0))\n"
        "    rtc.memory(bytes(range(256)) * 2)\n"
        "    print('set', time.time(), rtc.memory() == bytes(range(256)) * 2)\n"
        "    machine.reset()\n"
    )
    chip.wait(lambda: chip.resets == ["power_on", "hard"], 10)
    chip.wait_text("at 2026 177474612", 10)
    assert "set 1774746123 True" in chip.console.text
    mark = chip.console.length
    chip.power_off()
    chip.power_on()
    assert re.search(r"at 2000 94668480\d b''", chip.wait_text("b''", 10, since=mark))


def test_a_crash_of_the_runtime_is_a_hard_reset(node):
    chip = node("print('running')\nwhile True: pass\n")
    chip.wait_text("running", 10)
    os.kill(chip.pid, signal.SIGSEGV)
    chip.wait(lambda: chip.resets == ["power_on", "hard"], 10)
    assert "SIGSEGV" in chip.console.text


def test_a_crash_loop_is_slowed_down(node):
    chip = node("import machine; machine.reset()")
    chip.wait(lambda: len(chip.resets) >= 3, 10)
    begun, seen = time.monotonic(), len(chip.resets)
    chip.wait(lambda: len(chip.resets) >= seen + 3, 10)
    assert time.monotonic() - begun > 0.3


def test_blank_and_damaged_file_systems_are_treated_as_the_stock_boot_does(node, tmp_path):
    chip = node()
    chip.power_off()
    _, size = chip.flash.partitions["vfs"]
    chip.flash.write("vfs", 0, b"\xff" * size)
    chip.power_on()
    chip.wait_text(">>> ", 10)
    assert files(chip) == {}
    chip.power_off()
    chip.flash.write("vfs", 0, b"\x00" * 8192)
    chip.power_on()
    chip.wait_text("the file system is damaged", 10)


def test_a_boot_file_of_whatever_bytes_ends_at_the_prompt(node):
    """A damaged block need not be UTF-8; on a board it is the compiler that complains."""
    chip = node("print('of main')")
    chip.power_off()
    mark = chip.console.length
    flashfiles.change(chip.flash.path, "vfs", {"boot.py": b"\xff\xfe" + bytes(range(256))})
    chip.power_on()
    chip.wait(lambda: chip.state == "prompt", 10)
    assert "SyntaxError" in chip.console.since(mark)


def test_a_file_that_is_no_flash_is_refused(tmp_path):
    path = tmp_path / "flash.bin"
    path.write_bytes(bytes(1000))
    with pytest.raises(FlashError, match="1000 bytes"):
        Node(path)
    path.write_bytes(b"\xff" * 0x10000)
    with pytest.raises(FlashError, match="no partition vfs"):
        Node(path)


def test_waiting_ends_at_its_deadline_and_says_what_was_on_the_console(node):
    chip = node("print('last words')")
    chip.wait_text(">>> ", 10)
    with pytest.raises(DeadlineError, match=r"0\.05 s for 'never'; it is prompt(.|\n)*last words"):
        chip.wait_text("never", 0.05)


def test_many_nodes_share_one_process(node):
    chips = [node(f"print('I am', {i})", mac=MAC[:-1] + bytes([i])) for i in range(12)]
    for i, chip in enumerate(chips):
        chip.wait_text(f"I am {i}", 10)
    assert len({chip.id for chip in chips}) == 12
    assert len({chip.serial for chip in chips}) == 12


def test_an_end_that_the_loop_never_hears_of_is_noticed_all_the_same(node):
    chip = node("")
    chip.wait_text(">>> ", 10)
    selector, pidfd = chip.loop._selector, chip._vm._pidfd
    with chip.loop.lock:
        selector.modify(pidfd, selectors.EVENT_WRITE, chip._vm._reap)  # never: it is no pipe
    chip.power_off()
    assert chip.state == "off"
    chip.power_on()
    chip.wait_text(">>> ", 10, chip.console.length)


def test_what_keeps_a_node_from_ending_is_told(node):
    chip = node("")
    chip.wait_text(">>> ", 10)
    with pytest.raises(DeadlineError, match=r"prompt \(process \d+ in state S at \w+\)"):
        chip.wait(lambda: False, 0.1, "nothing")


def test_ended_or_killed_the_host_leaves_no_processes(node, tmp_path):
    chip = node("while True: pass\n")
    chip.wait(lambda: chip.state == "running", 10)
    pid = chip.pid
    chip.close()
    assert not alive(pid)
    program = (
        "import sys; from pathlib import Path; from sim.node import Node\n"
        "node = Node(Path(sys.argv[1])); node.power_on()\n"
        "node.wait(lambda: node.state == 'running', 10); print(node.pid, flush=True)\n"
        "sys.stdin.read()\n"
    )
    path = flash(tmp_path / "orphan.bin", "while True: pass\n")
    with subprocess.Popen(
        [sys.executable, "-c", program, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as host:
        orphan = int(host.stdout.readline())
        assert alive(orphan)
        host.kill()
    deadline = time.monotonic() + 5
    while alive(orphan) and time.monotonic() < deadline:
        os.sched_yield()
    assert not alive(orphan)


def alive(pid):
    """Whether a process runs (a zombie that init has not reaped yet does not)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


def test_without_a_runtime_one_clear_error(tmp_path, monkeypatch):
    monkeypatch.setenv("LAMPPOST_MICROPYTHON", str(tmp_path / "nothing"))
    chip = Node(flash(tmp_path / "flash.bin"), wiring=Wiring())
    with chip, pytest.raises(runtime.NoRuntimeError, match="names no program"):
        chip.power_on()
