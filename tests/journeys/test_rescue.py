"""Neither slot can be started: whatever else is wrong, the node comes back, and in the light.

The server is a static one: all that a rescue asks for. tests/journeys/test_one_node.py has one
rescue from a fleet server.
"""

import json
import os

import pytest
from rescuing import Station, after, healed, make_release, refused, seal, wreck
from slots import record_of

from sim import flashfiles

ALL = os.environ.get("LAMPPOST_RESCUE") == "all"  # a quarter of an hour
SAMPLE = (3, 17, 40)
CUTS = range(1, 400) if ALL else SAMPLE  # which change of flash the power fails at


@pytest.fixture
def station(tmp_path):
    made = Station(tmp_path)
    yield made
    made.close()


@pytest.fixture
def first(station, tmp_path):
    """Give the release that nodes are made with, which the server has, too."""
    made = make_release(tmp_path, "1.0.0")
    station.publish(made)
    return made


def fetched(station):
    return [path for path in station.served if path.startswith("/files/")]


def test_what_is_left_of_both_slots_makes_one_whole(station, first):
    node = station.node(first)
    wreck(node, **{"b/ota/core/part2.mpy": b"", "a/ota/core/part2.mpy": b""})
    node.power_on()
    text = healed(node, "1.0.0")
    assert "1 files" in text
    assert len(fetched(station)) == 1
    record = record_of(node)
    assert (record["slot"], record["outcome"], record["reason"]) == ("b", "fell", "rescued")
    assert (record["state"], record["spoilt"]) == ("steady", "a")
    assert node.resets == ["power_on", "hard"]
    files = flashfiles.read(node.flash.path, "data")
    assert not [path for path in files if "new" in path]


@pytest.mark.parametrize("bytes_", [4096 * 2, 0x1E0000], ids=["superblocks", "all of it"])
def test_a_data_partition_overwritten_gets_the_newest_that_suits(station, first, tmp_path, bytes_):
    station.publish(
        make_release(tmp_path, "1.2.0"),
        make_release(tmp_path, "1.10.0"),
        make_release(tmp_path, "1.11.0", runtime="9.0.0"),
        make_release(tmp_path, "1.12.0", board="esp32c3"),
    )
    node = station.node(first, vfs={"etc/identity": b"\0\x05damaged"})
    before = flashfiles.read(node.flash.path, "vfs")
    node.flash.write("data", 0, b"\xa5" * bytes_)
    node.power_on()
    text = healed(node, "1.10.0")
    assert "formatting data" in text
    assert "1.11.0: Unsuited: release needs MicroPython 9.0.0" in text
    assert flashfiles.read(node.flash.path, "vfs") == before


def test_the_release_that_ran_is_put_back_and_no_newer_one(station, first, tmp_path):
    station.publish(make_release(tmp_path, "1.1.0"))
    node = station.node(first)
    wreck(node)
    node.power_on()
    healed(node, "1.0.0")


def test_all_expired_and_five_roots_later(tmp_path):
    station = Station(tmp_path, days=-400)
    try:
        first = make_release(tmp_path, "1.0.0")
        station.publish(first)
        node = station.node(first)
        repository = station.repository
        for signer in (*repository.spare, *repository.signers["targets"]):
            repository.next_root([repository.rotate("root", signer), signer])
        assert repository.root.version == 6
        wreck(node)
        node.power_on()
        refused(node, "Expired: root")
        for role in ("root", "targets", "snapshot", "timestamp"):
            getattr(repository, role).expires = after(30)
        repository.next_root()
        repository.publish()
        healed(node, "1.0.0")
    finally:
        station.close()


def test_a_thief_is_refused_until_the_city_is_back(station, first, tmp_path):
    repository = station.repository
    honest = repository.signers["targets"]
    repository.signers["targets"] = [repository.spare[0]]
    station.publish(make_release(tmp_path, "6.6.6"))
    node = station.node(first)
    node.flash.write("data", 0, bytes(8192))
    node.power_on()
    refused(node, "BadSignature: targets")
    repository.signers["targets"] = honest
    del repository.targets.targets["esp32/6.6.6.jsonl"]
    station.publish()
    healed(node, "1.0.0")


