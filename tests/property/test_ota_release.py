"""What the host writes, the node's own rules read: manifests, bundles, flash images."""

import io
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ota.build import bundle, filesystem, release, sources
from ota.build.boards import BOARDS
from ota.build.entries import Entry, deflate, packed
from ota.build.errors import BuildError
from ota.core import limits, manifest
from ota.field import partitions

PATHS = st.from_regex(
    r"(firmware|ota/core|ota/device)/([a-z0-9_]{1,12}/){0,2}[a-z0-9_]{1,16}\.mpy", fullmatch=True
)
VERSIONS = st.tuples(*[st.integers(0, 999)] * 3).map(lambda parts: "{}.{}.{}".format(*parts))
HEADERS = st.builds(
    release.Header,
    version=VERSIONS,
    board=st.sampled_from(list(BOARDS)),
    floor=st.just("0.0.0"),
    runtime=VERSIONS,
    built=st.integers(0, 1 << 40),
    min_level=st.integers(0, 100),
)


@st.composite
def releases(draw):
    files = draw(st.dictionaries(PATHS, st.binary(max_size=3000), min_size=1, max_size=12))
    entries = tuple(packed(path, files[path]) for path in sorted(files))
    header = draw(HEADERS)
    return release.Release(header, entries, release._manifest(header, entries))


@given(releases())
def test_the_nodes_rules_read_every_manifest_line_by_line(made):
    file = io.BytesIO(made.manifest)
    assert manifest.header(file.readline()) == vars(made.header)
    assert list(manifest.entries(file)) == [
        (entry.path, len(entry.plain), entry.sha256, len(entry.deflated)) for entry in made.entries
    ]


@given(releases(), st.booleans())
def test_a_bundle_gives_back_the_release_and_is_the_same_each_time(made, signed):
    packed = bundle.pack(made, b"{}" if signed else None)
    assert bundle.unpack(packed) == made
    assert bundle.pack(bundle.unpack(packed), b"{}" if signed else None) == packed
    assert bundle.targets(packed) == (b"{}" if signed else None)


@settings(max_examples=60)
@given(releases(), st.data())
def test_a_bundle_with_a_byte_changed_is_refused_or_the_same(made, data):
    packed = bytearray(bundle.pack(made))
    at = data.draw(st.integers(0, len(packed) - 1))
    packed[at] ^= data.draw(st.integers(1, 255))
    try:
        found = bundle.unpack(bytes(packed))
    except BuildError:
        return
    # What is left are the zip's own fields (times, modes); the manifest itself is what is signed.
    assert found.entries == made.entries or found.manifest != made.manifest


@given(st.binary(max_size=400))
def test_no_bytes_make_unpack_raise_anything_but_a_build_error(data):
    with pytest.raises(BuildError):
        bundle.unpack(data)


@settings(max_examples=20)  # each formats three volumes
@given(releases())
def test_a_slot_on_littlefs_is_what_the_release_says(made):
    slot = made.slot("a")
    volume = filesystem.pack(slot, partitions.FOUR_MB["data"].size // 4)
    assert filesystem.unpack(volume) == slot
    whole = sum(-(-len(content) // 4096) for content in slot.values() if len(content) > 128)
    assert filesystem.blocks(slot) >= whole


OVERLAYS = st.dictionaries(
    st.from_regex(r"([A-Za-z0-9_.]{1,8}/){0,2}[A-Za-z0-9_.]{1,8}(\.py)?", fullmatch=True),
    st.just("X = 1\n"),
    min_size=1,
    max_size=3,
)


@given(OVERLAYS)
def test_whatever_an_overlay_holds_lands_in_firmware_or_is_refused(tmp_path_factory, files):
    folder = tmp_path_factory.mktemp("overlay")
    for name, text in files.items():
        file = folder / name
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        except OSError:
            continue  # `.` and `..`, or a file where another path needs a folder
    try:
        found = sources.collect(folder)
    except BuildError:
        return
    laid = [source for source in found if source.file.is_relative_to(folder)]
    assert laid
    for source in laid:
        assert re.fullmatch(r"firmware/[a-z0-9_/]+\.py", source.path)
        assert len(source.path) <= limits.PATH_CHARS
        assert not source.path.startswith(("firmware/root/", "firmware/tests/"))


def test_a_release_that_a_node_would_not_read_is_refused():
    header = release.Header("1.0.0", "esp32", "0.0.0", "1.27.0", 0, 30)
    plain = deflate(b"")
    count = limits.MANIFEST_FILES + 1
    entries = [Entry(f"firmware/m{number:03}.mpy", b"", plain) for number in range(count)]
    with pytest.raises(BuildError, match="more than a slot holds"):
        release.parse(release._manifest(header, entries))
    with pytest.raises(BuildError, match=f"a node reads {limits.MANIFEST_BYTES}"):
        release.parse(release._manifest(header, []) + bytes(limits.MANIFEST_BYTES))
    low = release.Header("1.0.0", "esp32", "2.0.0", "1.27.0", 0, 30)
    with pytest.raises(BuildError, match="version below its own floor"):
        release.parse(release._manifest(low, entries[:1]))
