"""A locked console: a cable hears the node, and only a technician's key comes to its prompt."""

import json
import os
import re
import subprocess

import pytest
from emulated import BIN, LAMP_POST, command, lamp_post
from technician import lamppost

from firmware.tasks import unlocking as node_side
from ota.build import cards, keys
from ota.field import lock
from ota.field.cable import Cable
from sim import flashfiles

PASSPHRASE = "correct horse"


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    """Give the PEM files of three technicians; the node knows the first two."""
    folder = tmp_path_factory.mktemp("keys")
    made = {}
    for name in ("anna", "ben", "carl"):
        made[name] = folder / f"{name}.pem"
        signer = keys.generate(made[name], PASSPHRASE)
        cards.write(cards.beside(made[name]), cards.Card(name, signer.public_key))
    return made


@pytest.fixture(scope="module")
def config(people):
    known = lock.holders(tuple(str(cards.beside(people[name])) for name in ("anna", "ben")))
    return LAMP_POST | {"console": {"keys": known}}


@pytest.fixture(scope="module")
def node(tmp_path_factory, config):
    with lamp_post(tmp_path_factory.mktemp("node") / "flash.bin", config) as made:
        yield made


@pytest.fixture(autouse=True)
def firmware_runs(node, monkeypatch):
    """Have the firmware run before each test, and see the lamp lit after it."""
    monkeypatch.setenv(keys.PASSPHRASE_VARIABLE, PASSPHRASE)
    monkeypatch.delenv(lock.VARIABLE, raising=False)
    if node.state != "running":
        fresh(node)
    yield
    assert node.lamp.dark_s == 0


def fresh(node):
    """Cut the power of a node and have its firmware start anew."""
    node.power_off()
    mark = node.console.length
    node.power_on()
    node.wait_text("sample: window", 30, since=mark)


def runs_on(node, starts):
    """Say that the node has gone on: the next window comes, and it has not started anew."""
    node.wait_text("sample: window", 20, since=node.console.length)
    return node.state == "running" and len(node.resets) == starts


def windows_of(node):
    """Return the numbers of the windows on the node's flash."""
    produced, _ = flashfiles.outbox(node.flash.path)
    return sorted(seq for _, seq in produced)


def typed(node, words, wanted, deadline_s=20):
    """Type a line, again if the lock let it pass, until it says what is wanted; return that."""
    mark = node.console.length
    with Cable(node.serial) as cable:
        line = lock.Line("", cable._transport.serial.write, cable._more)
        found = lock._await(line, words, re.compile(wanted), deadline_s)
    node.wait_text(found[-1][0], 5, since=mark)
    return found[-1]


def challenge(node):
    return typed(node, b"\runlock\r", r"challenge (\w+) (\w+)").groups()


def answer(people, name, id_, nonce):
    signer = keys.load(people[name], PASSPHRASE)
    signature = signer.sign(lock.TEXT % (id_.encode(), nonce.encode())).signature
    return f"\ranswer {lock.point(signer.public_key)[2:10]} {signature}\r".encode()


def test_both_sides_sign_the_same():
    assert node_side.TEXT == lock.TEXT


def test_keys_and_commands_of_the_prompt_are_bytes(node):
    """Neither Ctrl-C, D, A, B nor E comes to a prompt."""
    starts = len(node.resets)
    mark = node.console.length
    for keys_ in (b"\x03\x03\x04\x01", b"\r\x03\x01", b"\x02\x04\x05A\x01", b"import os\r\x04"):
        node.send(keys_)
    node.wait_text("lock: locked to anna, ben", 10, since=mark)
    assert runs_on(node, starts)
    assert ">>> " not in node.console.text
    assert "raw REPL" not in node.console.text


@pytest.mark.parametrize("name", ["diagnose", "unlock"])
def test_without_a_key_it_is_one_line(node, name):
    starts = len(node.resets)
    text = lamppost(name, "--port", node.serial, status=2)
    assert "the node's console is locked (keys: anna, ben): give --key FILE or set" in text
    assert runs_on(node, starts)


