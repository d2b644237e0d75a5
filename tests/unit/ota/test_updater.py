"""Updates from offer to confirmation on a node's files, against a server in memory."""

import asyncio
import builtins
import datetime as dt
import hashlib
import os
import random

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

from ota.core import bootrecord, errors, limits
from ota.device import files, poll, report, swap, updater

NOW = 1_795_000_000
DEVICE = "aabbccfffeddeeff"
OLD = {
    "firmware/main.mpy": b"main of 1.0.0" * 100,
    "firmware/tasks/light.mpy": b"light" * 200,
    "ota/core/p256.mpy": bytes(range(256)) * 10,
}
NEW = {
    "firmware/main.mpy": b"main of 1.1.0" * 100,
    "firmware/tasks/lamp.mpy": OLD["firmware/tasks/light.mpy"],
    "firmware/tasks/extra/more.mpy": random.Random(1).randbytes(3000),
    "ota/core/p256.mpy": OLD["ota/core/p256.mpy"],
}
EVEN_NEWER = {**NEW, "firmware/main.mpy": b"main of 1.2.0" * 100}


class PowerCut(BaseException):
    """The power went."""


class Node:
    """A node's flash in a folder; `run` is one power-up of it."""

    def __init__(self, folder, client, release):
        self.data = folder / "data"
        self.data.mkdir()
        self.client = client
        self.now = NOW
        self.log = []
        for slot in "ab":
            release.install(self.data / slot)
        self.factory = folder / "root.json"
        self.factory.write_bytes(client.fleet.repository.files["1.root.json"])
        self.version = release.version

    @property
    def record(self):
        return swap.load(str(self.data))

    def slot(self, name):
        return self.data / name

    def ports(self):
        header = {"version": self.version, "board": "esp32", "floor": "1.0.0"}
        ports = updater.Ports(
            self.client, DEVICE, header, "1.27.0", lambda: self.now, self.log.append
        )
        ports.data = str(self.data)
        ports.factory = str(self.factory)
        return ports

    def start(self, cause="hard"):
        """Do what the boot code does; then settle and send, as the update task does."""
        record = self.record
        decided = bootrecord.decide(record, cause)
        if decided != record:
            swap.save(str(self.data), decided)
        running = self.slot(bootrecord.running(decided))
        assert (running / "manifest.jsonl").exists()
        first = (running / "manifest.jsonl").read_bytes().split(b'"')
        self.version = first[3].decode()
        updater.settle(self.ports())
        self.send()

    def send(self):
        try:
            asyncio.run(report.Reports(str(self.data)).send(self.client, DEVICE))
        except errors.OtaError as error:
            self.log.append(str(error))

    def poll(self):
        """Poll and do what is wanted; True when the node shall reset."""
        offer = asyncio.run(poll.poll(self.client, DEVICE))
        if not offer.action and not offer.cancellation:
            return False
        return asyncio.run(updater.update(self.ports(), offer))

    def take(self):
        """Take the offered update and let its trial end well."""
        assert self.poll() is True
        self.start()
        self.end_trial()

    def end_trial(self):
        swap.confirm(str(self.data))
        updater.settle(self.ports())
        self.send()

    def state(self):
        return updater.load(str(self.data))


@pytest.fixture
def quick(monkeypatch):
    """OpenSSL in the place of p256, for the tests that verify hundreds of times."""

    def verify(key, digest, signature):
        yield
        public = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), key)
        try:
            public.verify(signature, digest, ec.ECDSA(Prehashed(hashes.SHA256())))
        except InvalidSignature:
            return False
        return True

    monkeypatch.setattr(updater, "let_go", lambda *_: None)
    monkeypatch.setattr("ota.core.p256.verify", verify)


@pytest.fixture
def node(tmp_path, client, fleet, make_release, deflate, quick):
    old = make_release("1.0.0", OLD)
    fleet.publish(old)
    fleet.publish(make_release("1.1.0", NEW))
    return Node(tmp_path, client, old)


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


def test_only_what_neither_slot_has_is_fetched(node, fleet):
    fleet.offered = ("7", "1.1.0")
    node.take()
    fetched = [path for _, path in fleet.served if path.startswith("/files/")]
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
    assert names == ["snapshot.json", "targets.json", "timestamp.json"]


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


def failed(node, fleet, reason, before=("requested",)):
    """Assert that the offer is refused for that reason, and that the old slot runs on."""
    fleet.offered = fleet.offered or ("7", "1.1.0")
    assert node.poll() is False
    assert fleet.words(fleet.offered[0]) == [*before, "failed"]
    assert fleet.feedback[-1][1:3] == ("closed", "failure")
    assert fleet.feedback[-1][3][1].startswith(f"reason={reason}")
    assert node.record["state"] == "steady"
    assert node.record["slot"] == "a"
    assert (node.slot("a") / "manifest.jsonl").exists()
    leftovers = [path.name for path in node.data.rglob("*") if ".new" in path.name]
    assert leftovers == []
    assert not (node.data / "new").exists()


