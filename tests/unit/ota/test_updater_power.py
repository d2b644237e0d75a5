"""The power goes at every point of an update: it ends well, and no file is fetched twice."""

import builtins
import hashlib
import os

import pytest
from updating import NEW, OLD, Node, PowerCut

from ota.core import bootrecord

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
        fetched = [
            path for _, path in fleet.served if path.startswith("/files/") and "." not in path
        ]
        assert sorted(fetched) == sorted("/files/" + digest for digest in FETCHED)
    assert cuts > 60
