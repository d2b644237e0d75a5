"""One emulated node and a real server: everything that a node goes through in its first year."""

import json
import signal
import sqlite3
import zipfile
from contextlib import closing
from pathlib import Path

import pytest

from sim import flashfiles, thief
from sim.city import City

_GATE = '"pm25": (0, 1000)'


def gate(limit):
    """Give a real change of one small file."""
    return {"core/ranges.py": lambda text: text.replace(_GATE, f'"pm25": (0, {limit})')}


def broken(_):
    return 'async def run(node):\n    raise RuntimeError("built to fail")\n'


@pytest.fixture
def city_of_its_own(database_url, tmp_path):
    """Give a city for one test, on each engine."""
    with City(tmp_path / "home", database_url=database_url()) as made:
        made.open("1.0.0")
        yield made


@pytest.fixture
def node(city):
    """Give a node that has just been switched on and has enrolled."""
    made = started(city)
    yield made
    made.close()


def started(city):
    made = city.node(f"node-{len(city.nodes) + 1}", "1.0.0")
    made.power_on()
    made.wait_text("enrol: certificate", 40)
    return made


def runs(node):
    """Return the version on the node's flash; it cannot be read amid a write."""
    return node.wait(lambda: flashfiles.version(node.flash.path), 10)


def windows(city, node):
    return [(row["box"], row["seq"]) for row in of_stream(city, node, "pm25")]


def of_stream(city, node, stream):
    return [row for row in city.readings(node) if row["stream"] == stream]


def produced_are_stored_once(city, node):
    """Compare flash and server after the node has been switched off."""
    node.power_off()
    produced, unsent = flashfiles.outbox(node.flash.path)
    stored = windows(city, node)
    assert len(stored) == len(set(stored))
    assert set(stored) | unsent == produced
    return stored


@pytest.mark.timeout(240)
def test_it_takes_good_releases_and_no_others(city_of_its_own, tmp_path):
    city = city_of_its_own
    node = started(city)
    assert city.device(node)["state"] == "active"
    assert "etc/claim" not in flashfiles.read(node.flash.path, "vfs")

    built = city.release("1.1.0", gate(900))
    before = city.received
    first = city.rollout("1.1.0", node)
    city.wait_action(first, node, "confirmed", 90)
    assert city.received - before < built["deflated"] / 3
    assert runs(node) == "1.1.0"

    city.release("1.2.0", {"tasks/selftest.py": broken})
    reason = city.wait_action(city.rollout("1.2.0", node), node, "rolled_back", 90)
    assert "built to fail" in reason
    assert runs(node) == "1.1.0"

    city.release("1.3.0", gate(1100))
    server = city.home / "server"
    forged = city.release("1.3.0", gate(1), publish=False, out="forged")
    assert "targets.json" in city.lamppost("release", "upload", forged["bundle"], status=2)
    with thief.break_in(server, tmp_path / "genuine"):
        thief.forge(server, Path(forged["bundle"]))
        reason = city.wait_action(city.rollout("1.3.0", node), node, "failed", 60)
    assert "ignature" in reason
    assert runs(node) == "1.1.0"

    node.cut_power_at(60, "change", "within")
    rollout = city.rollout("1.3.0", node)
    node.wait(lambda: node.state == "off", 60, "the power cut")
    node.power_on()
    city.wait_action(rollout, node, "confirmed", 90)
    assert runs(node) == "1.3.0"
    assert node.cuts == 1

    assert node.lamp.lit_s > 0
    assert node.lamp.dark_s == 0
    assert len(produced_are_stored_once(city, node)) >= 10
    acts = {entry["act"] for entry in city.lamppost("audit", "list")}
    assert acts >= {"device.add", "rollout.create"}


@pytest.mark.timeout(120)
def test_a_server_that_is_killed_costs_no_window(city_of_its_own):
    city = city_of_its_own
    node = started(city)
    for _ in range(2):
        node.wait_text("acknowledged", 30, node.console.length)
        city.stop(signal.SIGKILL)
        node.wait_text("sample: window", 30, node.console.length)
        city.serve()
    node.wait_text("acknowledged", 60, node.console.length)
    assert produced_are_stored_once(city, node)


DAMAGES = {
    "cut short": lambda whole: whole[:-1],
    "a bit flipped": lambda whole: whole[:40] + bytes([whole[40] ^ 1]) + whole[41:],
    "more than signed": lambda whole: whole + b"more",
}


@pytest.mark.parametrize("damage", list(DAMAGES))
@pytest.mark.timeout(120)
def test_a_file_that_is_not_what_was_signed_is_refused(city, node, damage):
    number = list(DAMAGES).index(damage)
    version = f"1.4.{number}"
    city.release(version, gate(700 + number))
    (changed,) = files_of(city, version) - files_of(city, "1.0.0")
    for path in (city.home / "server" / "files").glob(Path(changed).name + "*"):
        path.write_bytes(DAMAGES[damage](path.read_bytes()))  # the file, and patches to it
    city.wait_action(city.rollout(version, node), node, "failed", 60)
    assert runs(node) == "1.0.0"
    node.wait_text("acknowledged", 30, node.console.length)


def files_of(city, version):
    with zipfile.ZipFile(city.bundles[version]["bundle"]) as archive:
        return {name for name in archive.namelist() if name.startswith("files/")}


