"""What a release weighs: on the air, on the flash, and when one file of it has changed."""

import tempfile
import zlib
from pathlib import Path

from ota.build import release
from ota.build.boards import BLOCK_BYTES
from ota.build.sources import collect, package_folder

_BEFORE, _AFTER = '"pm25": (0, 1000)', '"pm25": (0, 900)'
CHANGED = "core/ranges.py"  # a small table: what a first update of a fleet is likely to touch


def rows():
    """Build this checkout's release and one with a changed file, and weigh both."""
    full = build("1.0.0", None)
    figures = full.figures()
    plain = b"".join(entry.plain for entry in full.entries)
    yield {
        "name": "release, deflated file by file",
        "figure": figures["deflated"],
        "unit": "bytes",
        "limit": len(zlib.compress(plain, 9)),
        "against": "all files in one stream with a 32 KB window",
    }
    yield {
        "name": "release, .mpy on flash",
        "figure": figures["blocks"],
        "unit": "blocks of 4 KiB",
        "limit": -(-(figures["bytes"] + figures["manifest"]) // BLOCK_BYTES),
        "against": "the bytes packed without gaps",
    }
    yield {
        "name": "release, share of a slot's budget",
        "figure": figures["blocks"],
        "unit": "blocks of 4 KiB",
        "limit": figures["blocks_max"],
        "against": "the budget of a slot",
    }
    with tempfile.TemporaryDirectory() as folder:
        overlay = Path(folder) / CHANGED
        overlay.parent.mkdir()
        text = (package_folder("firmware") / CHANGED).read_text()
        overlay.write_text(text.replace(_BEFORE, _AFTER))
        changed = build("1.1.0", Path(folder))
    known = {entry.sha256 for entry in full.entries}
    files = [entry for entry in changed.entries if entry.sha256 not in known]
    yield {
        "name": f"update of {len(files)} file, manifest and files a node fetches",
        "figure": fetched(changed, files),
        "unit": "bytes",
        "limit": fetched(full, full.entries),
        "against": "the whole release",
    }


def build(version, overlay):
    """Build a release of a fixed date."""
    header = release.Header(version, "esp32", "0.0.0", "1.27.0", 1_769_817_600, 30)
    return release.build(header, collect(overlay))


def fetched(made, files):
    """Return the bytes of a manifest and of deflated files; TUF metadata comes on top."""
    return len(made.manifest) + sum(len(entry.deflated) for entry in files)
