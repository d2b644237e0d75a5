"""A node from the workshop to its post, to another one, and to the scrap heap, over its cable."""

import json
import os
import select
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest
from click.testing import CliRunner
from provisioned import blank

from ota.field import cable as cables
from ota.field import cli, session
from ota.field import provision as provisioning
from ota.field import wipe as wiping
from ota.field.bridge import Bridge
from ota.field.cable import Cable
from ota.field.faults import CableError
from ota.field.server import Server
from sim import flashfiles

BIN = Path(sys.executable).parent
MAC = b"\x24\x0a\xc4\x00\x07\x01"
PASSWORD = "only-for-nodes"
COMMON = ("v", "parts", "streams", "window_s", "sample_s", "poll_s", "heartbeat_s")


@pytest.fixture(scope="module")
def node(city):
    made = blank(city, "pier", MAC, city.config("pier"))
    made.power_on()
    made.wait_text("not provisioned: light at 100 %; run `lamppost node provision`", 20)
    return made


@pytest.fixture(scope="module")
def common(city):
    """Give the file that posts of this kind have in common."""
    path = city.home.parent / "common.json"
    config = city.config("common")
    path.write_text(json.dumps({key: config[key] for key in COMMON}))
    return path


def lamppost(city, *words, status=0, **variables):
    """Give a `lamppost node` command as a technician does; return (stdout, stderr)."""
    environment = {**city.access, "LAMPPOST_WIFI_PASSWORD": PASSWORD, **variables}
    done = CliRunner(env=environment).invoke(cli.node, [*map(str, words)])
    assert done.exit_code == status, done.output
    assert done.exception is None or isinstance(done.exception, SystemExit)
    for each in (PASSWORD, PASSWORD.encode().hex(), city.access["LAMPPOST_TOKEN"]):
        assert each not in done.output
    return done.stdout, done.stderr


def post(city, node, common, name, site="harbour"):
    return (
        *("provision", "--port", node.serial, "--config", common, "--name", name),
        *("--site", site, "--position", "54.32,10.14,3", "--ssid", "city-nodes"),
        *("--server", f"127.0.0.1:{city.proxy_port}"),
    )


def etc(node):
    """Return the files of a node's /etc, whatever it writes just now."""

    def read():
        try:
            return flashfiles.read(node.flash.path, "vfs")
        except Exception:  # noqa: BLE001 - amid a write
            return None

    files = node.wait(read, 10, "its flash to be readable")
    return {path.removeprefix("etc/"): files[path] for path in files if path.startswith("etc/")}


@pytest.mark.timeout(300)
def test_a_node_is_provisioned_moved_looked_into_and_wiped(city, node, common, monkeypatch):
    is_listed_and_refuses(city, node, common)
    is_provisioned(city, node, common)
    keeps_what_it_has_when_anything_fails(city, node, common, monkeypatch)
    is_looked_into(city, node)
    is_wiped(city, node, monkeypatch)


def is_listed_and_refuses(city, node, common):
    (told,) = json.loads(
        lamppost(city, "list", "--ask", "--port", node.serial, "--json")[0],
    )[-1:]
    assert told["about"]["id"] == node.id
    assert (told["about"]["board"], told["about"]["version"]) == ("esp32", "1.0.0")
    words = post(city, node, common, "Pier 3")
    _, error = lamppost(city, *words, status=2, LAMPPOST_TOKEN="lp_expired")
    assert "the token is unknown, expired or revoked; an administrator makes a new one" in error
    _, error = lamppost(city, *words, "--position", "north", status=2)
    assert "expected LAT,LON in degrees" in error
    told, _ = lamppost(city, "diagnose", "--port", node.serial, status=1)
    assert "!! not provisioned: it has no configuration\n     next: `lamppost node provi" in told
    assert told.count("!!") == 1
    assert set(etc(node)) == {"release", "root.json"}
    assert (node.lamp.level, node.lamp.dark_s) == (100, 0)
    assert not list(city.operator_api.pages("/devices", "devices"))


def is_provisioned(city, node, common):
    told = json.loads(lamppost(city, *post(city, node, common, "Pier 3"), "--json")[0])
    assert (told["id"], told["registered"], told["enrolled"]) == (node.id, True, True)
    known = city.device(node)
    assert (known["state"], known["name"], known["site"]) == ("active", "Pier 3", "harbour")
    files = etc(node)
    assert {"ca.der", "config.json", "identity", "root.json"} < set(files)
    assert "claim" not in files  # used, and gone
    config = json.loads(files["config.json"])
    assert config["wifi"] == {"ssid": "city-nodes", "password": PASSWORD}
    assert config["position"] == [54.32, 10.14, 3]
    assert PASSWORD not in node.console.text
    city.wait(lambda: city.readings(node), 20, "its first reading")


def keeps_what_it_has_when_anything_fails(city, node, common, monkeypatch):
    before = etc(node)
    _, error = lamppost(city, *post(city, node, common, "Pier 4", "old-town"), status=2)
    assert "at site harbour, the configuration says old-town: give --site harbour" in error
    _, error = lamppost(city, *post(city, node, common, "x" * 65), status=2)
    assert "configuration: name: must be a string of 1 to 64 characters" in error
    assert etc(node) == before
    pulled_amid_the_writing(city, node, before)
    cut_amid_the_writing(city, node, before, monkeypatch)
    meets_a_full_flash(city, node, common, before)
    told = json.loads(lamppost(city, *post(city, node, common, "Pier 5"), "--json")[0])
    assert (told["registered"], told["enrolled"]) == (False, True)
    assert told["notes"] == ["the server calls it 'Pier 3', its configuration says otherwise"]
    after = etc(node)
    assert json.loads(after["config.json"])["name"] == "Pier 5"
    assert after["identity"] != before["identity"]
    assert not [name for name in after if name.endswith(".put")]


