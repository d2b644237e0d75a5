"""mpremote and adafruit-ampy work on an emulated node's serial port as on a board's."""

import re

import pytest
from emulated import command, files, started

FIRMWARE = "import time\nprint('firmware runs')\nwhile True: time.sleep(0.05)\n"


@pytest.fixture
def node(tmp_path):
    chip = started(tmp_path / "flash.bin", FIRMWARE, log=tmp_path / "console.log")
    chip.wait_text("firmware runs", 10)
    yield chip
    chip.close()


def mpremote(node, *words):
    return command("mpremote", "connect", node.serial, *words)


def ampy(node, *words):
    return command("ampy", "--port", node.serial, *words)


def test_mpremote_lists_copies_and_runs(node, tmp_path):
    local = tmp_path / "local.txt"
    local.write_bytes(bytes(range(256)) * 40)
    listing = mpremote(node, "fs", "ls").decode()
    assert re.search(r"\d+ main\.py", listing)
    mpremote(node, "fs", "cp", str(local), ":there.bin")
    assert files(node)["there.bin"] == local.read_bytes()
    back = tmp_path / "back.txt"
    mpremote(node, "fs", "cp", ":there.bin", str(back))
    assert back.read_bytes() == local.read_bytes()
    assert mpremote(node, "exec", "print(6 * 7)") == b"42\r\n"
    script = tmp_path / "script.py"
    script.write_text("import os\nfor name in sorted(os.listdir('/')): print(name)\n")
    assert mpremote(node, "run", str(script)).split() == [b"boot.py", b"main.py", b"there.bin"]
    assert "power_on" in node.resets[0]
    assert set(node.resets[1:]) == {"soft"}


def test_a_soft_reset_in_the_raw_repl_skips_main_and_stays_raw(node):
    mpremote(node, "soft-reset", "exec", "import machine; print(machine.reset_cause())")
    assert node.console.text.count("firmware runs") == 1
    assert "MPY: soft reboot\r\n" in node.console.text
    after = node.console.text.rpartition("MPY: soft reboot\r\n")[2]
    assert after.startswith("raw REPL; CTRL-B to exit\r\n>")
    mark = node.console.length
    node.send(b"\x04")  # now at the friendly prompt: main.py runs
    node.wait_text("firmware runs", 10, since=mark)


def test_mpremote_resets_the_chip(node):
    mark = node.console.length
    mpremote(node, "reset")
    node.wait_text("firmware runs", 10, since=mark)
    assert node.resets[-1] == "hard"


def test_ctrl_c_interrupts_what_mpremote_started(node):
    mpremote(node, "exec", "--no-follow", "while True: pass")
    mark = node.console.length
    node.send(b"\x03")
    node.wait_text("KeyboardInterrupt", 5, since=mark)
    assert mpremote(node, "resume", "exec", "print('alive')") == b"alive\r\n"


def test_ampy_lists_puts_gets_and_runs(node, tmp_path):
    local = tmp_path / "notes.txt"
    local.write_bytes(b"line one\nline two\n" * 100)
    assert ampy(node, "ls").split() == [b"/boot.py", b"/main.py"]
    ampy(node, "put", str(local), "notes.txt")
    assert files(node)["notes.txt"] == local.read_bytes()
    assert ampy(node, "get", "notes.txt") == local.read_bytes() + b"\n"
    script = tmp_path / "script.py"
    script.write_text("print('sum', sum(range(10)))\n")
    assert b"sum 45" in ampy(node, "run", str(script))


def test_long_output_arrives_whole_while_a_client_reads(node):
    output = mpremote(node, "exec", "for i in range(400): print('%06d' % i, 'x' * 90)")
    lines = output.split(b"\r\n")
    assert len(lines) == 401
    assert [int(line.split()[0]) for line in lines[:-1]] == list(range(400))


def test_the_port_outlives_power_cuts_and_a_log_keeps_everything(node, tmp_path):
    path = node.serial
    node.power_off()
    node.power_on()
    node.wait(lambda: node.console.text.count("firmware runs") == 2, 10)
    assert node.serial == path
    assert mpremote(node, "exec", "print('still there')") == b"still there\r\n"
    log = (tmp_path / "console.log").read_bytes()
    assert log.count(b"firmware runs") == 2
    assert b"still there" in log
