"""Boot and trial boot on flash: whatever happens to record and slots, a sound slot is started."""

import pytest
from slots import CRASH, HANG, IDLE, MANIFEST, record_of, started, starts_of, two_slots

from ota.core import bootrecord
from sim import flashfiles
from sim.node import Node


@pytest.fixture
def chip(tmp_path):
    """Give a function that makes a node, off, of two slots and a boot record's files."""
    made = []

    def make(**slots):
        made.append(Node(two_slots(tmp_path, tmp_path / f"{len(made)}.bin", **slots)))
        return made[-1]

    yield make
    for node in made:
        node.close()


def test_the_confirmed_slot_starts_and_nothing_is_written_but_the_count(chip):
    node = chip(record=bootrecord.fresh())
    before = flashfiles.read(node.flash.path, "data")
    assert started(node) == "a"
    assert flashfiles.read(node.flash.path, "data") == before | {"starts": b'{"power_on": 1}'}


@pytest.mark.parametrize(
    "content", [b"", b"\xff" * 2000, b"[1, 2]", b'{"power_on": "x"}', b"[" * 900]
)
def test_a_damaged_count_of_starts_begins_anew(chip, content):
    node = chip(record=bootrecord.fresh(), starts=content)
    assert started(node) == "a"
    assert starts_of(node) == {"power_on": 1}


def test_a_trial_that_crashes_goes_back_at_once_and_says_why(chip):
    node = chip(b=CRASH)
    assert started(node) == "b"
    node.wait_text("runs a", 20)
    found = record_of(node)
    assert (found["slot"], found["state"], found["outcome"]) == ("a", "steady", "rolled_back")
    assert found["reason"] == "ValueError: born to fail"
    assert (found["action"], found["version"], found["spoilt"]) == ("7", "1.1.0", "b")
    assert node.resets == ["power_on", "hard"]
    assert flashfiles.read(node.flash.path, "data")["crash.old"] == b"ValueError: born to fail"


def test_a_trial_that_hangs_goes_back_by_the_watchdog(chip):
    node = chip(b=HANG)
    assert started(node) == "b"
    node.wait_text("runs a", 20)
    assert node.resets == ["power_on", "watchdog"]
    assert record_of(node)["reason"] == "watchdog"


def test_a_trial_that_cannot_be_imported_goes_back(chip, tmp_path):
    node = chip(b="import nowhere\n")
    node.power_on()
    node.wait_text("runs a", 20)
    assert "nowhere" in record_of(node)["reason"]


def test_a_damaged_trial_slot_is_not_even_started(chip):
    node = chip(b_firmware_other_mpy=b"x")
    flashfiles.change(node.flash.path, "data", {"b/firmware/other.mpy": b"bent"})
    assert started(node) == "a"
    found = record_of(node)
    assert (found["outcome"], found["reason"]) == (
        "rolled_back",
        "firmware/other.mpy is damaged",
    )


def test_power_cuts_in_a_trial_are_no_blame_ten_times(chip):
    node = chip()
    for _ in range(11):
        assert started(node) == "b"
        node.power_off()
    assert started(node) == "a"
    assert record_of(node)["tries"] == {MANIFEST[:16]: [1, 0]}


@pytest.mark.parametrize("damaged", [["boot.0"], ["boot.1"], ["boot.0", "boot.1"]])
@pytest.mark.parametrize("content", [None, b"", b"\xff" * 300, b'00000000 {"slot": "c"}\n'])
def test_a_damaged_boot_record_does_not_keep_it_from_starting(chip, damaged, content):
    node = chip(record=bootrecord.fresh())
    flashfiles.change(node.flash.path, "data", dict.fromkeys(damaged, content))
    assert started(node) == "a"


@pytest.mark.parametrize(
    "path", ["a/firmware/main.mpy", "a/firmware/other.mpy", "a/manifest.jsonl"]
)
@pytest.mark.parametrize("content", [None, b"", b"bent"])
def test_a_damaged_slot_is_left_for_the_other(chip, path, content):
    node = chip(record=bootrecord.fresh())
    flashfiles.change(node.flash.path, "data", {path: content})
    assert started(node) == "b"
    found = record_of(node)
    assert (found["slot"], found["outcome"]) == ("b", "fell")
    node.power_off()
    assert started(node) == "b"


@pytest.mark.parametrize(
    "line", [b'[{}, "x", null]', b"{}", b"[" * 500, b'["x"]', b"null", b'["x", "y", "z"]']
)
def test_a_list_of_files_that_says_anything_is_a_damaged_slot(chip, line):
    node = chip(record=bootrecord.fresh())
    content = b'{"version": "1.0.0"}\n' + line + b"\n"
    flashfiles.change(node.flash.path, "data", {"a/manifest.jsonl": content})
    assert started(node) == "b"


def test_with_both_slots_damaged_it_says_so_and_waits_for_the_cable(chip):
    node = chip(record=bootrecord.fresh())
    bent = {"a/firmware/main.mpy": b"bent", "b/manifest.jsonl": None}
    flashfiles.change(node.flash.path, "data", bent)
    node.power_on()
    node.wait_text("both slots are damaged", 20)
    node.send(b"\x03")
    node.wait_text(">>> ", 10)
    assert node.resets == ["power_on"]


def test_a_data_partition_without_a_file_system_is_formatted(chip):
    node = chip()
    node.flash.write("data", 0, b"\0" * 4096 * 4)
    node.power_on()
    node.wait_text("formatting data", 20)
    node.wait_text("both slots are damaged", 20)


def test_a_confirmed_slot_that_keeps_crashing_falls_to_the_other(chip):
    node = chip(a=CRASH, record=bootrecord.fresh())
    node.power_on()
    node.wait_text("runs b", 30)
    assert node.console.text.count("runs a") == bootrecord.CRASHES_MAX
    found = record_of(node)
    assert (found["slot"], found["outcome"]) == ("b", "fell")
    assert found["reason"] == "ValueError: born to fail"


def test_ctrl_c_leaves_a_prompt_and_time_to_work_at_it(chip):
    node = chip(a=HANG.replace("200", "60000"), record=bootrecord.fresh())
    assert started(node) == "a"
    node.send(b"\x03")
    node.wait_text("ten minutes", 10)
    node.wait_text(">>> ", 10)
    assert node.board._dog_ms == 600_000
    assert record_of(node)["crashes"] == 0


def test_a_soft_start_looks_where_the_cables_tools_put_things(chip):
    node = chip(a="import sys\nprint('path', sys.path)\n" + IDLE, record=bootrecord.fresh())
    assert started(node) == "a"
    node.send(b"\x03")
    node.wait_text(">>> ", 10)
    mark = node.console.length
    node.send(b"\x04")
    node.wait_text("runs a!", 10, mark)
    assert "path ['/data/a', '.frozen', '', '/lib']" in node.console.since(mark)


@pytest.mark.parametrize("where", ["before", "within", "after"])
def test_the_power_may_go_at_any_flash_change_of_a_boot(chip, where):
    node = chip(b=CRASH)
    for n in range(1, 60):
        node.cut_power_at(n, "change", where)
        node.power_on()
        node.wait(
            lambda: node.state == "off" or "runs a" in node.console.text, 20, "cut or a start"
        )
        if node.state != "off":
            break
        assert bootrecord.running(record_of(node)) in ("a", "b")
    else:
        raise AssertionError("it never came to run")
    assert node.cuts >= 2
    assert record_of(node)["tries"][MANIFEST[:16]][0] == 1
