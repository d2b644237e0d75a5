"""What a stolen server can still ask of a node is bounded on the node: its flash is the witness.

Here the server is one in memory, with all that a thief of the real one gets: it says what it
likes, but signs no targets. tests/attacks/test_thief.py does the like against a whole server.
"""

import asyncio
import json

import pytest
from updating import DEVICE, EVEN_NEWER, NEW

from ota.core import bootrecord, errors, limits
from ota.device import poll, swap

NEWEST = {**NEW, "firmware/main.mpy": b"main of 1.3.0" * 100}


def flash(node, *but):
    """Return all that lies on the node's flash, but for what an update notes of itself."""
    passing = ("tuf", "reports", "update", "new", *but)
    return {
        name: path.read_bytes()
        for path in sorted(node.data.rglob("*"))
        if path.is_file()
        and (name := str(path.relative_to(node.data))).split("/")[0] not in passing
    }


def take(node, fleet, action, version):
    fleet.offered = (action, version)
    node.take()


def refused(node, fleet, action, version, reason):
    """Assert that an offer ends with that reason; what runs is as it was, and whole."""
    before = flash(node)
    fleet.offered = (action, version)
    assert node.poll() is False
    assert fleet.words(action)[-1] == "failed"
    assert fleet.feedback[-1][3][1].startswith(f"reason={reason}")
    assert flash(node) == before


def crash(node, times):
    """Let what runs crash, as a server may provoke; return the slot that runs then."""
    for _ in range(times):
        swap.save(str(node.data), bootrecord.decide(node.record, "watchdog"))
    return bootrecord.running(node.record)


def test_an_older_release_below_the_floor(node, fleet, make_release):
    fleet.publish(make_release("1.2.0", EVEN_NEWER, floor="1.1.0"))
    take(node, fleet, "1", "1.2.0")
    refused(node, fleet, "2", "1.0.0", "Rollback: 1.0.0 is below the security floor 1.1.0")


def test_an_older_release_that_was_withdrawn(node, fleet, repository):
    take(node, fleet, "1", "1.1.0")
    del repository.targets.targets["esp32/1.0.0.jsonl"]
    repository.publish()
    refused(node, fleet, "2", "1.0.0", "Unsuited: 1.0.0 for esp32 is not among the targets")


def test_crashes_do_not_lead_back_below_the_floor(node, fleet, make_release):
    fleet.publish(make_release("1.2.0", EVEN_NEWER, floor="1.1.0"))
    take(node, fleet, "1", "1.2.0")
    before = flash(node, "boot.0", "boot.1")
    assert crash(node, 3 * bootrecord.CRASHES_MAX) == "b"
    assert node.record["outcome"] == ""
    assert flash(node, "boot.0", "boot.1") == before


def test_crashes_lead_back_to_a_release_above_the_floor(node, fleet):
    take(node, fleet, "1", "1.1.0")
    assert crash(node, bootrecord.CRASHES_MAX - 1) == "b"
    assert crash(node, 1) == "a"
    assert node.record["outcome"] == "fell"


def test_a_floor_that_rises_takes_the_older_slot_away_before_anything_is_fetched(
    node, fleet, make_release, client
):
    take(node, fleet, "1", "1.1.0")  # in b; a holds 1.0.0
    fleet.publish(make_release("1.3.0", NEWEST, floor="1.1.0"))
    client.faults = {"/files/": errors.Closed("cut"), "feedback": errors.Closed("cut")}
    fleet.offered = ("2", "1.3.0")
    assert node.poll() is False
    assert node.state()["floor"] == "1.1.0"
    assert not (node.slot("a") / "manifest.jsonl").exists()  # no start of it any more
    assert make_release("1.1.0", NEW).lies_in(node.slot("b"))


def test_version_flapping_ends_after_four_installs_a_day(node, fleet):
    for i in range(limits.INSTALLS_PER_DAY):
        take(node, fleet, str(i), ("1.1.0", "1.0.0")[i % 2])
    before = flash(node)
    for i in range(10, 20):
        fleet.offered = (str(i), "1.1.0")
        assert node.poll() is False
    assert flash(node) == before


@pytest.mark.parametrize("shift_s", [86400, -86400, 40 * 86400])
def test_version_flapping_with_a_shifted_clock_ends_with_what_was_signed(
    node, fleet, repository, shift_s
):
    started = node.now
    installs = 0
    while True:
        before = flash(node)
        fleet.offered = (str(installs), ("1.1.0", "1.0.0")[installs % 2])
        if not node.poll():
            break
        node.start()
        node.end_trial()
        installs += 1
        # The thief holds the clock and re-signs what the server signs; the rest lasts a month.
        node.now = started + shift_s * (installs % 2)
        repository.sign_snapshot()
        assert installs <= limits.INSTALLS_PER_LIST
    assert fleet.words(str(installs))[-1] == "failed"
    assert flash(node) == before  # the slot to fall back on is whole as well
    for i in range(100, 104):
        node.now += 86400
        fleet.offered = (str(i), "1.1.0")
        assert node.poll() is False
    assert flash(node) == before
    # The release manager signs anew: whatever the thief spent, the mending release is taken.
    node.now = started + 2 * 86400
    repository.publish()
    fleet.offered = ("200", ("1.1.0", "1.0.0")[installs % 2])
    node.take()


