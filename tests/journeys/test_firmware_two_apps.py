"""Boot and trial boot with two app partitions: slot and MicroPython go together, or the slot runs.

The bootloader's rules are sim/shims/_bootloader.py's, held to the stock image by
hil_tests/test_two_apps.py.
"""

import pytest
from slots import CRASH, HANG, IDLE, copies, record_of, slot, staged, started

from firmware.root.partition import AIMS_MAX
from ota.core import bootrecord
from ota.field.image import boot_files, flash_image
from ota.field.partitions import EIGHT_MB
from sim import flashfiles
from sim.espimage import ESP32, esp_image, official
from sim.node import Node

MICROPYTHON = esp_image(ESP32.chip_id, b"MicroPython v1.28.0 on 2026-01-01; Generic")
OTHER = esp_image(ESP32.chip_id, b"no such thing")


@pytest.fixture
def chip(tmp_path):
    """Give a function that makes a node, off, whose slots want apps and whose partitions hold."""
    made = []

    def make(a=IDLE, b=IDLE, record=None, wanted=(b"ota_0", b"ota_1"), second=MICROPYTHON):
        data = slot(tmp_path, "a", a) | slot(tmp_path, "b", b) | copies(record or staged())
        data |= {f"{name}/app": label for name, label in zip("ab", wanted, strict=True) if label}
        image = bytearray(
            flash_image(official(app=MICROPYTHON), boot_files(), data, layout=EIGHT_MB)
        )
        at = EIGHT_MB["ota_1"].offset
        image[at : at + len(second)] = second
        path = tmp_path / f"{len(made)}.bin"
        path.write_bytes(image)
        made.append(Node(path))
        return made[-1]

    yield make
    for node in made:
        node.close()


def apps(node):
    """Say how often the boot code began anew for the sake of an app."""
    return node.console.text.count("its MicroPython is in ota_")


def confirmed():
    """Give the record of a node whose slot b has just been confirmed."""
    return bootrecord.confirm(bootrecord.decide(staged(), "hard"))


def test_a_trial_runs_on_its_own_app_and_crashes_back_to_the_old_pair(chip):
    node = chip(b=CRASH)
    assert started(node) == "b"
    node.wait_text("runs a", 20)
    assert node.resets == ["power_on", "hard", "hard"]
    found = record_of(node)
    assert (found["slot"], found["outcome"]) == ("a", "rolled_back")
    assert found["reason"] == "ValueError: born to fail"
    assert apps(node) == 1  # the way back was the bootloader's


def test_a_trial_that_hangs_does_too(chip):
    node = chip(b=HANG)
    assert started(node) == "b"
    node.wait_text("runs a", 20)
    assert record_of(node)["reason"] == "watchdog"


def test_an_app_that_panics_or_is_none_fails_the_trial(chip):
    for second, reason in ((OTHER, "its MicroPython does not start"), (b"", "no app")):
        node = chip(second=second)
        assert started(node) == "a"
        found = record_of(node)
        assert (found["outcome"], found["reason"]) == ("rolled_back", reason)
        assert found["pending"] == 0


def test_power_cuts_in_a_trial_lead_back_into_it(chip):
    node = chip()
    for times in (1, 2, 3):
        assert started(node) == "b"
        assert apps(node) == times
        node.power_off()
    assert record_of(node)["boots"] == 2


def test_a_confirmed_pair_starts_at_once_whatever_the_bootloader_was_told(chip):
    node = chip(record=confirmed())  # the power went between the record and the bootloader
    assert started(node) == "b"
    assert apps(node) == 1
    node.power_off()
    for _ in range(2):
        assert started(node) == "b"
        node.power_off()
    assert apps(node) == 1
    assert record_of(node)["pending"] == 0


def test_a_slot_that_falls_takes_its_app_along(chip):
    node = chip(record=confirmed())
    assert started(node) == "b"
    node.power_off()
    flashfiles.change(node.flash.path, "data", {"b/firmware/other.mpy": b"bent"})
    assert started(node) == "a"
    assert apps(node) == 2
    assert record_of(node)["outcome"] == "fell"


@pytest.mark.parametrize("second", [OTHER, b""], ids=["panics", "blank"])
def test_a_confirmed_slot_whose_app_is_lost_runs_on_the_other(chip, second):
    node = chip(record=confirmed(), second=second)
    assert started(node, 40) == "b"
    assert apps(node) == (AIMS_MAX if second else 0)
    node.power_off()
    assert started(node, 40) == "b"


@pytest.mark.parametrize("wanted", [b"", b"ota_7", b"\xff\xfe", b"data", b"x" * 3000])
def test_a_slot_that_names_no_app_runs_on_any(chip, wanted):
    node = chip(wanted=(b"", wanted))
    assert started(node) == "b"
    assert apps(node) == 0


@pytest.mark.parametrize("where", ["before", "within", "after"])
def test_the_power_may_go_at_any_flash_change_of_such_a_boot(chip, where):
    for change in range(1, 60):
        node = chip()
        node.cut_power_at(change, "change", where)
        node.power_on()
        node.wait(lambda n=node: n.state == "off" or "runs b!" in n.console.text, 20)
        if node.state != "off":
            assert change > 5
            return
        assert started(node) == "b"
        assert record_of(node)["state"] == "trying"
        node.close()
    raise AssertionError("the boot has no end")
