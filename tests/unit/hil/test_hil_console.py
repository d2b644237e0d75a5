"""A board's serial port: heard as long as it is there, and again when it comes back."""

import os
import re
import socket
import threading
import tty

import pytest
from serialnet import SerialSocket

from hil_tests.rigs import bridge
from hil_tests.rigs.console import NoLines, SerialConsole
from sim.errors import DeadlineError


class Board:
    """The far end of a port, which can be unplugged."""

    def __init__(self, path):
        self.end, near = os.openpty()
        tty.setraw(near)
        path.symlink_to(os.ttyname(near))
        self._near, self._path = near, path

    def say(self, data):
        os.write(self.end, data)

    def unplug(self):
        self._path.unlink()
        os.close(self.end)
        os.close(self._near)


@pytest.fixture
def port(tmp_path):
    return tmp_path / "ttyUSB0"


@pytest.fixture
def console(tmp_path, port):
    made = SerialConsole(str(port), tmp_path / "console.log")
    made.open()
    yield made
    made.close()


def test_a_port_is_heard_again_after_it_was_unplugged(console, port, tmp_path):
    with pytest.raises(
        DeadlineError, match=r"waited 0\.1 s for 'x'; .*ttyUSB0 is away: .*no such"
    ):
        console.wait_text("x", 0.1)
    board = Board(port)
    console.await_port()
    board.say(b"one\r\n\xff\xfe caf\xc3")
    console.wait_text("caf", 5)
    board.say(b"\xa9\r\n")
    console.wait_text("caf\N{LATIN SMALL LETTER E WITH ACUTE}\n", 5)
    board.unplug()
    with pytest.raises(DeadlineError, match="ttyUSB0 is away"):
        console.wait_text("two", 0.5)
    mark = console.length
    board = Board(port)
    console.await_port()
    board.say(b"two\n")
    console.wait_text("two", 5, mark)
    assert "one" not in console.since(mark)
    logged = (tmp_path / "console.log").read_bytes()
    assert logged == b"one\r\n\xff\xfe caf\xc3\xa9\r\ntwo\n"
    board.unplug()


def test_a_client_speaks_on_a_port_that_is_listened_to(console, port):
    board = Board(port)
    console.await_port()
    host, _, number = console.url.removeprefix("socket://").partition(":")
    with socket.create_connection((host, int(number)), timeout=5) as client:
        client.sendall(b"\x03help")
        heard = b""
        while len(heard) < 5:
            heard += os.read(board.end, 16)
        assert heard == b"\x03help"
        board.say(b"answer")
        with client.makefile("rb") as line:
            assert line.read(6) == b"answer"
    console.wait_text("answer", 5)
    board.unplug()


def test_a_port_is_for_the_console_alone(console, port, tmp_path):
    board = Board(port)
    console.await_port()
    other = SerialConsole(str(port), tmp_path / "other.log")
    other.open()
    with pytest.raises(DeadlineError, match="is busy: another program has it open"):
        other.await_port(0.5)
    other.close()
    board.unplug()


def test_control_lines_reset_a_board_and_where_there_are_none_it_is_said(console, port, tmp_path):
    board, pulled = Board(port), []
    with pytest.raises(NoLines, match="no control lines"):
        console.reset()
    console.close()
    with (
        SerialSocket(port, rfc2217=True, en=lambda: pulled.append("EN")) as line,
        SerialSocket(port) as plain,
    ):
        far = SerialConsole(line.url, tmp_path / "far.log")
        far.open()
        far.await_port()
        assert pulled == []  # to listen is no reset
        far.reset()
        assert pulled == ["EN"]
        far.close()
        far = SerialConsole(plain.url, tmp_path / "plain.log")
        far.open()
        with pytest.raises(NoLines, match=re.escape("a plain socket has no control lines")):
            far.reset()
        far.close()
    board.unplug()


def test_a_client_that_takes_nothing_does_not_keep_the_rig_from_hearing(monkeypatch):
    monkeypatch.setattr(bridge, "_DEAF_S", 0.1)
    heard = []
    made = bridge.Bridge(heard.append)
    line, machine = socket.socketpair()
    serving = threading.Thread(target=made.serve, args=(line,), daemon=True)
    serving.start()
    host, port = made.url.removeprefix("socket://").split(":")
    with machine, line, socket.create_connection((host, int(port))):
        for _ in range(400):
            machine.sendall(bytes(1 << 16))  # more than all buffers between hold
        machine.shutdown(socket.SHUT_WR)
        serving.join(10)
        assert not serving.is_alive()
    made.close()
    assert sum(map(len, heard)) == 400 << 16
