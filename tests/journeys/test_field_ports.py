"""Behind a port: a board of others, a port on a network, a node that starts over and over."""

import json
import os
import select
import threading
import time
import tty

import pytest
from click.testing import CliRunner
from emulated import flash, started
from serial.tools import list_ports
from serial.tools.list_ports_common import ListPortInfo
from serialnet import SerialSocket

from ota.field import asking, session
from ota.field import cable as cables
from ota.field.bridge import Bridge
from ota.field.cable import Cable
from ota.field.cli import node as commands
from ota.field.session import NodeError
from sim.node import Node

OTHERS = "import time\nprint('a firmware of others')\nwhile True: time.sleep(0.05)\n"
RESTLESS = "import machine\nprint('rst:0xc (SW_CPU_RESET)')\nmachine.reset()\n"


@pytest.fixture(scope="module")
def others(tmp_path_factory):
    """Give a board on which another firmware runs."""
    node = started(tmp_path_factory.mktemp("others") / "flash.bin", OTHERS)
    node.wait_text("a firmware of others\r\n", 10)
    yield node
    node.close()


@pytest.fixture
def no_usb(monkeypatch):
    monkeypatch.setattr(list_ports, "comports", list)


def run(*words):
    return CliRunner().invoke(commands, [*map(str, words)])


def test_usb_says_what_is_plugged_in_and_no_port_is_opened(monkeypatch, others):
    mark = others.console.length
    bridge, plain = ListPortInfo("/dev/ttyUSB7", True), ListPortInfo("/dev/ttyS0", True)
    bridge.vid, bridge.pid, bridge.product = 0x10C4, 0xEA60, "CP2102N"
    bridge.manufacturer, bridge.serial_number = "Silicon Labs", "0001"
    monkeypatch.setattr(list_ports, "comports", lambda: [plain, bridge])
    found = json.loads(run("list", "--json", "--port", others.serial, "--port", "/none").stdout)
    assert [(each["port"], each["description"], each["usb"]) for each in found] == [
        ("/dev/ttyUSB7", "Silicon Labs CP2102N (CP210x converter)", "10c4:ea60"),
        (others.serial, "pseudo-terminal", None),
        ("/none", "not there", None),
    ]
    assert {each["about"] for each in found} == {None}
    assert "/dev/ttyUSB7          Silicon Labs CP2102N" in run("list").stdout
    assert others.console.length == mark


def test_a_board_with_another_firmware_is_told_apart_and_runs_on(no_usb, others):
    mark = others.console.length
    told = run("list", "--ask", "--port", others.serial, "--port", "socket://127.0.0.1:1").stdout
    first, second = told.splitlines()
    assert "MicroPython 1." in first
    assert first.endswith("no release of ours")
    assert "refused" in second
    others.wait_text("a firmware of others", 10, since=mark)
    with Cable(others.serial) as cable:
        found = session.about(cable)
        with pytest.raises(NodeError, match=r"another firmware is on the board .*node flash"):
            session.require_ours(cable, found)
        session.restart(cable)


@pytest.mark.parametrize("rfc2217", [False, True], ids=["socket", "rfc2217"])
def test_a_port_on_a_network_serves_as_one_at_the_desk(no_usb, others, rfc2217):
    with SerialSocket(others.serial, rfc2217=rfc2217) as served:
        (found,) = json.loads(run("list", "--ask", "--json", "--port", served.url).stdout)
        assert found["fault"] is None
        assert found["about"]["id"] == others.id
        mark = others.console.length
        others.wait_text("a firmware of others", 10, since=mark - 2000)
        with Bridge(served.url) as bridge:
            port = os.open(bridge.path, os.O_RDWR | os.O_NOCTTY)
            try:
                assert b">>> " in answer(port, b"\r\x03", b">>> ")
                assert b"42" in answer(port, b"print(6 * 7)\r", b"42\r\n")
            finally:
                os.close(port)
        with Cable(served.url) as cable:
            assert cable.at_prompt()
            session.restart(cable, fresh=True)
        with Cable(served.url) as cable:
            others.wait_text("a firmware of others", 10, since=others.console.length - 300)
            assert not cable.at_prompt()


def answer(port, typed, wanted):
    os.write(port, typed)
    heard, until = b"", time.monotonic() + 10
    while wanted not in heard and time.monotonic() < until:
        if select.select([port], [], [], 0.2)[0]:
            heard += os.read(port, 4096)
    return heard


def test_a_node_that_starts_over_and_over_ends_every_command_in_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(cables, "_REACH_S", 4.0)
    monkeypatch.setattr(asking, "CATCH_S", 4.0)
    with Node(flash(tmp_path / "flash.bin", boot=RESTLESS)) as node:
        node.power_on()
        node.wait(lambda: len(node.resets) > 2, 10)
        for name in ("diagnose", "wipe"):
            begun = time.monotonic()
            more = ["--keep-registered"] if name == "wipe" else []
            result = run(name, "--port", node.serial, *more)
            assert result.exit_code == 2
            assert "the node starts over and over" in result.stderr
            assert "lamppost node flash" in result.stderr
            assert result.stderr.count("\n") == 1
            assert time.monotonic() - begun < 12


def test_a_board_that_is_never_silent_does_not_hold_the_laptop(tmp_path, monkeypatch):
    """mpremote reads on while anything comes; a prompt does not."""
    monkeypatch.setattr(cables, "_REACH_S", 2.0)
    master, slave = os.openpty()
    tty.setraw(slave)
    over = threading.Event()
    thread = threading.Thread(target=chatter, args=(master, over))
    thread.start()
    try:
        result = run("wipe", "--keep-registered", "--port", os.ttyname(slave))
    finally:
        over.set()
        thread.join()
        os.close(master)
        os.close(slave)
    assert result.exit_code == 2
    assert "no MicroPython prompt answers" in result.stderr


def chatter(port, over):
    """Talk on and on, and read what is typed."""
    while not over.is_set():
        readable, writable, _ = select.select([port], [port], [], 0.1)
        if readable:
            os.read(port, 4096)
        if writable:
            os.write(port, b"all is well\r\n" * 8)


def test_a_shell_needs_a_terminal(others):
    result = run("shell", "--port", others.serial)
    assert result.exit_code == 2
    assert "mpremote connect PORT exec" in result.stderr
