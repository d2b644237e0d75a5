"""What an update costs on the wire: a changed line, a new driver, a whole release.

`update` is what a node fetches beside metadata: manifest and files, each whole or, where the
server has one, as a patch (fleet/releases/patches.py). Its rows stand against the whole release
and against the patch that `detools` (from the extra `bench`) makes between the same two slots:
all files as one image, its own best format. `metadata` is what TUF and DDI add to every update.
"""

import importlib.util
import io
import json
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import Metadata, MetaFile, Snapshot, TargetFile, Targets, Timestamp

from fleet.releases import patches
from ota.build import release
from ota.build.sources import collect, package_folder

LINES = {  # a small table, a task of middling size, and the longest module that is ours to change
    "core/ranges.py": ('"pm25": (0, 1000)', '"pm25": (0, 900)'),
    "tasks/update.py": ("_ERROR_WAIT_S = 60", "_ERROR_WAIT_S = 90"),
    "core/config.py": ("4096", "4000"),
}
DRIVER = "drivers/bme680.py"
LISTED = 4  # releases in targets.json


def rows():
    """Build the pairs and weigh what is fetched."""
    old = build("1.0.0", {})
    full = whole(old)
    for name, (before, after) in LINES.items():
        text = source(name)
        assert before in text, f"{name} has changed: choose another line"
        new = build("1.0.1", {name: text.replace(before, after, 1)})
        yield from pair(f"one line of {name}", old, new, full)
    assembly = source("assembly.py")
    wired = assembly.replace(
        '    raise ValueError("a second', ADDED + '    raise ValueError("a second'
    )
    assert wired != assembly
    # A new driver is text that no node has yet: an emulated part's stands for it.
    driver = (package_folder("sim") / "hardware" / "pms5003.py").read_text()
    new = build("1.1.0", {DRIVER: driver, "assembly.py": wired})
    yield from pair("a new driver", old, new, full)
    yield {
        "name": "a node with nothing of it: the whole release",
        "figure": full,
        "unit": "bytes",
        "limit": len(image(old)),
        "against": "its files, not deflated",
    }
    yield {
        "name": "metadata of an update: targets, snapshot, timestamp",
        "figure": metadata(old),
        "unit": "bytes",
        "limit": full,
        "against": "the whole release",
    }


ADDED = """    if part["driver"] == "bme680":
        from firmware.drivers.bme680 import BME680

        return BME680(I2C(part["i2c"], scl=Pin(part["scl"]), sda=Pin(part["sda"])))
"""


def source(name):
    """Return a file of the firmware as it is here."""
    return (package_folder("firmware") / name).read_text()


def build(version, files):
    """Build a release of a fixed date with these files laid over the firmware's."""
    header = release.Header(version, "esp32", "0.0.0", "1.27.0", 1_769_817_600, 30)
    with tempfile.TemporaryDirectory() as folder:
        for name, text in files.items():
            path = Path(folder) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return release.build(header, collect(Path(folder) if files else None))


def whole(made):
    """Return the bytes of a release that a node has nothing of."""
    return len(made.manifest) + sum(len(entry.deflated) for entry in made.entries)


def image(made):
    """Return all that a slot holds as one image."""
    return b"".join(entry.path.encode() + b"\0" + entry.plain for entry in made.entries)


def fetched(old, new):
    """Return what a node that runs `old` fetches of `new`: it takes patches of at most half."""
    there = {entry.sha256 for entry in old.entries}
    before = {entry.path: entry for entry in old.entries}
    total = shorter(patches.make(old.manifest, new.manifest), len(new.manifest))
    for entry in new.entries:
        if entry.sha256 not in there:
            patch = b""
            if entry.path in before:
                patch = patches.make(before[entry.path].plain, entry.plain)
            total += shorter(patch, len(entry.deflated))
    return total


def shorter(patch, size):
    """Return the bytes that go over: of the patch, if there is one worth it."""
    return len(patch) if patch and 2 * len(patch) <= size else size


def pair(name, old, new, full):
    """Yield an update's rows."""
    figure = fetched(old, new)
    row = {"figure": figure, "unit": "bytes"}
    yield {"name": f"update, {name}", **row, "limit": full, "against": "the whole release"}
    if importlib.util.find_spec("detools") is None:
        click.echo(
            "bytes: detools is not installed (pip install '.[bench]', a C compiler)", err=True
        )
        return
    import detools  # noqa: PLC0415 - an extra

    out = io.BytesIO()
    detools.create_patch(io.BytesIO(image(old)), io.BytesIO(image(new)), out)
    against = "detools' patch of both slots"
    yield {"name": f"update, {name}", **row, "limit": len(out.getvalue()), "against": against}
    allowed = int(1.5 * len(out.getvalue())) + 1024
    yield {"name": f"update, {name}", **row, "limit": allowed, "against": "1.5 x that and 1 KB"}


def metadata(made):
    """Return the bytes of the metadata that changes with each release."""
    signer = CryptoSigner.generate_ecdsa()
    expires = (datetime.now(UTC) + timedelta(days=30)).replace(microsecond=0)
    targets = Targets(expires=expires)
    for n in range(LISTED):
        path = f"esp32/1.{n}.0.jsonl"
        targets.targets[path] = TargetFile.from_data(path, made.manifest, ["sha256"])
    snapshot = Snapshot(expires=expires, meta={"targets.json": MetaFile(9)})
    timestamp = Timestamp(expires=expires, snapshot_meta=MetaFile(9))
    total = 0
    for signed in (targets, snapshot, timestamp):
        one = Metadata(signed)
        one.sign(signer)
        total += len(json.dumps(one.to_dict(), separators=(",", ":")))
    return total
