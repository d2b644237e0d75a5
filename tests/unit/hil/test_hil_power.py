"""What switches a board: uhubctl, a program; a relay on a serial port; nothing at all."""

import json
import os
import select
import tty

import pytest
from benchboard import Stand, program

from hil_tests.rigs import power
from hil_tests.rigs.power import Relay, Uhubctl, Unswitched
from hil_tests.rigs.rig import BenchError


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """Give a function that sets up a hub with a board behind it; it returns what is on."""
    state = {"power": "off"}

    def do(words):
        if words[0] in ("on", "off"):
            state["power"] = words[0]
        return state["power"]

    program(tmp_path, "uhubctl")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with Stand(tmp_path / "stand", do) as stand:

        def set_up(fail=None):
            hub = {"stand": stand.path, "log": str(tmp_path / "log"), "fail": fail}
            monkeypatch.setenv("FAKE_UHUBCTL", json.dumps(hub))
            return state

        yield set_up


def test_a_hub_switches_its_port(hub):
    state, port = hub(), Uhubctl("1-1.4", 2)
    port.on()
    assert state["power"] == "on"
    power.cycle(port, drained_s=0)
    assert state["power"] == "on"
    port.off()
    assert state["power"] == "off"


@pytest.mark.parametrize(
    ("port", "fail", "words"),
    [
        (Uhubctl("9-9", 2), None, "9-9 -p 2: there is no hub that switches its ports singly"),
        (Uhubctl("1-1.4", 7), None, "the hub has no port 7"),
        (Uhubctl("1-1.4", 2), "rights", "no permission to use USB"),
        (Uhubctl("1-1.4", 2), "stuck", "asked for on, the port did not follow"),
        (Uhubctl("1-1.4", 2), "half", "asked for on, the port did not follow"),
    ],
)
def test_a_hub_that_does_not_switch_is_named(hub, port, fail, words):
    hub(fail)
    with pytest.raises(BenchError, match=words):
        port.on()


def test_without_uhubctl_the_error_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BenchError, match="no such program on the PATH"):
        Uhubctl("1-1.4", 2).off()


def test_a_relay_gets_its_four_bytes(tmp_path):
    relay, end = os.openpty()
    try:
        tty.setraw(end)
        port = Relay(os.ttyname(end), 1)
        port.on()
        assert os.read(relay, 16) == b"\xa0\x01\x01\xa2"
        port.off()
        assert os.read(relay, 16) == b"\xa0\x01\x00\xa1"
        Relay(os.ttyname(end), 8).on()
        assert os.read(relay, 16) == b"\xa0\x08\x01\xa9"
        assert not select.select([relay], [], [], 0)[0]
    finally:
        os.close(relay)
        os.close(end)
    with pytest.raises(BenchError, match="relay at /nowhere/ttyUSB1"):
        Relay("/nowhere/ttyUSB1", 1).off()


def test_what_nothing_switches_skips_the_test_that_cuts_it():
    Unswitched().on()
    with pytest.raises(pytest.skip.Exception, match="cannot cut power"):
        Unswitched().off()