def test_a_release_signed_by_other_keys(node, fleet, repository):
    repository.signers["targets"] = [repository.spare[0]]
    repository.publish()
    failed(node, fleet, "BadSignature: targets")


def test_a_release_that_is_no_target(node, fleet):
    fleet.offered = ("7", "3.0.0")
    failed(node, fleet, "Unsuited")


def test_an_expired_timestamp(node, fleet, repository):
    repository.timestamp.expires = dt.datetime.fromtimestamp(NOW - 1, dt.UTC)
    repository.publish()
    failed(node, fleet, "Expired: timestamp")


def test_a_release_of_another_board(node, fleet, make_release, repository):
    other = make_release("1.1.0", NEW, board="esp32c3")
    repository.add("esp32/1.1.0.jsonl", other.manifest)
    repository.publish()
    failed(node, fleet, "Unsuited: release for board esp32c3")


def test_a_release_that_needs_a_newer_runtime(node, fleet, make_release):
    fleet.publish(make_release("1.1.0", NEW, runtime="1.30.0"))
    failed(node, fleet, "Unsuited: release needs MicroPython 1.30.0")


def test_a_release_below_the_floor_that_was_seen(node, fleet, make_release):
    fleet.publish(make_release("1.2.0", EVEN_NEWER, floor="1.1.0"))
    fleet.offered = ("6", "1.2.0")
    node.take()
    fleet.offered = ("7", "1.0.0")
    assert node.poll() is False
    assert fleet.feedback[-1][3][1] == "reason=Rollback: 1.0.0 is below the security floor 1.1.0"
    assert node.version == "1.2.0"


def test_a_manifest_that_is_too_long_or_altered(node, fleet, repository):
    name = next(n for n in repository.files if "1.1.0.jsonl" in n)
    good = repository.files[name]
    for action, bad, reason in (
        ("7", good + b"\n", "TooLong"),
        ("8", good[:-1], "BadLength"),
        ("9", good.replace(b"main.mpy", b"mail.mpy"), "BadHash"),
    ):
        fleet.offered = (action, "1.1.0")
        repository.files[name] = bad
        failed(node, fleet, reason)


