"""Boot and trial boot on flash: whatever happens to record and slots, a sound slot is started."""

import hashlib
import json

import pytest
from emulated import flash

from ota.build.compiler import compile_module
from ota.core import bootrecord
from ota.field.image import boot_files
from sim import flashfiles
from sim.node import Node

IDLE = "print('runs {name}!')\nimport time\nwhile True:\n    time.sleep(1)\n"
CRASH = "print('runs {name}!')\nraise ValueError('born to fail')\n"
HANG = "print('runs {name}!')\nimport machine\nmachine.WDT(timeout=200)\nwhile True:\n    pass\n"
MANIFEST = "ab" * 32


def slot(folder, name, text):
    """Give the files of a slot whose firmware.main does what `text` says."""
    source = folder / f"{name}.py"
    body = "".join(f"    {line}\n" for line in text.format(name=name).splitlines())
    source.write_text("def main():\n" + body)
    files = {
        "firmware/main.mpy": compile_module(source, "firmware/main.py"),
        "firmware/other.mpy": b"never imported, but signed",
    }
    lines = [json.dumps({"version": "1.0.0"})]
    for path, plain in files.items():
        lines.append(json.dumps([path, len(plain), hashlib.sha256(plain).hexdigest(), 1]))
    files["manifest.jsonl"] = "\n".join(lines).encode() + b"\n"
    return {f"{name}/{path}": content for path, content in files.items()}


def copies(record):
    """Give both copies of a boot record, the second one the newest."""
    found = {}
    for _ in range(2):
        index, data, record = bootrecord.seal(record)
        found[f"boot.{index}"] = data
    return found


def staged():
    return bootrecord.stage(bootrecord.fresh(), "b", MANIFEST, "7", "1.1.0")


@pytest.fixture
def chip(tmp_path):
    """Give a function that makes a node, off, of two slots and a boot record's files."""
    made = []

    def make(a=IDLE, b=IDLE, record=None, **changes):
        data = slot(tmp_path, "a", a) | slot(tmp_path, "b", b) | copies(record or staged())
        data |= {path.replace("_", "/"): content for path, content in changes.items()}
        path = tmp_path / f"{len(made)}.bin"
        boot = boot_files()
        flash(path, boot["main.py"].decode(), boot=boot["boot.py"].decode(), vfs=boot, data=data)
        made.append(Node(path))
        return made[-1]

    yield make
    for node in made:
        node.close()


def record_of(node):
    files = flashfiles.read(node.flash.path, "data")
    return bootrecord.newest([files.get("boot.0"), files.get("boot.1")])


def started(node, deadline_s=20):
    """Switch the node on and wait until firmware runs; give the slot."""
    mark = len(node.console.text)
    node.power_on()
    shown = node.wait_text("!", deadline_s, mark)
    return shown.partition("runs ")[2][:1]


def test_the_confirmed_slot_starts_and_nothing_is_written(chip):
    node = chip(record=bootrecord.fresh())
    before = node.flash.counts.writes
    assert started(node) == "a"
    assert node.flash.counts.writes == before


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