def test_oversized_metadata_is_not_read_to_its_end(node, fleet, repository):
    for action, name, cap in (
        ("1", "timestamp.json", limits.TIMESTAMP_BYTES),
        ("2", f"{repository.snapshot.version}.snapshot.json", limits.SNAPSHOT_BYTES),
        ("3", f"{repository.targets.version}.targets.json", limits.TARGETS_BYTES),
        ("4", "2.root.json", limits.ROOT_BYTES),
    ):
        good = repository.files.get(name)
        repository.files[name] = (good or repository.files["1.root.json"]) + b" " * cap
        refused(node, fleet, action, "1.1.0", "TooLong")
        lies = [path for path in (node.data / "tuf").iterdir() if path.stat().st_size > cap]
        assert lies == []
        if good:
            repository.files[name] = good
        else:
            del repository.files[name]


def test_another_boards_release_under_our_boards_name(node, fleet, make_release, repository):
    other = make_release("1.1.0", NEW, board="esp32c3")
    fleet.blobs.update(other.files)
    repository.files |= {
        name.replace("esp32/", "esp32c3/"): data for name, data in repository.files.items()
    }
    repository.add("esp32c3/2.0.0.jsonl", other.manifest)
    repository.publish()
    refused(node, fleet, "1", "2.0.0", "Unsuited: 2.0.0 for esp32 is not among the targets")


@pytest.mark.parametrize(
    "chunks",
    [
        [{"part": "os", "name": "firmware.swu", "version": "9.9.9", "artifacts": [{}]}],
        [{"part": "bApp", "name": "opaque", "version": "1.1.0", "artifacts": []}],
        [],
    ],
)
def test_an_opaque_artifact(node, fleet, monkeypatch, chunks):
    """A node takes no file because a server names it; it looks for a manifest among targets."""
    before = flash(node)
    document = {"deployment": {"download": "forced", "update": "forced", "chunks": chunks}}
    fleet.offered = ("1", "9.9.9")
    monkeypatch.setattr(fleet, "_deployment", lambda: document)
    with pytest.raises(errors.BadResponse, match="no chunk of ours"):
        node.poll()
    assert flash(node) == before
    assert [path for _, path in fleet.served if path.startswith(("/tuf", "/files"))] == []


def test_artifacts_and_links_of_another_place_are_not_followed(node, fleet, monkeypatch):
    link = {"href": "https://thief.example/evil.jsonl"}
    chunk = {"part": "os", "name": "lamppost", "version": "1.1.0"}
    chunk["artifacts"] = [{"filename": "x", "_links": {"download": link, "download-http": link}}]
    document = {"deployment": {"download": "forced", "update": "forced", "chunks": [chunk]}}
    monkeypatch.setattr(fleet, "_deployment", lambda: document)
    fleet.offered = ("1", "1.1.0")
    node.take()
    assert [path for _, path in fleet.served if "evil" in path or "thief" in path] == []
    assert node.version == "1.1.0"


def test_a_new_server_address_and_trust_anchors_in_every_answer(node, fleet, monkeypatch):
    """Whatever a poll's answer holds beside the contract, a node keeps nothing of it."""
    before = flash(node)
    base = fleet._base()
    base["config"] |= {
        "server": {"address": "203.0.113.9", "port": 443, "name": "thief.example"},
        "cacerts": "MIIB",
        "time_servers": [{"host": "thief.example", "port": 123}],
    }
    for name in ("cacerts", "config", "server", "installedBase", "autoConfirm"):
        base["_links"][name] = {"href": f"https://thief.example/{name}"}
    monkeypatch.setattr(fleet, "_base", lambda: base)
    fleet.served.clear()
    offer = asyncio.run(poll.poll(node.client, DEVICE))
    assert (offer.action, offer.cancellation, offer.config) == ("", "", False)
    assert fleet.served == [("GET", fleet.base)]
    assert flash(node) == before


def test_a_journal_of_before_counts_from_now(node):
    """A node that was updated from a release without the count begins to count."""
    path = node.data / "update"
    state = {"action": "7", "version": "1.0.0", "word": "confirmed", "floor": "1.0.0"}
    path.write_bytes(json.dumps(state).encode())
    assert (node.state()["targets"], node.state()["count"], node.state()["action"]) == (0, 0, "7")
