"""A release over the cable: a real bundle, the real firmware, and what can go wrong on the way."""

import dataclasses
import json
import os
import subprocess
import sys
import tty
from pathlib import Path

import pytest
import serial

from ota.build import offline
from ota.core import bootrecord
from ota.field import cable as cables
from ota.field import deploy as deploying
from ota.field.bridge import Bridge
from ota.field.cable import Cable
from ota.field.deploy import DeployError, deploy
from ota.field.faults import CableError
from sim import flashfiles

BIN = Path(sys.executable).parent
CHANGED = {
    "core/ranges.py": lambda text: text.replace('"pm25": (0, 1000)', '"pm25": (0, 900)'),
    "core/calendar.py": lambda text: text + "\nMENDED = 1\n",
}


@pytest.fixture(scope="module")
def bundles(city):
    """Give the offline bundles of both releases, each of the day on which it was the newest."""
    found = {"1.0.0": export(city, "1.0.0")}
    city.release("1.1.0", CHANGED)
    found["1.1.0"] = export(city, "1.1.0")
    return found


def export(city, version):
    out = city.home.parent / f"{version}.offline.zip"
    home = ("--home", city.home)
    city.lamppost("ota", "bundle-export", "--version", version, *home, "--out", out)
    return out


@pytest.fixture
def node(city, bundles):
    made = city.node(f"node-{len(city.nodes) + 1}", "1.0.0")
    made.power_on()
    made.wait_text("enrol: certificate", 40)
    yield made
    made.close()


def runs(node):
    return node.wait(lambda: flashfiles.version(node.flash.path), 10)


def install(node, bundle, on_progress=lambda *_: None):
    with Cable(node.serial) as cable:
        return deploy(cable, bundle, on_progress)


def refused(node, bundle, reason):
    """Assert that a bundle is refused, and that the node then measures on as before."""
    mark = node.console.length
    with pytest.raises(DeployError, match=reason):
        install(node, bundle)
    node.wait_text("main: release 1.0.0 from /data/a, reset cause hard", 20, since=mark)
    assert runs(node) == "1.0.0"
    files = flashfiles.read(node.flash.path, "data")
    record = bootrecord.newest([files.get("boot.0"), files.get("boot.1")])
    assert (record["state"], record["slot"]) == ("steady", "a")


