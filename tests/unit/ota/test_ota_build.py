"""Releases: the same bytes anywhere and at any time, overlays kept in, a flash budget."""

import io
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import littlefs
import pytest
from click.testing import CliRunner

from firmware.tasks import outbox
from ota.build import bundle, filesystem, release
from ota.build.cli import ota
from ota.build.entries import Entry
from ota.build.errors import BuildError
from ota.build.release import Header
from ota.build.sources import Source, collect

HEADER = Header("1.2.0", "esp32", "1.0.0", "1.27.0", 1_769_817_600, 30)


def sources(folder, **modules):
    """Write modules (name → text) and return them as sources of firmware/."""
    found = []
    for name, text in modules.items():
        file = folder / f"{name}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        found.append(Source(f"firmware/{name}.py", file))
    return found


def small(folder, header=HEADER):
    return release.build(header, sources(folder, main="def main():\n    return 7\n", b="B = 1\n"))


def test_same_sources_in_two_folders_give_the_same_bundle(tmp_path):
    first = bundle.pack(small(tmp_path / "here"))
    second = small(tmp_path / "elsewhere" / "deeper")
    for file in tmp_path.rglob("*.py"):
        os.utime(file, (1, 1))
    assert bundle.pack(second) == first


def test_the_command_builds_the_same_bytes_wherever_and_whenever_it_runs(tmp_path):
    made = []
    for name, clock in (("one", "2026-01-31"), ("two/deep", "1769817600")):
        folder = tmp_path / name
        overlay = folder / "overlay"
        (overlay / "tasks").mkdir(parents=True)
        (overlay / "tasks" / "extra.py").write_text("EXTRA = 1\n")
        environment = {"PATH": os.environ["PATH"], "SOURCE_DATE_EPOCH": clock, "TZ": name}
        arguments = ["build", "--version", "9.8.7", "--overlay", "overlay", "--json"]
        code = "from ota.build.cli import ota; ota()"
        result = subprocess.run(
            [sys.executable, "-c", code, *arguments],
            cwd=folder,
            env=environment,
            capture_output=True,
            timeout=100,
            check=False,
        )
        assert result.returncode == 0, result.stderr
        made.append((folder / json.loads(result.stdout)["bundle"]).read_bytes())
    assert made[0] == made[1]
    manifest = bundle.unpack(made[0]).manifest
    assert b'"built":1769817600' in manifest
    assert b"firmware/tasks/extra.mpy" in manifest


def test_a_bundle_is_read_back_as_it_was_made(tmp_path):
    made = small(tmp_path)
    assert bundle.unpack(bundle.pack(made)) == made
    assert bundle.unpack(bundle.pack(made, b"{}")) == made


def test_header_keys_that_are_new_survive_a_bundle(tmp_path):
    made = small(tmp_path)
    manifest = made.manifest.replace(b'"min_level":30', b'"min_level":30,"later":"x"')
    later = release.Release(made.header, made.entries, manifest, made.evidence)
    assert bundle.unpack(bundle.pack(later)).manifest == manifest


@pytest.mark.parametrize(
    ("member", "change", "message"),
    [
        ("manifest.jsonl", None, "no manifest.jsonl"),
        ("manifest.jsonl", lambda data: data[:-1], "cut short"),
        ("manifest.jsonl", lambda data: data.replace(b"firmware/b", b"../etc/bbbb"), "path"),
        ("files/", None, "is missing"),
        ("files/", lambda data: data[:-1], "deflated bytes"),
        ("files/", lambda data: data[:-1] + b"\0", "firmware/b.mpy"),
    ],
)
def test_a_damaged_bundle_is_refused_by_name(tmp_path, member, change, message):
    source = zipfile.ZipFile(io.BytesIO(bundle.pack(small(tmp_path))))
    first = json.loads(source.read("manifest.jsonl").splitlines()[1])[2]
    victim = member if member == "manifest.jsonl" else member + first
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as target:
        for name in source.namelist():
            data = source.read(name)
            if name == victim:
                if change is None:
                    continue
                data = change(data)
            target.writestr(name, data)
    with pytest.raises(BuildError, match=message):
        bundle.unpack(out.getvalue())


def test_what_is_no_zip_is_refused():
    with pytest.raises(BuildError, match="not a zip file"):
        bundle.unpack(b"MZ" * 100)


def test_a_slot_holds_device_code_and_nothing_else():
    paths = [source.path for source in collect()]
    assert paths == sorted(set(paths))
    assert "ota/core/bootrecord.py" in paths
    assert not [path for path in paths if "/root/" in path or "/decisions/" in path]
    assert not [path for path in paths if not path.startswith(("firmware/", "ota/"))]
    assert not [path for path in paths if path.startswith(("ota/build/", "ota/field/"))]
    empty = [path for path in paths if path.endswith("__init__.py")]
    assert not [path for path in empty if not _has_statements(path)]


def _has_statements(path):
    return any(line.strip() for line in Path(path).read_text().splitlines())


def test_an_overlay_replaces_and_adds(tmp_path):
    (tmp_path / "core").mkdir()
    for name in ("core/ranges.py", "core/brand_new.py"):
        (tmp_path / name).write_text("X = 1\n")
    found = {source.path: source.file for source in collect(tmp_path)}
    assert found["firmware/core/ranges.py"] == tmp_path / "core/ranges.py"
    assert found["firmware/core/brand_new.py"] == tmp_path / "core/brand_new.py"
    assert len(found) == len(collect()) + 1


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("root/boot.py", "outside the slots"),
        ("tests/x.py", "outside the slots"),
        ("firmware/main.py", "relative to firmware/"),
        ("ota/core/p256.py", "cannot be overlaid"),
        ("config.schema.json", "no Python file"),
        ("Main.py", "lower-case"),
        ("a/" * 40 + "x.py", "at most 64"),
    ],
)
def test_what_an_overlay_may_not_bring_is_refused(tmp_path, name, message):
    file = tmp_path / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("X = 1\n")
    with pytest.raises(BuildError, match=message):
        collect(tmp_path)


