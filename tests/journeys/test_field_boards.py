"""What stands behind a port need be no sound node: each gets a report, or one clear line."""

import json

import pytest
from emulated import started
from slots import HANG, two_slots
from technician import lamppost

from ota.core import bootrecord
from ota.field import asking
from sim import flashfiles
from sim.node import Node

CRASH = "print('runs {name}!')\nimport time\ntime.sleep(0.3)\nraise ValueError('born to fail')\n"


@pytest.fixture
def board(tmp_path):
    """Give a function that keeps a node, and closes it at the end."""
    kept = []

    def keep(made):
        kept.append(made)
        made.power_on()
        return made

    yield keep
    for made in kept:
        made.close()


def diagnosed(node):
    told = json.loads(lamppost("diagnose", "--port", node.serial, "--json", status=1))
    return told, [each["what"] for each in told["findings"]]


@pytest.mark.parametrize(
    ("main", "what"),
    [
        ("", "MicroPython 1.29.0 without a firmware"),
        (
            "import time\nwhile True: time.sleep(0.05)\n",
            "MicroPython 1.29.0 with another firmware (main.py)",
        ),
        ("raise ValueError('@[1')\n", "MicroPython 1.29.0 with another firmware (main.py)"),
    ],
)
def test_a_board_that_is_no_node_is_named(board, tmp_path, main, what):
    node = board(started(tmp_path / "flash.bin", main))
    if not main:
        flashfiles.change(node.flash.path, "vfs", {"main.py": None})
    told, found = diagnosed(node)
    assert not told["ours"]
    assert found == [f"no node of ours: {what}"]
    output = lamppost("selftest", "--port", node.serial, status=2)
    assert "the self-test did not run: ImportError" in output
    node.wait(lambda: node.resets[-1] == "hard", 10)


def test_a_node_that_restarts_all_the_time_is_caught_and_says_why(board, tmp_path):
    record = bootrecord.fresh()
    node = board(Node(two_slots(tmp_path, tmp_path / "f.bin", a=CRASH, b=CRASH, record=record)))
    node.wait(lambda: len(node.resets) > 3, 20)
    told, found = diagnosed(node)
    assert told["resets"]["last_words"] == "ValueError: born to fail"
    assert told["resets"]["starts"]["crash"] >= 2
    assert any("the run before ended: ValueError: born to fail" in what for what in found)
    assert any("unplanned resets" in what or "fell" in what for what in found)


def test_a_node_that_hangs_until_its_watchdog_bites_is_caught(board, tmp_path):
    record = bootrecord.fresh()
    node = board(Node(two_slots(tmp_path, tmp_path / "f.bin", a=HANG, b=HANG, record=record)))
    node.wait(lambda: len(node.resets) > 1, 20)
    told, found = diagnosed(node)
    assert told["resets"]["starts"]["watchdog"] >= 1
    assert any("by the watchdog" in what for what in found)


def test_a_node_whose_data_is_damaged_everywhere_gets_a_report(board, tmp_path):
    node = Node(
        two_slots(
            tmp_path,
            tmp_path / "f.bin",
            record=bootrecord.fresh(),
            **{
                "a_manifest.jsonl": b'{"version": [1]}\n["x", {}, null]\n',
                "b_manifest.jsonl": b"\xff" * 100,
                "update": b"[" * 900,
                "seen": b"soon",
                "starts": b'{"watchdog": {}}',
                "log": bytes(range(256)) * 4,
                "tuf_root.json": b'{"signed": 7}',
            },
        )
    )
    flashfiles.change(
        node.flash.path,
        "vfs",
        {
            "etc/config.json": b'{"wifi": 7, "parts": []}',
            "etc/identity": bytes(range(200)),
            "etc/ca.der": b"\x30\x00",
        },
    )
    board(node)
    node.wait_text("both slots are damaged", 20)
    _, found = diagnosed(node)
    for what in (
        "both slots are damaged",
        "configuration: not a configuration",
        "identity: the file of key and certificate is damaged",
        "CA certificate: no certificate",
        "TUF root cannot be read",
    ):
        assert any(what in each for each in found), (what, found)


def test_a_board_without_a_prompt_is_one_line(board, tmp_path, monkeypatch):
    monkeypatch.setattr(asking, "CATCH_S", 1.5)
    node = Node(two_slots(tmp_path, tmp_path / "f.bin", record=bootrecord.fresh()))
    place, size = flashfiles._place(node.flash.path, "vfs")
    with node.flash.path.open("r+b") as file:
        file.seek(place)
        file.write(b"\x55" * 8192)
    assert size > 8192
    board(node)
    node.wait_text("the file system is damaged", 20)
    for name in ("diagnose", "selftest"):
        output = lamppost(name, "--port", node.serial, status=2)
        assert "no MicroPython prompt answers; the board says" in output or "is silent" in output
        assert output.count("\n") == 1
