"""The cable to a node: its logs, a port of a network, and what ends a command amid its work."""

import datetime as dt
import json
import os
import re
import signal
import socket
import subprocess
import threading

import pytest
import serial
from emulated import BIN
from serialnet import SerialSocket
from technician import lamppost

from ota.field import session
from ota.field.cable import Cable
from ota.field.faults import CableError


def logs(port, *words):
    return subprocess.Popen(
        [BIN / "lamppost", "node", "logs", "--port", port, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )


def ended(process):
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=10)
    return process.returncode, out, err


def test_logs_follow_a_running_node_and_do_not_disturb_it(node):
    starts = len(node.resets)
    with logs(node.serial, "--json") as process:
        lines = [json.loads(process.stdout.readline()) for _ in range(3)]
        code, _, err = ended(process)
    assert (code, err) == (0, "")
    for line in lines:
        assert line["level"] == "info"
        assert line["task"] in ("sample", "uplink", "light", "main", "clock", "update")
        assert line["uptime_s"] > 0
        heard = dt.datetime.fromisoformat(line["time"])
        assert abs((dt.datetime.now(dt.UTC) - heard).total_seconds()) < 30
    assert len(node.resets) == starts
    assert node.state == "running"
    assert "stopped from the cable" not in node.console.text


def repeating(listener, said, cut):
    """Say the latest of `said` over and over to whoever connects; hang up once when told to."""
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return  # the test is over
        with connection:
            try:
                while not cut.wait(0.05):
                    connection.sendall(said[-1])
            except OSError:
                continue
            cut.clear()


def test_logs_come_back_with_their_port_and_show_what_matters():
    """The port is a network's, which goes away and comes back; of the level only errors show."""
    said = [b"[     1.000] info  x: not this\n[    12.345] error update: \x1b[2Jfirst\n"]
    cut = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=repeating, args=(listener, said, cut), daemon=True).start()
    url = f"socket://127.0.0.1:{listener.getsockname()[1]}"
    with logs(url, "--level", "warn", "--since-boot", "--follow") as process:
        assert process.stdout.readline().endswith("12.345 error update: ?[2Jfirst\n")
        said.append(b"[     0.015] warn  boot: again\n")
        cut.set()
        for line in process.stdout:
            if "first" not in line:
                break
        assert line.endswith("0.015 warn  boot: again\n")
        code, _, err = ended(process)
    listener.close()
    assert code == 0
    assert f"{url} is gone" in err
    assert f"{url} is back" in err


@pytest.mark.filterwarnings("ignore:set(Daemon|Name)")  # pySerial 3.5's own
def test_a_node_behind_rfc2217_answers_as_one_at_the_desk(node):
    with SerialSocket(node.serial, rfc2217=True) as served:
        told = json.loads(lamppost("diagnose", "--port", served.url, "--json"))
        assert (told["node"]["id"], told["restarted"]) == (node.id, True)
        assert "pass  air" in lamppost("selftest", "--port", served.url)
        with logs(served.url) as process:
            assert re.match(r" *[0-9:.]{12} (info|warn|error) +\w+: ", process.stdout.readline())
            code, _, err = ended(process)
        assert (code, err) == (0, "")


def test_a_node_that_starts_anew_amid_a_command_ends_it(node):
    with Cable(node.serial) as cable:
        cable.run("import time\nprint('@[1]')\ntime.sleep(60)", fresh=False)
        lines = cable.lines(20)
        assert next(lines) == "@[1]"
        node.press_reset()
        with pytest.raises(CableError, match="started anew in the middle; try again"):
            list(lines)
    with Cable(node.serial) as cable:  # an old firmware's words are no sign of a program
        cable.run("while True: print('[ 1.000] info  light: dimmed')", fresh=False)
        with pytest.raises(CableError, match="fallen silent"):
            list(cable.lines(0.5))
        session.restart(cable, fresh=True)


def test_a_port_that_is_busy_or_goes_away_is_one_line(node, tmp_path):
    with serial.Serial(node.serial, exclusive=True):
        for name in ("logs", "diagnose", "selftest"):
            assert "is busy" in lamppost(name, "--port", node.serial, status=2)
    for name in ("logs", "diagnose", "selftest"):
        text = lamppost(name, "--port", str(tmp_path / "ttyUSB0"), status=2)
        assert text.strip().endswith("there is no such port; is the board plugged in?")
    cable = Cable(node.serial)
    cable.run("import time\ntime.sleep(60)", fresh=False)
    power_cut = threading.Timer(0.5, node.close)
    power_cut.start()
    with cable, pytest.raises(CableError):
        list(cable.lines(20))
    power_cut.join()