def test_the_log_is_there_for_everybody(node):
    process = subprocess.Popen(
        [BIN / "lamppost", "node", "logs", "--port", node.serial],
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout.readline()
    process.terminate()
    process.communicate(timeout=10)
    assert node.state == "running"


def test_a_wrong_key_an_old_answer_and_another_nodes_are_refused(node, people):
    starts = len(node.resets)
    text = lamppost("diagnose", "--port", node.serial, "--key", str(people["carl"]), status=2)
    assert "refuses this key; its console opens to anna, ben" in text
    assert runs_on(node, starts)
    id_, nonce = challenge(node)
    assert id_ == node.id
    mark = node.console.length
    node.send(answer(people, "anna", "240ac4fffe999999", nonce))
    node.wait_text("lock: refused", 10, since=mark)
    node.wait_text("planned reset: a key was refused", 10, since=mark)
    node.wait_text("main: memory", 10, since=mark)
    node.send(answer(people, "anna", id_, nonce))  # right, had it been the first
    assert runs_on(node, starts + 1)
    assert ">>> " not in node.console.text
    assert windows_of(node) == list(range(1, len(windows_of(node)) + 1))


def test_the_right_key_opens_until_the_next_start(node, people):
    text = lamppost("diagnose", "--port", node.serial, "--key", str(people["ben"]), status=1)
    assert re.search("console +locked to anna, ben", text)
    assert "opened by ben" in text  # it is among the lines kept on flash
    mark = node.console.length
    node.wait_text("sample: window", 30, since=mark)
    node.send(b"\x03\x04")
    typed(node, b"\r", "locked to anna, ben")
    lamppost("unlock", "--port", node.serial, "--key", str(cards.beside(people["anna"])))
    assert (
        command("mpremote", "connect", node.serial, "resume", "exec", "print(6 * 7)") == b"42\r\n"
    )
    assert b"config.json" in command("mpremote", "connect", node.serial, "fs", "ls", ":/etc")
    mark = node.console.length
    command("mpremote", "connect", node.serial, "reset")
    node.wait_text("sample: window", 30, since=mark)
    starts = len(node.resets)
    typed(node, b"\x03", "locked to anna, ben")
    assert runs_on(node, starts)


def test_a_soft_reset_at_the_prompt_locks_again(node, people):
    lamppost("unlock", "--port", node.serial, "--key", str(people["anna"]))
    assert node.state == "prompt"
    mark = node.console.length
    node.send(b"\r\x02\x04")
    node.wait_text("sample: window", 30, since=mark)
    typed(node, b"\x03", "locked to anna, ben")


def test_ctrl_c_at_every_moment_of_a_start_opens_nothing(node):
    node.power_off()
    mark = node.console.length
    node.power_on()

    def started():
        node.send(b"\x03")
        return "sample: window" in node.console.since(mark)

    node.wait(started, 30)
    assert node.state == "running"
    assert ">>> " not in node.console.since(mark)


def test_boot_code_that_is_damaged_starts_the_node_anew(node):
    node.power_off()
    before = flashfiles.read(node.flash.path, "vfs")
    flashfiles.change(node.flash.path, "vfs", {"lib/startup.mpy": b"bent"})
    mark = node.console.length
    node.power_on()
    node.wait(lambda: node.resets[-1] == "hard", 30, "another start")
    assert ">>> " not in node.console.since(mark)
    node.power_off()
    flashfiles.change(node.flash.path, "vfs", {"lib/startup.mpy": before["lib/startup.mpy"]})
    fresh(node)


@pytest.mark.parametrize(
    ("etc", "kept", "state"),
    [
        (b'{"v": 1, "console": {"keys"', None, "locked to nobody"),
        (b'{"v": 1, "console": {"keys": {"x": "04"}}}', "config", "locked to anna, ben"),
        (b"{", "config", "locked to anna, ben"),
        (b"{", None, ""),
    ],
)
def test_a_damaged_config_opens_nothing_that_was_locked(node, config, etc, kept, state):
    node.power_off()
    packed = json.dumps(config).encode()
    flashfiles.change(node.flash.path, "vfs", {"etc/config.json": etc})
    flashfiles.change(node.flash.path, "data", {"config.json": packed if kept else None})
    mark = node.console.length
    node.power_on()
    node.wait_text("main: memory", 30, since=mark)
    if state:
        typed(node, b"\x03", state)
    else:
        node.send(b"\x03")
        node.wait_text(">>> ", 10, since=mark)
    node.power_off()
    flashfiles.change(node.flash.path, "vfs", {"etc/config.json": packed})
    fresh(node)


def test_floods_neither_stop_the_node_nor_fill_its_memory(node):
    starts = len(node.resets)
    mark = node.console.length
    for _ in range(50):
        for flood in (b"\n" * 200_000, b"x" * 100_000, b"unlock\r" * 10_000, bytes(range(4, 256))):
            node.send(flood)
        assert node.wait(lambda: node.console.length, 1)
    assert runs_on(node, starts)
    typed(node, b"\r", "locked to anna, ben", 40)
    assert "Error" not in node.console.since(mark)