@pytest.mark.timeout(180)
def test_a_node_without_a_network_is_updated_and_the_server_learns_of_it(city, node, bundles):
    city.wait(lambda: city.device(node)["version"] == "1.0.0", 20, "its first heartbeat")
    city.proxy.faults.refuse = True
    city.proxy.cut()
    rollout = city.rollout("1.0.0", node)
    done = subprocess.run(
        [
            *(BIN / "lamppost", "node", "deploy", "--port", node.serial),
            *("--bundle", bundles["1.1.0"], "--wait", "0", "--json"),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["before"], told["version"], told["board"]) == ("1.0.0", "1.1.0", "esp32")
    assert told["sent"] < 20_000  # metadata, the manifest and two small files
    city.proxy.faults.refuse = False
    node.wait_text("release 1.1.0 confirmed", 60)

    def installed():
        acts = city.api("GET", f"/devices/{node.id}/timeline")["entries"]
        return [each for each in acts if each["what"] == "device.installed_offline"]

    (act,) = city.wait(installed, 20, "the server to hear of it")
    assert act["actor"] == f"node:{node.id}"
    assert act["detail"] == {"name": "lamppost", "version": "1.1.0", "before": "1.0.0"}
    assert city.device(node)["version"] == "1.1.0"
    # The older release was on offer all the time; it is over, and the node stays as it is.
    assert city.wait_action(rollout, node, "cancelled", 10) == "installed by cable"
    mark = node.console.length
    node.wait_text("uplink: ", 20, since=mark)
    assert runs(node) == "1.1.0"
    refused_afterwards(node, bundles)


def refused_afterwards(node, bundles):
    for bundle, reason in (
        (bundles["1.1.0"], "the node runs 1.1.0 already"),
        (
            bundles["1.0.0"],
            "the node refused 1.0.0: Rollback: timestamp .* export the bundle anew",
        ),
    ):
        with pytest.raises(DeployError, match=reason):
            install(node, offline.load(bundle))
        assert runs(node) == "1.1.0"


@pytest.mark.timeout(180)
def test_what_is_refused_or_interrupted_harms_nothing_and_can_be_repeated(
    node, bundles, monkeypatch
):
    good = offline.load(bundles["1.1.0"])
    board = dataclasses.replace(good.header, board="esp32c3")
    refused(
        node, dataclasses.replace(good, header=board), "is an esp32, the bundle is for esp32c3"
    )
    stale = dataclasses.replace(good, until=1)
    refused(node, stale, "by the node's clock .* the bundle has expired")

    name = next(name for name in good.members if name.endswith(".targets.json"))
    signed = json.loads(good.members[name])
    signed["signed"]["expires"] = "2099-01-01T00:00:00Z"
    forged = {**good.members, name: json.dumps(signed).encode()}
    refused(node, dataclasses.replace(good, members=forged), "refused 1.1.0: Bad(Length|Hash|Sig)")

    name = next(name for name in good.members if name.startswith("files/"))
    twisted = {
        name: data[:-1] + bytes([data[-1] ^ 1]) if name.startswith("files/") else data
        for name, data in good.members.items()
    }
    refused(node, dataclasses.replace(good, members=twisted), "refused 1.1.0: Bad")
    without = {name: data for name, data in good.members.items() if "files/" not in name}
    without = dataclasses.replace(good, members=without)
    refused(node, without, "1.1.0 is not installed: ServerError: status 404; try again")
    interrupted(node, good, monkeypatch)


def interrupted(node, bundle, monkeypatch):
    """Pull the cable, cut the power amid a transfer, then install over a line that loses bytes."""
    served = Bridge(node.serial)

    def pull(sent, _total):
        if sent > 200:
            served.close()

    with Cable(served.path) as cable, pytest.raises(CableError, match="is gone: unplugged"):
        deploying.deploy(cable, bundle, pull)
    assert runs(node) == "1.0.0"
    served = []

    def power_cut(sent, _total):
        if sent > 200:
            node.power_off()

    monkeypatch.setattr(deploying, "_SILENCE_S", 5.0)
    with pytest.raises(CableError, match="the node has fallen silent"):
        install(node, bundle, power_cut)
    monkeypatch.undo()
    assert runs(node) == "1.0.0"
    mark = node.console.length
    node.power_on()
    node.wait_text("main: release 1.0.0 from /data/a", 20, since=mark)

    send = Cable.send

    def noisy(cable, line):
        served.append(line)
        if len(served) % 5 == 0:
            line = line[:20] + b"?" + line[21:]
        if len(served) % 7 == 0:
            line = line[:-9]
        send(cable, line)

    monkeypatch.setattr(Cable, "send", noisy)
    result = install(node, bundle)
    assert (result.before, result.version) == ("1.0.0", "1.1.0")
    node.wait_text("release 1.1.0 confirmed", 60, since=mark)
    assert runs(node) == "1.1.0"


def test_a_port_that_is_not_there_is_busy_or_silent(tmp_path, monkeypatch, city, bundles):
    with pytest.raises(CableError, match="there is no such port"):
        Cable(str(tmp_path / "ttyUSB0"))
    with pytest.raises(CableError, match=r"socket://127\.0\.0\.1:1: .*refused"):
        Cable("socket://127.0.0.1:1")
    master, slave = os.openpty()
    tty.setraw(slave)
    port = os.ttyname(slave)
    try:
        with serial.Serial(port, exclusive=True), pytest.raises(CableError, match="is busy"):
            Cable(port)
        monkeypatch.setattr(cables, "_PROMPT_S", 0.3)
        with Cable(port) as cable, pytest.raises(CableError, match="no MicroPython prompt"):
            cable.run("print(1)")
    finally:
        os.close(master)
        os.close(slave)
