"""What technicians know works on a node whose firmware runs: plain mpremote, and ampy."""

import functools
import http.server
import os
import pty
import select
import subprocess
import threading
import time
from pathlib import Path

import pytest
from emulated import BIN, LAMP_POST, command, files, lamp_post
from mpremote import mip

from ota.build import mippackage, sources
from sim import flashfiles

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    with lamp_post(tmp_path_factory.mktemp("node") / "flash.bin", LAMP_POST) as made:
        yield made


@pytest.fixture(autouse=True)
def firmware_runs(node):
    """Have the firmware run before each test, as a node's does; and the lamp lit after it."""
    mark = node.console.length
    if node.console.raw or node.state == "prompt":
        node.send(b"\r\x03\x02\x04")
    node.wait_text("sample: window", 30, since=mark)
    yield
    assert node.lamp.dark_s == 0
    assert set(node.resets[1:]) <= {"soft", "hard"}


def mpremote(node, *words, deadline_s=60):
    return command("mpremote", "connect", node.serial, *words, deadline_s=deadline_s)


def ampy(node, *words):
    return command("ampy", "--port", node.serial, *words)


class Terminal:
    """A command at a terminal of its own, as somebody sits at it."""

    def __init__(self, *words):
        self._master, slave = pty.openpty()
        self._process = subprocess.Popen(
            [BIN / words[0], *words[1:]],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
        )
        os.close(slave)
        self._text = b""

    def type(self, keys):
        os.write(self._master, keys)

    def wait(self, text, deadline_s=20):
        """Wait until the terminal shows a text that it had not shown to this before."""
        until = time.monotonic() + deadline_s
        while text not in self._text:
            left = until - time.monotonic()
            assert left > 0, self._text.decode(errors="replace")
            if select.select([self._master], [], [], left)[0]:
                self._text += os.read(self._master, 4096)
        self._text = self._text.partition(text)[2]

    def close(self):
        code = self._process.wait(10)
        os.close(self._master)
        return code


def test_files_and_programs(node, tmp_path):
    local = tmp_path / "notes.bin"
    local.write_bytes(bytes(range(256)) * 20)
    assert b"config.json" in mpremote(node, "fs", "ls", ":/etc")
    mpremote(node, "fs", "cp", str(local), ":/data/notes.bin")
    assert flashfiles.read(node.flash.path, "data")["notes.bin"] == local.read_bytes()
    back = tmp_path / "back.bin"
    mpremote(node, "fs", "cp", ":/data/notes.bin", str(back), "+", "fs", "rm", ":/data/notes.bin")
    assert back.read_bytes() == local.read_bytes()
    told = mpremote(node, "exec", "import sys; print(sys.path[0], 6 * 7)")
    assert told == b"/data/a 42\r\n"
    assert "stopped from the cable" in node.console.text


def test_the_repl_interrupts_the_firmware_and_leaving_it_starts_it_again(node):
    terminal = Terminal("mpremote", "connect", node.serial, "resume", "repl")
    terminal.wait(b"Use Ctrl-] or Ctrl-x to exit this shell")
    terminal.wait(b"sample: window")  # it runs on while somebody looks
    terminal.type(b"\x03")
    terminal.wait(b"KeyboardInterrupt")
    terminal.wait(b">>> ")
    terminal.type(b"print(6 * 7)\r")
    terminal.wait(b"42")
    mark = node.console.length
    terminal.type(b"\x04")
    terminal.wait(b"MPY: soft reboot")
    terminal.wait(b"main: release 1.0.0 from /data/a, reset cause soft")
    terminal.type(b"\x1d")
    assert terminal.close() == 0
    node.wait_text("sample: window", 20, since=mark)


def test_a_mounted_folder_is_listed_imported_read_and_written(node, tmp_path):
    """Every byte goes both ways, those of Ctrl-C and of a newline among them; text stays text."""
    every = bytes(range(256)) * 3 + b"\n\x03\n"
    (tmp_path / "helper.py").write_text("# a comment\n" * 40 + "WORD = 'from the laptop'\n")
    (tmp_path / "every").write_bytes(every)
    (tmp_path / "x").write_text("line one\nline two\n")
    program = (
        "import os, helper\n"
        "print(os.getcwd(), sorted(os.listdir()), helper.WORD)\n"
        "print(open('/remote/x').read())\n"
        "with open('every', 'rb') as file: data = file.read()\n"
        "with open('back', 'wb') as file:\n"
        "    print(file.write(data), file.write(bytes(reversed(data))))\n"
    )
    told = mpremote(node, "soft-reset", "mount", str(tmp_path), "exec", program)
    assert b"/remote ['every', 'helper.py', 'x'] from the laptop\r\n" in told
    assert b"line one\r\nline two\r\n\r\n771 771\r\n" in told
    assert (tmp_path / "back").read_bytes() == every + every[::-1]
    assert "helper.py" not in files(node)


def test_the_firmware_package_is_installed_from_its_folder(node):
    """All of it goes over, as it lies in the tree; a driver of it runs."""
    text = mpremote(
        node, "mip", "install", "--target", "/data/dev", str(ROOT / "firmware" / "package.json")
    )
    assert text.rstrip().endswith(b"Done")
    found = flashfiles.read(node.flash.path, "data")
    for source in sources.collect():
        assert found[f"dev/{source.path}"] == source.file.read_bytes()
    told = mpremote(
        node,
        "exec",
        "import sys; sys.path.insert(0, '/data/dev')\n"
        "for each in list(sys.modules):\n if each.startswith('firmware'): del sys.modules[each]\n"
        "from firmware.core import senml; print(senml.__file__)",
    )
    assert told == b"/data/dev/firmware/core/senml.py\r\n"
    mpremote(node, "fs", "rm", "-r", ":/data/dev")


def test_every_file_of_the_package_is_found_over_http(monkeypatch):
    """mip's own code asks a web server over the tree for each of them."""

    class Board:
        def __init__(self):
            self.files = {}

        def fs_exists(self, _path):
            return True

        def fs_writefile(self, path, data, **_):
            self.files[path] = bytes(data)

    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=ROOT)
    monkeypatch.setattr(http.server.SimpleHTTPRequestHandler, "log_message", lambda *_: None)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    board = Board()
    url = f"http://127.0.0.1:{server.server_address[1]}/firmware/package.json"
    try:
        mip._install_package(board, url, "", "/lib", None, False)
    finally:
        server.shutdown()
        server.server_close()
    wanted = {f"/lib/{each.path}": each.file.read_bytes() for each in sources.collect()}
    assert board.files == wanted


def test_the_package_names_what_a_slot_holds():
    stored = (ROOT / "firmware" / "package.json").read_text()
    assert stored == mippackage.text(), "python -m ota.build.mippackage writes it anew"


def test_ampy_lists_puts_gets_and_runs(node, tmp_path):
    local = tmp_path / "notes.txt"
    local.write_bytes(b"line one\nline two\n" * 20)
    assert {b"/etc", b"/lib", b"/boot.py"} <= set(ampy(node, "ls").split())
    ampy(node, "put", str(local), "/data/notes.txt")
    assert flashfiles.read(node.flash.path, "data")["notes.txt"] == local.read_bytes()
    assert ampy(node, "get", "/data/notes.txt") == local.read_bytes() + b"\n"
    script = tmp_path / "script.py"
    script.write_text("import sys\nprint('sum', sum(range(10)), sys.path[0])\n")
    assert b"sum 45 /data/a" in ampy(node, "run", str(script))
