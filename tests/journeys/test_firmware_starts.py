"""Each start is counted once, by its cause, through resets of every kind."""

import os
import signal

import pytest
from slots import CRASH, HANG, IDLE, record_of, started, starts_of, two_slots

from ota.core import bootrecord
from sim import flashfiles
from sim.node import Node

# Does to the boot record what the firmware does before a reset that it wants.
PLAN = """print('runs {name}!')
import machine, sys
sys.path.append('/lib')
import bootrecord
record = bootrecord.newest([open('/data/boot.%d' % i, 'rb').read() for i in (0, 1)])
record = bootrecord.{change}
index, data, record = bootrecord.seal(record)
with open('/data/boot.%d' % index, 'wb') as file: file.write(data)
"""
RESET = "machine.reset()\n"
ONCE = """import os
try: os.stat('/data/done')
except OSError:
    open('/data/done', 'w').close()
{}
import time
print('stays!')
while True: time.sleep(1)
"""


def plan(change, then=RESET):
    return PLAN.replace("{change}", change) + then


def once(text):
    """Give a firmware that does this at its first start, and then stays."""
    return ONCE.replace("{}", "".join(f"    {line}\n" for line in text.splitlines()))


@pytest.fixture
def chip(tmp_path):
    """Give a function that makes a node, off, whose confirmed slot is a."""
    made = []

    def make(**slots):
        slots.setdefault("record", bootrecord.fresh())
        made.append(Node(two_slots(tmp_path, tmp_path / f"{len(made)}.bin", **slots)))
        return made[-1]

    yield make
    for node in made:
        node.close()


def stays(node, deadline_s=20):
    """Switch the node on and wait until its firmware has come to stay."""
    node.power_on()
    node.wait_text("stays!", deadline_s, node.console.length)


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        (CRASH, "crash"),
        (HANG, "watchdog"),
        ("import machine\nmachine.reset()\n", "hard"),
        (plan("planned(record)"), "planned"),
        (plan("planned(record)", "raise OSError('on the way to the reset')\n"), "crash"),
        (plan("planned(record)", HANG), "watchdog"),
    ],
)
def test_a_restart_is_counted_by_its_cause(chip, text, cause):
    node = chip(a=once(text))
    stays(node)
    assert starts_of(node) == {"power_on": 1, cause: 1}
    assert record_of(node)["planned"] == 0


def test_a_runtime_that_dies_is_a_hard_reset(chip):
    node = chip()
    started(node)
    mark = node.console.length
    os.kill(node.pid, signal.SIGSEGV)
    node.wait_text("runs a!", 20, mark)
    assert starts_of(node) == {"power_on": 1, "hard": 1}


def test_power_cuts_are_counted_and_no_one_is_blamed(chip):
    node = chip()
    for _ in range(3):
        started(node)
        node.power_off()
    assert starts_of(node) == {"power_on": 3}
    assert record_of(node)["crashes"] == 0


def test_the_cable_makes_soft_starts(chip):
    node = chip()
    started(node)
    for count in (1, 2):
        node.send(b"\x03")
        node.wait_text(">>> ", 10)
        mark = node.console.length
        node.send(b"\x04")
        node.wait_text("runs a!", 20, mark)
        assert starts_of(node) == {"power_on": 1, "soft": count}
    assert record_of(node)["crashes"] == 0


def test_a_power_cut_between_plan_and_reset_is_a_power_on(chip):
    node = chip(a=once(plan("planned(record)", "print('planned!')\nwhile True: pass\n")))
    node.power_on()
    node.wait_text("planned!", 20)
    assert record_of(node)["planned"] == 1
    node.power_off()
    stays(node)
    assert starts_of(node) == {"power_on": 2}
    assert record_of(node)["planned"] == 0
    mark = node.console.length
    os.kill(node.pid, signal.SIGSEGV)
    node.wait_text("stays!", 20, mark)
    assert starts_of(node) == {"power_on": 2, "hard": 1}


def test_a_trial_that_ends_by_its_own_verdict_is_planned_twice(chip):
    stage = "planned(bootrecord.stage(record, 'b', 'ab', '7', '1.1.0'))"
    node = chip(a=once(plan(stage)), b=plan("planned(bootrecord.fail(record, 'no'))"))
    stays(node)
    assert starts_of(node) == {"power_on": 1, "planned": 2}
    assert record_of(node)["outcome"] == "rolled_back"


def test_a_trial_that_crashes_is_a_plan_and_a_crash(chip):
    stage = "planned(bootrecord.stage(record, 'b', 'ab', '7', '1.1.0'))"
    node = chip(a=once(plan(stage)), b=CRASH)
    stays(node)
    assert starts_of(node) == {"power_on": 1, "planned": 1, "crash": 1}


def test_a_release_that_cannot_even_be_imported_is_counted_until_the_other_runs(chip):
    node = chip(a="import nowhere\n", b=IDLE)
    node.power_on()
    node.wait_text("runs b!", 30)
    assert starts_of(node) == {"power_on": 1, "crash": bootrecord.CRASHES_MAX}


@pytest.mark.parametrize("where", ["before", "within", "after"])
def test_the_power_may_go_while_a_start_is_counted(chip, where):
    node = chip(starts=b'{"power_on": 7, "crash": 2}')
    for n in range(1, 12):
        node.cut_power_at(n, "change", where)
        mark = node.console.length
        node.power_on()
        node.wait(
            lambda mark=mark: node.state == "off" or "runs a!" in node.console.since(mark),
            20,
            "a cut or a start",
        )
        if node.state != "off":
            break
        assert starts_of(node) in [{"power_on": k, "crash": 2} for k in range(7, 8 + n)]
    else:
        raise AssertionError("it never came to run")
    assert node.cuts >= 2
    assert starts_of(node)["crash"] == 2


def test_a_flash_that_takes_no_count_takes_no_start(chip):
    node = chip(starts_x=b"in a folder that has the file's name")
    assert started(node) == "a"
    node.wait_text("start not counted", 5)
    assert "starts/x" in flashfiles.read(node.flash.path, "data")
