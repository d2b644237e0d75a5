"""Whatever bytes come, the rules of an update raise their own errors and nothing else."""

import asyncio
import contextlib
import hashlib
import io
import itertools
import json
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from outcomes import finish

from ota.core import errors, manifest, tuf, versions
from ota.device import http, poll

VECTORS = Path(__file__).parents[1] / "vectors" / "tuf"
NOW = 1_795_000_000
ROOT = (VECTORS / "1.root.json").read_bytes()
TIMESTAMP = (VECTORS / "timestamp.json").read_bytes()
HEADER = {
    "version": "1.1.0",
    "board": "esp32",
    "floor": "1.0.0",
    "runtime": "1.27.0",
    "built": NOW,
    "min_level": 20,
}

scalars = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(), st.text(max_size=20)
)
json_values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)
names = st.text("abcdefghijklmnopqrstuvwxyz0123456789_", min_size=1, max_size=8)
paths = st.builds(
    lambda root, parts, name: "/".join([root, *parts, name + ".mpy"]),
    st.sampled_from(["firmware", "ota/core", "ota/device"]),
    st.lists(names, max_size=2),
    names,
)


def lines(files):
    made = [json.dumps(HEADER)]
    for path in sorted(files):
        digest = hashlib.sha256(files[path]).hexdigest()
        made.append(json.dumps([path, len(files[path]), digest, len(files[path]) + 11]))
    return ("\n".join(made) + "\n").encode()


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(paths, st.binary(max_size=30), min_size=1, max_size=12))
def test_a_manifest_reads_back_as_it_was_written(files):
    file = io.BytesIO(lines(files))
    assert manifest.header(file.readline()) == {**HEADER, "micropython": ""}
    read = {path: (size, digest) for path, size, digest, _ in manifest.entries(file)}
    assert read == {
        path: (len(data), hashlib.sha256(data).hexdigest()) for path, data in files.items()
    }


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_a_bent_manifest_is_refused_or_still_sound(data):
    whole = bytearray(lines({"firmware/main.mpy": b"x", "ota/core/p256.mpy": b"y"}))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(whole) - 1))
        whole[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    with contextlib.suppress(errors.RepositoryError):
        file = io.BytesIO(bytes(whole))
        manifest.header(file.readline())
        for path, size, digest, zsize in manifest.entries(file):
            assert path.startswith(("firmware/", "ota/core/", "ota/device/"))
            assert ".." not in path
            assert min(size, zsize) >= 0
            assert len(digest) == 64


@settings(max_examples=100, deadline=None)
@given(json_values)
def test_any_json_as_a_line(value):
    line = json.dumps(value).encode() + b"\n"
    for read in (manifest.header, manifest.entry):
        with contextlib.suppress(errors.RepositoryError):
            read(line)


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=40))
def test_any_text_as_a_version(text):
    with contextlib.suppress(errors.BadFormat):
        assert versions.key(text)[0] == int(text.split(".")[0])


_WORD = "(0|[1-9][0-9]?|[a-c-]{1,2})"
likely = st.from_regex(rf"[0-2]\.[0-2]\.[0-2](-{_WORD}(\.{_WORD})?)?(\+x)?", fullmatch=True)


@settings(max_examples=100, deadline=None)
@given(st.tuples(likely, likely, likely))
def test_versions_have_one_order(texts):
    low, middle, high = sorted(texts, key=versions.key)
    assert versions.key(low) <= versions.key(middle) <= versions.key(high)
    for one, two in itertools.product(texts, texts):
        first, second = versions.key(one), versions.key(two)
        assert (first < second) + (second < first) + (first == second) == 1
        if one.split("+")[0] == two.split("+")[0]:
            assert first == second
        elif "-" in one and one.split("-")[0] == two.split("+")[0]:
            assert first < second, "a pre-release comes before its release"


def places(value, at=()):
    yield at
    items = value.items() if isinstance(value, dict) else enumerate(value)
    if isinstance(value, dict | list):
        for key, inner in items:
            yield (*at, key)
            if isinstance(inner, dict | list):
                yield from places(inner, (*at, key))


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_any_value_in_any_place_of_metadata(data):
    """Only what is equal to what was signed is trusted."""
    document = json.loads(TIMESTAMP)
    at = data.draw(st.sampled_from(list(places(document))))
    value = data.draw(json_values)
    if at:
        place = document
        for key in at[:-1]:
            place = place[key]
        place[at[-1]] = value
    else:
        document = value
    trusted = tuf.Trusted(io.BytesIO(ROOT), NOW)
    with contextlib.suppress(errors.RepositoryError):
        finish(trusted.update_timestamp(io.BytesIO(json.dumps(document).encode())))
        assert trusted.timestamp == json.loads(TIMESTAMP)["signed"]
    if trusted.timestamp:
        assert trusted.timestamp == json.loads(TIMESTAMP)["signed"]


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_as_metadata(data):
    trusted = tuf.Trusted(io.BytesIO(ROOT), NOW)
    for update in (trusted.update_root, trusted.update_timestamp):
        with contextlib.suppress(errors.RepositoryError):
            finish(update(io.BytesIO(data)))
            raise AssertionError(data)


class Client:
    """Gives the same answer to every request."""

    def __init__(self, body):
        self.response = http.Response(200, {}, len(body))
        self.response.body = body

    async def request(self, *_, **__):
        return self.response


@settings(max_examples=100, deadline=None)
@given(
    st.fixed_dictionaries(
        {},
        optional={
            "config": json_values,
            "_links": st.dictionaries(
                st.sampled_from(["deploymentBase", "cancelAction", "configData"]),
                st.one_of(json_values, st.fixed_dictionaries({"href": json_values})),
            ),
            "deployment": st.fixed_dictionaries({}, optional={"chunks": json_values}),
            "cancelAction": json_values,
        },
    )
)
def test_any_answer_to_a_poll(answer):
    with contextlib.suppress(errors.OtaError):
        offer = asyncio.run(poll.poll(Client(json.dumps(answer).encode()), "0" * 16))
        assert 30 <= offer.sleep_s <= 86400
        for text in (offer.action, offer.cancellation, offer.cancels):
            assert "/" not in text
