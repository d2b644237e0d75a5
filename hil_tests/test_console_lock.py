"""A node with a locked console, on a rig: the cable opens nothing, the air does as ever.

The tests of this file go on from one another: it is one node's life. What the lock itself does and
refuses stands in tests/journeys/test_console_lock.py; here it is seen on the rig's MicroPython,
with its terminal, its memory and its clock.
"""

import contextlib
import re
import subprocess
import sys
from pathlib import Path

import pytest
import serial

from hil_tests import budget
from hil_tests.changes import ONE_LINE
from ota.build import cards, keys
from ota.field import lock
from sim.errors import DeadlineError

pytestmark = pytest.mark.timeout(3600)

BIN = Path(sys.executable).parent
PASSPHRASE = "correct horse"
TYPED = b"\x03\x03\x04\r\x01\x03\x02\x04\x05A\x01\rimport os\r\x04"
PROMPTS = (">>> ", "raw REPL")


@pytest.fixture(scope="module")
def anna(tmp_path_factory):
    """Give the PEM file of a technician's key, its card beside it."""
    path = tmp_path_factory.mktemp("keys") / "anna.pem"
    signer = keys.generate(path, PASSPHRASE)
    cards.write(cards.beside(path), cards.Card("anna", signer.public_key))
    return path


@pytest.fixture(scope="module")
def node(rig, city, anna, tmp_path_factory):
    """Give a node that only Anna's key opens; it is off."""
    console = {"keys": lock.holders((str(cards.beside(anna)),))}
    made = rig.node(city, "hil-lock", "1.0.0", tmp_path_factory.mktemp("node"), console=console)
    yield made
    made.close()


def type_until(node, wanted, deadline_s, typed=TYPED):
    """Type this, by itself all that comes to a prompt, once a second until the node says so."""
    mark = node.console.length
    with serial.serial_for_url(node.port) as port:
        for _ in range(int(deadline_s)):
            port.write(typed)
            with contextlib.suppress(DeadlineError):
                return node.wait_text(wanted, 1, mark)
    raise AssertionError(f"it never said {wanted!r}: {node.console.since(mark)[-2000:]}")


def lamppost(*words, **environment):
    """Run a command of the technician."""
    return subprocess.run(
        [BIN / "lamppost", "node", *words],
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def test_what_is_typed_during_its_first_start_opens_nothing(rig, city, node):
    node.power_on()
    type_until(node, "enrol: certificate", 60 * rig.patience)
    type_until(node, "lock: locked to anna", 30 * rig.patience)
    assert not any(each in node.console.text for each in PROMPTS)
    assert city.device(node)["state"] == "active"


def test_it_is_updated_over_the_air(rig, city, node, told):
    told["TLS open"] = budget.with_tls_at_rest(rig, node)
    budget.within_budget(told["TLS open"])
    city.release("1.1.0", ONE_LINE)
    mark = node.console.length
    city.wait_action(city.rollout("1.1.0", node), node, "confirmed", 90 * rig.patience)
    said = node.console.since(mark)
    for moment, line in (("update", "memory at the lowest"), ("trial", "release 1.1.0 confirmed")):
        told[f"lowest in the {moment}"] = lowest = budget.figures(said, "update: " + line)
        budget.above_the_least(lowest)
    assert not any(each in node.console.text for each in PROMPTS)


def test_without_the_key_a_technician_is_told_so(rig, node):
    type_until(node, "lock: locked to anna", 60 * rig.patience)
    refused = lamppost("unlock", "--port", node.port)
    assert refused.returncode == 2, refused
    assert "the node's console is locked (keys: anna): give --key FILE" in refused.stderr


def test_a_wrong_answer_costs_a_start_and_no_memory(rig, node, anna, told):
    """To verify takes more heap than is free beside measuring: it must not be the IDF's."""
    signer = keys.load(anna, PASSPHRASE)
    mark = node.console.length
    type_until(node, "lock: challenge", 30 * rig.patience, b"\runlock\r")
    nonce = re.search(r"challenge \w+ (\w+)", node.console.since(mark))[1]
    signature = signer.sign(lock.TEXT % (b"another node", nonce.encode())).signature
    answer = f"\ranswer {lock.point(signer.public_key)[2:10]} {signature}\r"
    type_until(node, "lock: refused", 30 * rig.patience, answer.encode())
    node.wait_text("planned reset: a key was refused", 20 * rig.patience, mark)
    node.wait_text("main: memory", 40 * rig.patience, mark)
    told["TLS open after it"] = budget.with_tls_at_rest(rig, node)
    budget.within_budget(told["TLS open after it"])


def test_the_key_opens_it_until_its_next_start(rig, node, anna):
    key = {keys.PASSPHRASE_VARIABLE: PASSPHRASE, lock.VARIABLE: str(anna)}
    opened = lamppost("unlock", "--port", node.port, **key)
    assert opened.returncode == 0, opened
    asked = [BIN / "mpremote", "connect", node.port, "resume", "exec", "print(6 * 7)"]
    assert subprocess.check_output(asked, timeout=120).strip() == b"42"
    node.press_reset()
    mark = node.console.length
    type_until(node, "lock: locked to anna", 60 * rig.patience)
    node.wait_text("acknowledged", 60 * rig.patience, mark)
    assert not any(each in node.console.since(mark) for each in PROMPTS)