def test_what_the_server_has_lost_gives_way_to_what_it_has(station, first, tmp_path):
    newer, newest = make_release(tmp_path, "1.1.0"), make_release(tmp_path, "1.2.0")
    station.publish(newer, newest)
    for entry in newer.entries:
        if entry.path == "firmware/main.mpy":
            station.fleet.blobs[entry.sha256] = b"no deflate"
    for path in [path for path in station.repository.files if path.endswith("1.2.0.jsonl")]:
        del station.repository.files[path]
    node = station.node(first)
    node.flash.write("data", 0, bytes(8192))
    node.power_on()
    text = healed(node, "1.0.0")
    assert "1.2.0: ServerError: status 404" in text
    assert "BadLength" in text


def test_nothing_below_the_floor_that_was_seen(station, first, tmp_path):
    node = station.node(first)
    wreck(node, update=seal({"floor": "1.5.0"}))
    station.publish(make_release(tmp_path, "1.4.9"), make_release(tmp_path, "9.0.0", board="x"))
    node.power_on()
    refused(node, "Unsuited: no release that suits")
    assert "1.4.9 is below the security floor 1.5.0" in node.console.text
    assert not fetched(station)
    station.publish(make_release(tmp_path, "1.5.0"))
    healed(node, "1.5.0")


def test_it_waits_for_the_server_and_then_heals(station, first):
    node = station.node(first)
    wreck(node)
    station.shut()
    node.power_on()
    refused(node, "Closed")
    station.open()
    healed(node, "1.0.0")
    assert node.resets == ["power_on", "hard"]


def test_a_wifi_that_is_not_there_gives_way_to_the_config_before(station, first):
    kept = json.dumps(station.config()).encode()
    node = station.node(first, wifi={"ssid": "mistyped"}, data={"config.json": kept})
    wreck(node)
    node.power_on()
    refused(node, "no Wi-Fi", 90)
    healed(node, "1.0.0", 90)


@pytest.mark.parametrize("lie", [None, "origin", "mode"])
def test_a_time_server_that_lies_or_is_silent(station, first, lie):
    station.sntp.lie = lie
    station.sntp.offset_s = 0 if lie else 24 * 365.25 * 86400
    node = station.node(first)
    wreck(node)
    node.power_on()
    if lie:
        healed(node, "1.0.0")  # by the time of the release in the image
    else:
        refused(node, "")
        station.sntp.offset_s = 0
        healed(node, "1.0.0")


@pytest.mark.skipif(not ALL, reason="half a minute: LAMPPOST_RESCUE=all")
def test_slots_that_the_flash_refuses_cost_what_else_is_in_data(station, first):
    node = station.node(first)
    files = flashfiles.read(node.flash.path, "data")
    gone = {path: None for path in files if path[:2] in ("a/", "b/")}
    flashfiles.change(node.flash.path, "data", gone)
    flashfiles.change(node.flash.path, "data", {"a": b"no folder", "b": b"no folder"})
    node.power_on()
    assert "formatting data" in healed(node, "1.0.0", 120)


@pytest.mark.parametrize("damaged", [False, True])
def test_there_is_a_prompt_on_the_cable(station, first, damaged):
    packed = flashfiles.read(station.node(first).flash.path, "vfs")["lib/rescue.pack"]
    at = packed.index(b"\n") + 99
    bent = packed[:at] + bytes([packed[at] ^ 1]) + packed[at + 1 :]
    node = station.node(first, vfs={"lib/rescue.pack": bent} if damaged else {})
    wreck(node)
    station.shut()
    node.power_on()
    node.wait_text("ValueError: /reinstall.mpy" if damaged else "again in", 60)
    node.send(b"\x03")
    node.wait_text(">>> ", 20)
    assert node.board._dog_ms == 600_000
    assert node.lamp.level == 100


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("where", ["before", "within", "after"])
def test_the_power_may_go_at_any_change_of_flash(station, first, where):
    for n in CUTS:
        node = station.node(first)
        wreck(node, **{"a/ota/core/part2.mpy": b"", "b/ota/core/part2.mpy": b""})
        node.cut_power_at(n, "change", where)
        node.power_on()
        node.wait(lambda: node.state == "off" or "runs" in node.console.text, 60, "cut or start")  # noqa: B023
        if not node.cuts:
            break
        node.power_on()
        healed(node, "1.0.0")
        node.close()
    assert n > SAMPLE[1]
