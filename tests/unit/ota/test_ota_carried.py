"""A release that brings its MicroPython: built, bundled and read back, or refused in one line."""

import hashlib
import json
import random
import zlib

import pytest
from click.testing import CliRunner

from ota.build import bundle, carried
from ota.build.cli import ota
from ota.build.errors import BuildError
from ota.core import limits, runtime
from sim.espimage import ESP32, esp_image, official

NOISE = random.Random(7).randbytes(100_000)
BANNER = b"MicroPython v1.28.0 on 2026-01-01; Generic"
APP = esp_image(ESP32.chip_id, BANNER + NOISE)


def build(folder, image, *more):
    path = folder / "new.bin"
    path.write_bytes(image)
    words = ["build", "--version", "1.1.0", "--micropython", str(path), "--out", str(folder)]
    return CliRunner().invoke(ota, [*words, "--json", *more])


def test_a_release_brings_it_in_blocks(tmp_path):
    done = build(tmp_path, official(app=APP))
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    found = bundle.load(tmp_path / "lamppost-esp32-1.1.0.zip")
    assert told["micropython"] == found.header.micropython == found.runtime.version == "1.28.0"
    assert told["runtime"] == sum(map(len, found.runtime.blocks.values()))
    assert b'"micropython":"1.28.0"' in found.manifest.splitlines()[0]
    (listed,) = [entry.plain for entry in found.entries if entry.path == "runtime.jsonl"]
    plain = b""
    for _, size, digest, zsize in carried.named(listed):
        deflated = found.runtime.blocks[digest]
        block = zlib.decompress(deflated, limits.WINDOW_BITS)
        assert (len(block), len(deflated)) == (size, zsize)
        assert hashlib.sha256(block).hexdigest() == digest
        plain += block
    assert plain == APP
    platform = json.loads(found.evidence.sbom)["components"]
    assert [each["version"] for each in platform if each["name"] == "MicroPython"] == ["1.28.0"]


def test_a_release_without_one_says_nothing_of_it(tmp_path):
    done = CliRunner().invoke(ota, ["build", "--version", "1.1.0", "--out", str(tmp_path)])
    assert done.exit_code == 0
    found = bundle.load(tmp_path / "lamppost-esp32-1.1.0.zip")
    assert found.runtime is None
    assert b"micropython" not in found.manifest


@pytest.mark.parametrize(
    ("image", "more", "message"),
    [
        (official(app=APP)[:-200], (), "the app is cut short"),
        (official(app=esp_image(5, BANNER)), (), "the runtime is for ESP32-C3, board esp32"),
        (official(app=esp_image(0, b"silent")), (), "it does not say which MicroPython it is"),
        (official(app=APP), ("--runtime", "1.29.0"), "it is MicroPython 1.28.0, --runtime asks"),
        (b"PK", (), "is no ESP image"),
    ],
)
def test_what_cannot_be_brought_is_refused_in_one_line(tmp_path, image, more, message):
    done = build(tmp_path, image, *more)
    assert done.exit_code == 2
    assert message in done.stderr
    assert "--micropython" in done.stderr
    assert not list(tmp_path.glob("*.zip"))


def test_an_app_that_fits_no_partition_is_refused():
    with pytest.raises(BuildError, match="an app partition 2555904"):
        carried.carry(bytes(limits.APP_BYTES + 1), "1.28.0")
    most = carried.carry(bytes(limits.APP_BYTES), "1.28.0")
    assert len(carried.named(most.listed)) == limits.APP_BYTES // runtime.BLOCK_BYTES
    assert len(most.listed) < limits.FILE_BYTES


def test_a_bundle_that_lost_a_block_or_a_bit_of_one_is_refused():
    found = carried.carry(APP, "1.28.0")
    digest = list(found.blocks)[2]
    with pytest.raises(BuildError, match="block 2 is missing"):
        carried.taken(found.listed, lambda name: None if name == digest else found.blocks[name])
    bent = found.blocks | {digest: found.blocks[digest][:-1] + b"\0"}
    with pytest.raises(BuildError, match="block 2:"):
        carried.taken(found.listed, bent.get)
    assert carried.taken(found.listed, found.blocks.get) == found
