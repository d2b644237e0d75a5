"""Updates from offer to confirmation on a node's files, against a server in memory."""

import asyncio
import os
import shutil

import pytest
from updating import DEVICE, NEW, OLD

from ota.core import errors, limits
from ota.device import report, swap


def test_an_update_from_offer_to_confirmation(node, fleet, make_release):
    fleet.offered = ("7", "1.1.0")
    assert node.poll() is True
    assert fleet.words("7") == ["requested", "downloading", "verified", "staged"]
    assert node.record["planned"] == 1
    assert make_release("1.1.0", NEW).lies_in(node.slot("b"))
    assert make_release("1.0.0", OLD).lies_in(node.slot("a"))
    node.start()
    assert node.version == "1.1.0"
    assert node.record["state"] == "trying"
    node.end_trial()
    assert fleet.words("7")[4:] == ["booted", "confirmed"]
    assert fleet.feedback[-1][1:3] == ("closed", "success")
    assert {entry[1:3] for entry in fleet.feedback[:-1]} == {("proceeding", "none")}
    assert node.record["slot"] == "b"
    assert node.record["outcome"] == ""
    assert not (node.data / "reports").exists()


def test_an_idle_slot_that_damage_took_folder_and_all_is_made_again(node, fleet, make_release):
    shutil.rmtree(node.slot("b"))
    fleet.offered = ("7", "1.1.0")
    node.take()
    assert node.version == "1.1.0"
    assert make_release("1.1.0", NEW).lies_in(node.slot("b"))


def test_only_what_neither_slot_has_is_fetched(node, fleet):
    fleet.offered = ("7", "1.1.0")
    node.take()
    fetched = [path for _, path in fleet.served if path.startswith("/files/") and "." not in path]
    assert len(fetched) == 2  # main and extra/more; lamp is light under another name
    fleet.served.clear()
    fleet.offered = ("8", "1.0.0")
    node.take()
    fetched = [path for _, path in fleet.served if path.startswith("/files/")]
    assert fetched == []
    assert node.version == "1.0.0"


def test_metadata_is_kept_and_not_fetched_again(node, fleet, make_release):
    fleet.offered = ("7", "1.1.0")
    node.take()
    fleet.served.clear()
    fleet.offered = ("8", "1.0.0")
    node.take()
    metadata = [path.rsplit("/", 1)[1] for _, path in fleet.served if "/metadata/" in path]
    assert metadata == ["2.root.json", "timestamp.json"]
    names = sorted(path.name for path in (node.data / "tuf").iterdir())
    assert names == ["snapshot.json", "targets.json", "time", "timestamp.json"]


def test_a_poll_with_nothing_new_does_nothing(node, fleet):
    before = sorted((path, path.stat().st_mtime_ns) for path in node.data.rglob("*"))
    assert node.poll() is False
    assert sorted((path, path.stat().st_mtime_ns) for path in node.data.rglob("*")) == before


def test_the_version_that_runs_is_confirmed_without_a_download(node, fleet):
    fleet.offered = ("7", "1.0.0")
    assert node.poll() is False
    assert fleet.words("7") == ["confirmed"]
    assert fleet.feedback[-1][1:3] == ("closed", "success")
    assert [path for _, path in fleet.served if path.startswith(("/tuf", "/files"))] == []


def test_four_installs_a_day(node, fleet):
    for i in range(limits.INSTALLS_PER_DAY):
        fleet.offered = (str(i), "1.1.0" if i % 2 == 0 else "1.0.0")
        node.take()
    fleet.offered = ("9", "1.1.0")
    assert node.poll() is False
    assert node.poll() is False
    assert fleet.words("9") == ["requested"]
    node.now += 86400
    node.take()
    assert fleet.words("9")[-1] == "confirmed"


def test_a_deferred_trial_is_tried_again_without_blame(node, fleet):
    fleet.offered = ("7", "1.1.0")
    assert node.poll() is True
    node.start()
    swap.defer(str(node.data), "no network")
    node.start()
    assert node.version == "1.0.0"
    assert node.state()["word"] == "requested"
    fleet.served.clear()
    node.take()
    assert fleet.words("7")[-1] == "confirmed"
    assert [path for _, path in fleet.served if path.startswith("/files/")] == []


def test_network_trouble_is_tried_again_until_the_offer_expires(node, fleet, client):
    fleet.offered = ("7", "1.1.0")
    for part in ("timestamp.json", "/tuf/targets/", "/files/"):
        client.faults = {part: errors.Timeout("silence")}
        assert node.poll() is False
        assert node.state()["word"] in ("requested", "downloading")
    client.faults = {"timestamp.json": errors.ServerError(503)}
    node.now += 3600
    assert node.poll() is False
    client.faults = {}
    assert node.poll() is True
    node.start()
    node.end_trial()
    fleet.repository.publish()
    fleet.offered = ("8", "1.0.0")
    client.faults = {"timestamp.json": errors.Unreachable("no route")}
    assert node.poll() is False
    node.now += limits.UPDATE_S + 1
    assert node.poll() is False
    assert fleet.words("8") == ["requested", "expired"]