def pulled_amid_the_writing(city, node, before):
    """The node keeps its power, and waits at its prompt for the cable to come back."""
    served = Bridge(node.serial)

    def pull(done, _total):
        if done > 700:
            served.close()

    document, wishes = json.loads(before["config.json"]), provisioning.Wishes(name="Pier 4")
    with (
        Server(city.access["LAMPPOST_URL"], city.access["LAMPPOST_TOKEN"], None) as server,
        Cable(served.path) as cable,
        pytest.raises(CableError, match="is gone: unplugged, or its power is off"),
    ):
        provisioning.provision(cable, server, document, wishes, pull)
    kept = etc(node)
    assert {name: kept[name] for name in before} == before


def cut_amid_the_writing(city, node, before, monkeypatch):
    def power_cut(done, _total):
        if done > 700:
            node.power_off()

    document, wishes = json.loads(before["config.json"]), provisioning.Wishes(name="Pier 4")
    monkeypatch.setattr(session, "_SILENCE_S", 2.0)
    monkeypatch.setattr(cables, "_PROMPT_S", 0.3)
    with (
        Server(city.access["LAMPPOST_URL"], city.access["LAMPPOST_TOKEN"], None) as server,
        Cable(node.serial) as cable,
        pytest.raises(CableError),
    ):
        provisioning.provision(cable, server, document, wishes, power_cut)
    monkeypatch.undo()
    kept = etc(node)
    assert {name: kept[name] for name in before} == before
    assert [name for name in kept if name.endswith(".put")]
    mark = node.console.length
    node.power_on()
    node.wait_text("sample: window", 20, since=mark)


def meets_a_full_flash(city, node, common, before):
    with Cable(node.serial) as cable:
        found = session.about(cable)
        fill = f"with open('/big','wb') as file: file.write(bytes({(found.free - 3) * 4096}))"
        cable.run(fill, fresh=False)
        assert "".join(cable.lines(20)) == ""
        session.restart(cable)
    _, error = lamppost(city, *post(city, node, common, "Pier 4"), status=2)
    assert "are needed and " in error
    assert "are free on the node's `/`" in error
    kept = etc(node)
    assert {name: kept[name] for name in before} == before
    with Cable(node.serial) as cable:
        cable.run("import os; os.remove('/big')")
        list(cable.lines(20))
        session.restart(cable)


def is_looked_into(city, node):
    """Type into a shell on a terminal; the firmware runs again when it is left."""
    mark = node.console.length
    ours, theirs = os.openpty()
    command = [BIN / "lamppost", "node", "shell", "--port", node.serial]
    child = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    seen = b""

    def expect(words):
        nonlocal seen
        until = time.monotonic() + 30
        while words not in seen:
            assert time.monotonic() < until, seen
            if select.select([ours], [], [], 0.2)[0]:
                seen += os.read(ours, 4096)
        seen = seen[seen.index(words) + len(words) :]

    try:
        expect(b"to exit this shell")
        until = time.monotonic() + 10
        while termios.tcgetattr(ours)[3] & termios.ECHO and time.monotonic() < until:
            time.sleep(0.01)  # until the terminal hands every key over
        os.write(ours, b"\x03")
        expect(b">>> ")
        os.write(ours, b"print(6 * 7)\r")
        expect(b"\n42\r\n")
        os.write(ours, b"\x1d")
        expect(b"the node starts anew")
        assert child.wait(30) == 0
    finally:
        child.kill()
        child.wait()
        os.close(ours)
    node.wait_text("main: release 1.0.0 from /data/a, reset cause hard", 20, since=mark)
    node.wait_text("sample: window", 20, since=mark)


def is_wiped(city, node, monkeypatch):
    identity = etc(node)["identity"]
    key = identity[2 : 2 + int.from_bytes(identity[:2], "big")]
    secret = key[7:39]  # SEC1: the private number itself
    flash = node.flash.path
    assert secret in flash.read_bytes()
    assert PASSWORD.encode() in flash.read_bytes()
    wipe = ("wipe", "--port", node.serial)
    _, error = lamppost(city, *wipe, "--yes-wipe", "Pier 3", status=2)
    assert f"this is Pier 5 or {node.id}, not Pier 3: nothing was erased" in error
    assert etc(node)["identity"] == identity
    _, error = lamppost(city, *wipe, "--yes-wipe", "Pier 5", status=2, LAMPPOST_TOKEN="lp_none")
    assert "nothing was erased" in error
    assert city.device(node)["state"] == "active"
    monkeypatch.setattr(wiping, "_SILENCE_S", 2.0)
    node.cut_power_at(100, "erase")
    _, error = lamppost(city, *wipe, "--yes-wipe", "Pier 5", status=2)
    assert "the node has fallen silent" in error
    assert "not all is erased; give the command again" in error
    monkeypatch.undo()
    node.power_on()
    mark = node.console.length
    told = json.loads(lamppost(city, *wipe, "--yes-wipe", node.id, "--json")[0])
    assert (told["id"], told["retired"]) == (node.id, True)
    assert told["blocks"] == (0x20000 + 0x1E0000 + 0x6000) // 4096
    assert city.device(node)["state"] == "retired"
    content = flash.read_bytes()
    for each in (secret, identity[-64:], PASSWORD.encode(), b"Pier 5", b"manifest"):
        assert each not in content
    node.wait_text(">>> ", 20, since=mark)  # a blank board
    (again,) = json.loads(lamppost(city, "list", "--ask", "--port", node.serial, "--json")[0])[-1:]
    assert again["about"]["board"] == ""
    _, error = lamppost(city, *wipe, "--yes-wipe", node.id, "--keep-registered")
