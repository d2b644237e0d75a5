"""Releases that are not what was signed, or do not suit: refused, and the old slot runs on."""

import datetime as dt

from updating import EVEN_NEWER, NEW, NOW

from ota.device import files, swap


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

    async def full(source, sink, size, *sum_):
        if sink and left and str(node.slot("a")) in getattr(source, "name", ""):
            left.clear()
            raise OSError(28, "full")
        return await original(source, sink, size, *sum_)

    original = files.copy
    monkeypatch.setattr(files, "copy", full)
    failed(node, fleet, "FlashFull", before=("requested", "downloading"))
    assert not left