@pytest.mark.parametrize("link", ["file", "folder"])
def test_an_overlay_that_leads_outside_is_refused(tmp_path, link):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.py").write_text("X = 1\n")
    overlay = tmp_path / "overlay"
    overlay.mkdir()
    if link == "file":
        (overlay / "main.py").symlink_to(outside / "secret.py")
    else:
        (overlay / "tasks").symlink_to(outside)
    with pytest.raises(BuildError, match="leads out of"):
        collect(overlay)


def test_an_overlay_that_is_missing_or_empty_is_refused(tmp_path):
    with pytest.raises(BuildError, match="is no folder"):
        collect(tmp_path / "nowhere")
    with pytest.raises(BuildError, match="holds no Python file"):
        collect(tmp_path)


def test_a_syntax_error_is_one_line_with_file_and_line(tmp_path):
    with pytest.raises(BuildError) as caught:
        release.build(HEADER, sources(tmp_path, main="x = 1\ndef broken(:\n"))
    assert caught.value.message == (
        "firmware/main.py does not compile: line 2: SyntaxError: invalid syntax"
    )


def test_a_release_that_would_not_fit_twice_is_refused(tmp_path):
    room = release.SLOT_BLOCKS
    plain = os.urandom(3000)
    entries = [Entry(f"firmware/m{number}.mpy", plain, b"") for number in range(room)]
    full = release.Release(HEADER, tuple(entries), b"{}\n")
    with pytest.raises(BuildError, match=f"a slot has {room}: two of them, 168 for the outbox"):
        release.check_fits(full)
    release.check_fits(release.Release(HEADER, tuple(entries[: room - 20]), b"{}\n"))


def test_the_budget_leaves_room_for_a_full_outbox():
    segments = {f"outbox/{n:08x}.{n:08x}": bytes(4096) for n in range(outbox.SEGMENTS_MAX)}
    assert filesystem.blocks(segments) <= release.OUTBOX_BLOCKS
    assert release.STAGING_BLOCKS >= outbox.RESERVE_BLOCKS


def test_blocks_are_those_that_littlefs_takes():
    assert filesystem.blocks({}) == 0
    assert filesystem.blocks({"inlined": bytes(100)}) == 0
    assert filesystem.blocks({"one": bytes(4000)}) == 1
    assert filesystem.blocks({"two": bytes(4097)}) == 2
    assert filesystem.blocks({"folder/inlined": b"x"}) == 2


@pytest.mark.parametrize("lost", [b"\xff", b"\0", b"\xa5"])
def test_no_single_block_of_a_new_volume_costs_more_than_one_file(lost):
    files = {f"{slot}/ota/core/{name}": bytes(999) for slot in "ab" for name in ("x", "y")}
    files |= {"boot.0": b"x" * 90, "a/manifest.jsonl": bytes(4000), "b/manifest.jsonl": bytes(9)}
    volume = filesystem.pack(files, 0x20000)
    assert filesystem.unpack(volume) == files
    for at in range(0, len(volume), 4096):
        damaged = volume[:at] + lost * 4096 + volume[at + 4096 :]
        left = filesystem.unpack(damaged)
        whole = {path for path in files if left.get(path) == files[path]}
        assert len(whole) >= len(files) - 1, at // 4096


def test_a_file_system_is_read_back_and_reproducible():
    files = {"boot.py": b"1\n", "etc/config.json": bytes(300), "lib/a.mpy": os.urandom(9000)}
    volume = filesystem.pack(files, 0x20000)
    assert filesystem.unpack(volume) == files
    assert filesystem.pack(dict(reversed(files.items())), 0x20000) == volume
    with pytest.raises(BuildError, match="do not fit a file system of 131072 bytes"):
        filesystem.pack(files | {"big": bytes(0x20000)}, 0x20000)
    with pytest.raises(BuildError, match="no LittleFS"):
        filesystem.unpack(bytes(0x20000))


def test_what_a_node_with_longer_reads_put_into_its_directory_is_read_back():
    longer = filesystem._PARAMETERS | {"read_size": 128, "cache_size": 512}
    fs = littlefs.LittleFS(block_count=32, **longer)
    for number in range(300):  # some lie at a block's very end
        content = os.urandom(129 + number)
        with fs.open("update", "wb") as file:
            file.write(content)
        assert filesystem.unpack(bytes(fs.context.buffer)) == {"update": content}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--version", "1.x"], "expected a version such as 1.2.0"),
        (["--version", "1.0.0", "--floor", "2.0.0"], "lies above --version 1.0.0"),
        (["--version", "1.0.0", "--date", "yesterday"], "expected 2026-01-31"),
        (["--version", "1.0.0", "--board", "esp8266"], "esp8266"),
        (["--version", "1.0.0", "--overlay", "/nowhere"], "/nowhere is no folder"),
        (["--version", "1.0.0", "--out", "/proc/nowhere"], "cannot write /proc/nowhere"),
    ],
)
def test_bad_arguments_end_with_status_2_and_say_why(arguments, message):
    result = CliRunner().invoke(ota, ["build", *arguments])
    assert result.exit_code == 2
    assert message in result.stderr
