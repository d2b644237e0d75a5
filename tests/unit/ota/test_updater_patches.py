"""What changed travels as a patch; a patch that is wrong costs bytes, never an update."""

import os
import random
import struct
import subprocess
import sys
import zlib
from hashlib import sha256
from pathlib import Path

import pytest
from patching import patched
from updating import OLD, Node, PowerCut

from fleet.releases import patches
from ota.core import errors

ROOT = Path(__file__).parents[3]
CHANGED = {**OLD, "ota/core/p256.mpy": OLD["ota/core/p256.mpy"] + b"and a line more"}
NOISE = random.Random(2).randbytes


@pytest.fixture
def changed(make_release, fleet):
    """Give the release of one changed file."""
    made = make_release("1.2.0", CHANGED)
    fleet.publish(made)
    fleet.offered = ("7", "1.2.0")
    return made


def serve_patches(fleet, repository, old, new):
    """Put patches from one release to another where a server has them; return their paths."""
    before = sha256(old.manifest).hexdigest()
    name = f"targets/esp32/{sha256(new.manifest).hexdigest()}.{new.version}.jsonl.{before}"
    repository.files[name] = patches.make(old.manifest, new.manifest)
    names = [f"/tuf/{name}"]
    for path, data in new.contents.items():
        if path in old.contents and old.contents[path] != data:
            name = f"{sha256(data).hexdigest()}.{sha256(old.contents[path]).hexdigest()}"
            fleet.blobs[name] = patches.make(old.contents[path], data)
            names.append(f"/files/{name}")
    return names


def fetched(fleet):
    return [path for _, path in fleet.served if path.startswith(("/files/", "/tuf/targets/"))]


def test_only_patches_are_fetched_when_a_line_has_changed(
    node, fleet, repository, make_release, changed
):
    names = serve_patches(fleet, repository, make_release("1.0.0", OLD), changed)
    node.take()
    assert fetched(fleet) == names
    assert changed.lies_in(node.slot("b"))


def wrong(good):
    """Yield patches that make nothing, too much, or something else."""
    begin, length, size, packed = struct.unpack_from(">HHHH", good)
    yield from (b"", good[:5], good[:-3], b"\0" * 8, NOISE(60))
    yield good[:8] + NOISE(len(good) - 8)
    yield struct.pack(">HHHH", 65000, length, size, packed) + good[8:]
    yield struct.pack(">HHHH", begin, length, size + 1, packed) + good[8:]
    yield struct.pack(">HHHH", begin, length, size - 1, packed) + good[8:]
    yield good + good
    yield good[:8] + bytes(3000)
    bomb = zlib.compressobj(9, zlib.DEFLATED, -12)
    data = bomb.compress(bytes(500_000)) + bomb.flush()
    yield struct.pack(">HHHH", 0, 0, size, len(data)) + data


def test_a_wrong_patch_is_thrown_away_and_the_whole_file_fetched(
    tmp_path, client, fleet, repository, make_release, changed, deflate, quick
):
    old = make_release("1.0.0", OLD)
    paths = serve_patches(fleet, repository, old, changed)
    places = (repository.files, paths[0][5:]), (fleet.blobs, paths[1][7:])
    for place, name in places:
        good = place[name]
        for i, bad in enumerate(wrong(good)):
            folder = tmp_path / f"{name[:9].replace('/', '-')}{i}"
            folder.mkdir()
            node = Node(folder, client, old)
            fleet.offered = (f"{len(fleet.feedback)}", "1.2.0")
            fleet.served.clear()
            place[name] = bad
            node.take()
            assert changed.lies_in(node.slot("b")), (name, i)
            assert {path.name for path in node.data.iterdir()} <= {
                *("a", "b", "tuf", "boot.0", "boot.1", "update")
            }
        place[name] = good


def test_a_server_that_is_busy_is_asked_another_time(node, fleet, client, changed):
    client.faults = {".jsonl.": errors.ServerError(503)}
    assert node.poll() is False
    assert node.state()["word"] == "requested"
    client.faults = {}
    node.take()


def test_the_power_is_cut_at_every_point_of_an_update_by_patches(
    tmp_path, client, fleet, repository, make_release, changed, deflate, quick, monkeypatch
):
    old = make_release("1.0.0", OLD)
    serve_patches(fleet, repository, old, changed)
    left = [0]

    def counted(function):
        def call(*arguments):
            left[0] -= 1
            if left[0] == 0:
                raise PowerCut
            return function(*arguments)

        return call

    for name in ("rename", "remove", "mkdir"):
        monkeypatch.setattr(os, name, counted(getattr(os, name)))
    cuts = 0
    while True:
        (tmp_path / str(cuts)).mkdir()
        node = Node(tmp_path / str(cuts), client, old)
        fleet.offered = (str(cuts), "1.2.0")
        left[0] = cuts + 1
        try:
            node.take()
            break
        except PowerCut:
            left[0] = 0
        cuts += 1
        node.start("power_on")
        if node.record["state"] == "trying":
            node.end_trial()
        if node.version == "1.0.0":
            node.take()
        assert changed.lies_in(node.slot(node.record["slot"]))
    assert cuts > 10


def test_patches_come_back_as_what_they_were_made_of():
    text = NOISE(7000)
    for old, new in (
        (b"", b"x"),
        (b"x", b""),
        (text[:3000], text[:1000] + b"!" + text[1000:3000]),
        (text, text[:2000] + text[2100:] + b"tail"),
        (text, text[3000:] + text[:3000]),
        (text, NOISE(5000)),
        (bytes(20_000), bytes(15_000) + text),
    ):
        patch = patches.make(old, new)
        assert patched(old, patch) == new
        if len(new) == len(old) + 1 or new[:100] == text[:100]:
            assert len(patch) < 200 + len(new) // 20


ON_THE_VM = """
import asyncio, binascii, hashlib, sys
from ota.device import patch

class Client:
    async def download(self, url, sink, limit):
        with open(url, "rb") as file:
            data = file.read()
        sink(data)
        return len(data)

async def main():
    folder, size, digest = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    wanted = (size, digest, 1 << 16)
    old, made = folder + "/old", folder + "/made"
    n = await patch.get(Client(), folder, folder + "/patch", old, made, wanted)
    print(n)

asyncio.run(main())
"""


def test_the_vm_makes_of_a_patch_what_the_server_meant(tmp_path):
    vm = os.environ.get("LAMPPOST_MICROPYTHON") or str(
        Path(sys.executable).with_name("micropython")
    )
    (tmp_path / "main.py").write_text(ON_THE_VM)
    text = NOISE(7000)
    for old, new in (
        (text[:3776], text[:1000] + b"!" + text[1000:3776]),
        (text, text[:2000] + text[2100:] + b"tail"),
        (b"", b"something new"),
    ):
        (tmp_path / "old").write_bytes(old)
        (tmp_path / "patch").write_bytes(patches.make(old, new))
        result = subprocess.run(
            [
                *(vm, "-X", "heapsize=92wK", tmp_path / "main.py", tmp_path),
                *(str(len(new)), sha256(new).hexdigest()),
            ],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
            env={"MICROPYPATH": f".frozen:{ROOT}"},
        )
        assert result.stdout.strip() == str((tmp_path / "patch").stat().st_size), result
        assert (tmp_path / "made").read_bytes() == new
        assert not (tmp_path / "new.p").exists()