def test_a_file_that_is_not_what_was_signed(node, fleet, make_release):
    release = make_release("1.1.0", NEW)
    digest = next(iter(release.files))
    good = release.files[digest]
    twisted = bytearray(good)
    twisted[len(good) // 2] ^= 0xFF
    other = make_release("x", {"firmware/main.mpy": b"mein of 1.1.0" * 100}).files
    for action, bad, reason in (
        ("7", good + b"\0", "TooLong"),
        ("8", good[:-3], "BadLength"),
        ("9", bytes(twisted), "Bad"),
        ("10", b"\0" * len(good), "BadFormat"),
        ("11", next(iter(other.values())), "Bad"),
    ):
        fleet.offered = (action, "1.1.0")
        fleet.blobs[digest] = bad
        failed(node, fleet, reason, before=("requested", "downloading"))


def test_a_bomb_is_cut_off_at_the_signed_size(node, fleet, make_release):
    small = make_release("1.1.0", NEW)
    bomb = make_release("x", {"firmware/main.mpy": bytes(60_000)})
    digest = next(iter(small.files))
    packed = next(iter(bomb.files.values()))
    line = next(x for x in small.manifest.splitlines() if digest.encode() in x)
    size = int(line.rsplit(b",", 1)[1].strip(b" ]"))
    manifest = small.manifest.replace(line, line.replace(b" %d]" % size, b" %d]" % len(packed)))
    fleet.repository.add("esp32/1.1.0.jsonl", manifest)
    fleet.repository.publish()
    fleet.blobs[digest] = packed
    failed(node, fleet, "BadLength", before=("requested", "downloading"))


def test_a_stream_that_was_published_cut_short(node, fleet, make_release):
    release = make_release("1.1.0", NEW)
    digest = next(iter(release.files))
    packed = release.files[digest]
    line = next(x for x in release.manifest.splitlines() if digest.encode() in x)
    shorter = line.replace(b" %d]" % len(packed), b" %d]" % (len(packed) - 9))
    fleet.repository.add("esp32/1.1.0.jsonl", release.manifest.replace(line, shorter))
    fleet.repository.publish()
    fleet.blobs[digest] = packed[:-9]
    failed(node, fleet, "BadFormat", before=("requested", "downloading"))


def test_the_same_manifest_is_refused_after_three_failed_trials(node, fleet):
    for action in ("1", "2", "3"):
        fleet.offered = (action, "1.1.0")
        assert node.poll() is True
        node.start()
        swap.fail(str(node.data), "SelfTestError: no air")
        node.start()
        assert node.version == "1.0.0"
        assert fleet.words(action)[-1] == "rolled_back"
        assert fleet.feedback[-1][1:] == (
            "closed",
            "failure",
            ["state=rolled_back", "reason=SelfTestError: no air"],
        )
    fleet.offered = ("4", "1.1.0")
    failed(node, fleet, "Refused")


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


def test_flash_full(node, fleet, monkeypatch):
    def full(new, path):
        if "extra" in path:
            raise OSError(28, "full")
        original(new, path)

    original = files.replace
    monkeypatch.setattr(files, "replace", full)
    failed(node, fleet, "FlashFull", before=("requested", "downloading"))


def test_flash_full_while_copying(node, fleet, monkeypatch):
    left = [True]

    async def full(source, sink, size):
        if sink and left and str(node.slot("a")) in getattr(source, "name", ""):
            left.clear()
            raise OSError(28, "full")
        return await original(source, sink, size)

    original = files.copy
    monkeypatch.setattr(files, "copy", full)
    failed(node, fleet, "FlashFull", before=("requested", "downloading"))
    assert not left


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
        old = repository.signers["root"][0]
        repository.root.revoke_key(old.public_key.keyid, "root")
        repository.root.add_key(spare.public_key, "root")
        repository.next_root([old, spare])
        repository.signers["root"] = [spare]
    fleet.offered = ("7", "1.1.0")
    node.take()
    assert (node.data / "tuf" / "root.json").read_bytes() == repository.files["3.root.json"]


FETCHED = {
    hashlib.sha256(NEW[path]).hexdigest()
    for path in ("firmware/main.mpy", "firmware/tasks/extra/more.mpy")
}


def test_a_download_that_was_cut_short_starts_again_and_what_was_whole_does_not(
    node, fleet, monkeypatch
):
    whole = []
    real = node.client.download

    async def download(path, sink, limit):
        def cut(piece):
            sink(piece[: len(piece) // 2])
            if len(whole) == 1:
                raise PowerCut
            sink(piece[len(piece) // 2 :])

        n = await real(path, cut if path.startswith("/files/") else sink, limit)
        whole.extend([path] if path.startswith("/files/") else [])
        return n

    monkeypatch.setattr(node.client, "download", download)
    fleet.offered = ("7", "1.1.0")
    with pytest.raises(PowerCut):
        node.poll()
    monkeypatch.setattr(node.client, "download", real)
    kept = whole[0]
    fleet.served.clear()
    node.start("power_on")
    node.take()
    fetched = [path for _, path in fleet.served if path.startswith("/files/")]
    assert fetched == [path for path in sorted("/files/" + d for d in FETCHED) if path != kept]


def test_what_another_update_left_half_done_is_not_taken_for_this_ones(node, fleet, make_release):
    release = make_release("1.1.0", NEW)
    for digest, packed in release.files.items():
        (node.data / "new.z").write_bytes(bytes(len(packed)))
        assert digest in fleet.blobs
    fleet.offered = ("7", "1.1.0")
    node.take()
    assert release.lies_in(node.slot("b"))
    assert not (node.data / "new.z").exists()


@pytest.fixture
def cutter(monkeypatch):
    """Cut the power at the n-th change of the flash: before it, or within a write."""
    state = {"left": -1}

    def counted(function):
        def call(*arguments):
            state["left"] -= 1
            if state["left"] == 0:
                raise PowerCut
            return function(*arguments)

        return call

    real_open = builtins.open

    def opening(path, mode="r", *rest, **options):
        if "w" in mode and "/data/" in str(path):
            state["left"] -= 1
            if state["left"] == 0:
                with real_open(path, "wb") as file:
                    file.write(b"torn")
                raise PowerCut
        return real_open(path, mode, *rest, **options)

    for name in ("rename", "remove", "mkdir"):
        monkeypatch.setattr(os, name, counted(getattr(os, name)))
    monkeypatch.setattr(builtins, "open", opening)
    return state


def test_the_power_is_cut_at_every_point(
    tmp_path, client, fleet, cutter, make_release, quick, deflate
):
    """At each change of flash in turn; the update then finishes, and no slot is mixed.

    Nor is any file fetched twice: whatever was whole when the power went is used.
    """
    old = make_release("1.0.0", OLD)
    new = make_release("1.1.0", NEW)
    fleet.publish(old)
    fleet.publish(new)
    cuts = 0
    while True:
        (tmp_path / str(cuts)).mkdir()
        node = Node(tmp_path / str(cuts), client, old)
        action = str(cuts)
        fleet.offered = (action, "1.1.0")
        fleet.served.clear()
        cutter["left"] = cuts + 1
        try:
            node.take()
            break
        except PowerCut:
            cutter["left"] = -1
        cuts += 1
        node.start("power_on")
        running = node.slot(bootrecord.running(node.record))
        assert new.lies_in(running) or old.lies_in(running)
        if node.record["state"] == "trying":
            node.end_trial()
        if node.version == "1.0.0":
            node.take()
        assert node.version == "1.1.0"
        assert new.lies_in(node.slot(node.record["slot"]))
        assert not (node.data / "reports").exists()
        assert fleet.words(action)[-1] == "confirmed"
        assert "failed" not in fleet.words(action)
        fetched = [path for _, path in fleet.served if path.startswith("/files/")]
        assert sorted(fetched) == sorted("/files/" + digest for digest in FETCHED)
    assert cuts > 60