@pytest.mark.timeout(120)
def test_a_wrong_an_expired_or_a_used_claim_opens_nothing_and_the_node_says_which(city, node):
    def starts_with(token, until):
        node.power_off()
        files = {"etc/identity": None, "etc/claim": token.encode()}
        flashfiles.change(node.flash.path, "vfs", files)
        mark = node.console.length
        node.power_on()
        return node.wait_text(until, 40, mark)

    def claim():
        return city.lamppost("device", "claim", node.id, "--ttl", "1h")["token"]

    old = claim()
    with closing(sqlite3.connect(city.home / "server" / "lamppost.db")) as database, database:
        database.execute("UPDATE claims SET expires_at = created_at WHERE used_at IS NULL")
    good = claim()
    for token, why in ((good[:-2] + "xx", "is not one for this device"), (old, "has expired")):
        assert f"401 the claim token {why}; `lamppost device" in starts_with(
            token, "makes another"
        )
    starts_with(good, "enrol: certificate")
    assert "401 the claim token was used before" in starts_with(good, "makes another")
    acts = [each for each in city.lamppost("audit", "list") if each["subject"] == node.id]
    refused = [each["detail"]["reason"] for each in acts if each["outcome"] == "refused"]
    assert sorted(refused) == ["claim-expired", "claim-unknown", "claim-used"]
    assert node.lamp.level == 100


@pytest.mark.timeout(120)
def test_a_server_of_another_ca_is_not_spoken_to(city, node):
    node.power_off()
    strange = City(city.home.parent / "strange")
    strange.lamppost("init")
    anchor = (strange.home / "server" / "pki" / "ca.der").read_bytes()
    flashfiles.change(node.flash.path, "vfs", {"etc/ca.der": anchor})
    mark, stored = node.console.length, len(windows(city, node))
    node.power_on()
    node.wait_text("Untrusted", 40, mark)
    assert len(windows(city, node)) == stored
    assert node.lamp.level == 100
    strange.close()


@pytest.mark.parametrize("damage", ["one record", "both records", "a file", "a manifest"])
@pytest.mark.timeout(120)
def test_damage_on_flash_does_not_keep_it_from_starting(city, node, damage):
    node.power_off()
    files = flashfiles.read(node.flash.path, "data")
    slot = "a/"
    mpy = files[slot + "firmware/main.mpy"]
    bad = {
        "one record": {"boot.1": b"\xff" * 64},
        "both records": {"boot.0": b"", "boot.1": b"\x00" * 600},
        "a file": {slot + "firmware/main.mpy": mpy[:100] + b"\x00\x00" + mpy[102:]},
        "a manifest": {slot + "manifest.jsonl": files[slot + "manifest.jsonl"][:-30]},
    }[damage]
    flashfiles.change(node.flash.path, "data", bad)
    mark = node.console.length
    node.power_on()
    node.wait_text("acknowledged", 40, mark)
    assert node.resets[-1] == "power_on"
    if damage.startswith("a "):
        assert "slot b" in node.console.since(mark)


@pytest.mark.timeout(120)
def test_with_neither_slot_sound_it_fetches_one_and_goes_on_as_itself(city, node):
    node.power_off()
    bent = {"a/firmware/main.mpy": b"bent", "b/firmware/main.mpy": None, "b/manifest.jsonl": b""}
    flashfiles.change(node.flash.path, "data", bent)
    mark = node.console.length
    node.power_on()
    node.wait_text("rescue: 1 files", 60, mark)
    shown = node.wait_text("acknowledged", 60, mark)
    assert "enrol: certificate" not in shown
    assert runs(node) == "1.0.0"
    assert node.lamp.dark_s == 0


@pytest.mark.timeout(120)
def test_an_invalid_config_is_named_and_the_last_one_stays(city, node):
    node.power_off()
    config = json.loads(flashfiles.read(node.flash.path, "vfs")["etc/config.json"])
    config["sample_s"] = "often"
    flashfiles.change(node.flash.path, "vfs", {"etc/config.json": json.dumps(config).encode()})
    mark = node.console.length
    node.power_on()
    shown = node.wait_text("acknowledged", 40, mark)
    assert "sample_s" in shown


@pytest.mark.timeout(120)
@pytest.mark.parametrize("fault", ["silent", "bad_checksum", "cut_short"])
def test_a_sensor_at_fault_leaves_a_gap_and_never_a_reading(city, node, fault):
    part = next(iter(node.wiring.uart.values()))
    part.fault = fault
    seen = len(windows(city, node))
    city.wait(lambda: len(windows(city, node)) > seen + 2, 40, "windows after the fault")
    # Windows from before the fault may still have been on their way.
    city.wait(lambda: of_stream(city, node, "pm25")[-1]["count"] == 0, 40, "an empty window")
    begun = len(windows(city, node))
    city.wait(lambda: len(windows(city, node)) > begun, 40, "one more")
    rows = of_stream(city, node, "pm25")[begun - 1 :]
    assert {(row["value"], row["count"]) for row in rows} == {(None, 0)}
    others = of_stream(city, node, "temperature")[seen:]
    assert any(row["value"] is not None for row in others)  # sound parts go on