def test_reports_wait_for_a_server_that_takes_them(node, fleet, client):
    fleet.offered = ("7", "1.1.0")
    client.faults = {"feedback": errors.ServerError(503)}
    assert node.poll() is True
    node.start()
    swap.confirm(str(node.data))
    node.start("power_on")
    assert fleet.feedback == []
    client.faults = {}
    node.send()
    words = ["requested", "downloading", "verified", "staged", "booted", "confirmed"]
    assert fleet.words("7") == words
    assert not (node.data / "reports").exists()


def test_reports_that_the_server_never_takes_are_dropped(node, fleet):
    kept = report.Reports(str(node.data))
    for i in range(limits.REPORTS + 5):
        kept.add(str(i), "requested", 'quo"te\u20ac\n' + "x" * 200)
    fleet.over = {"5", "6", "20"}
    gone = asyncio.run(kept.send(node.client, DEVICE))
    assert gone == ["5", "6", "20"]
    assert len(fleet.feedback) == limits.REPORTS - 3
    assert max(len(details[1]) for *_, details in fleet.feedback) <= 103
    assert not (node.data / "reports").exists()


@pytest.mark.parametrize(
    "junk", [b"[1,2,3,4]\n", b'[{},[],null,"x"]\n', b"x" * 3000, b"[" * 200 + b"\n", b"\xff\n"]
)
def test_reports_damaged_on_flash_stop_neither_the_sound_ones_nor_the_polls(node, fleet, junk):
    kept = report.Reports(str(node.data))
    path = node.data / "reports"
    for sound in (0, 1):
        path.write_bytes(junk * 20)
        if sound:
            kept.add("7", "requested")
        asyncio.run(kept.send(node.client, DEVICE))
        assert not path.exists()
    assert len(fleet.feedback) == 1


def test_an_action_that_is_over_is_dropped_before_it_is_staged(node, fleet):
    fleet.offered = ("7", "1.1.0")
    fleet.over = {"7"}
    assert node.poll() is False
    assert node.record["state"] == "steady"
    assert node.state()["word"] == ""


def test_cancelled_before_it_is_staged(node, fleet, client):
    fleet.offered = ("7", "1.1.0")
    client.faults = {"/files/": errors.Closed("cut")}
    assert node.poll() is False
    client.faults = {}
    fleet.cancelling = ("9", "7")
    assert node.poll() is False
    assert fleet.feedback[-1] == ("cancel 9", "closed", "success", [])
    assert node.state()["word"] == ""


def test_cancelled_too_late(node, fleet):
    fleet.offered = ("7", "1.1.0")
    assert node.poll() is True
    node.start()
    fleet.cancelling = ("9", "7")
    assert node.poll() is False
    assert fleet.feedback[-1][:3] == ("cancel 9", "rejected", "failure")
    node.end_trial()
    assert fleet.words("7")[-1] == "confirmed"


def test_nothing_is_staged_while_a_trial_goes_on(node, fleet):
    fleet.offered = ("7", "1.1.0")
    assert node.poll() is True
    node.start()
    fleet.offered = ("8", "1.0.0")
    before = sorted(str(path) for path in node.data.rglob("*"))
    assert node.poll() is False
    assert sorted(str(path) for path in node.data.rglob("*")) == before
    assert fleet.words("8") == []


def test_a_damaged_journal_or_metadata_is_as_good_as_none(node, fleet):
    fleet.offered = ("7", "1.1.0")
    node.take()
    (node.data / "update").write_bytes(b'{"floor": 7, "word": "sta')
    for path in (node.data / "tuf").iterdir():
        path.write_bytes(path.read_bytes()[:-9])
    (node.data / "tuf" / "root.json").write_bytes(b"\xff")
    fleet.offered = ("8", "1.0.0")
    node.take()
    assert fleet.words("8")[-1] == "confirmed"


def test_the_idle_slot_stops_being_whole_before_it_changes(node, fleet, monkeypatch):
    removed = []

    def remove(path):
        removed.append(path)
        original(path)

    original = os.remove
    monkeypatch.setattr(os, "remove", remove)
    fleet.offered = ("7", "1.1.0")
    node.take()
    in_slot = [path for path in removed if path.startswith(str(node.slot("b")))]
    assert in_slot[0] == str(node.slot("b") / "manifest.jsonl")
    assert str(node.slot("b") / "firmware/tasks/light.mpy") in in_slot


def test_a_server_with_a_new_root_each_time(node, fleet, repository):
    for spare in repository.spare[:2]:
        repository.next_root([repository.rotate("root", spare), spare])
    fleet.offered = ("7", "1.1.0")
    node.take()
    assert (node.data / "tuf" / "root.json").read_bytes() == repository.files["3.root.json"]
