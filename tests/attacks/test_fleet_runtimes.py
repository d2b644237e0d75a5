"""A MicroPython that a release brings, at the server: complete and as signed, or refused whole."""

import io
import json
import random
import secrets
import zipfile

import pytest
from bundles import Publisher, edit
from fleetserver import problem

from ota.build import carried
from ota.core import limits, runtime

APP = random.Random(1).randbytes(runtime.BLOCK_BYTES * 2 + 5000)
FILES = {"firmware/main.mpy": b"main"}


@pytest.fixture
def publisher(server):
    return Publisher(server)


@pytest.fixture
def board():
    return f"board-{secrets.token_hex(4)}"


def made(publisher, board, app=APP, version="1.28.0", **options):
    """Give a signed bundle that brings an app."""
    found = carried.carry(app, version)
    return found, publisher.bundle("1.0.0", board, FILES, runtime=found, **options)


def without(data, name):
    """Give a bundle that has lost a member."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(out, "w") as target:
        for each in source.namelist():
            if each != name:
                target.writestr(each, source.read(each))
    return out.getvalue()


def refused(publisher, data):
    folder = publisher.server.home / "server/files"
    before = sorted(folder.glob("*"))
    answer = publisher.upload(data)
    assert sorted(folder.glob("*")) == before
    return answer.status_code, problem(answer)


def test_its_blocks_are_served_by_their_hashes(server, publisher, board):
    found, data = made(publisher, board, secrets.token_bytes(40_000))
    answer = publisher.upload(data)
    assert (answer.status_code, answer.json()["micropython"]) == (201, "1.28.0")
    for digest, deflated in found.blocks.items():
        assert (server.home / "server/files" / digest).read_bytes() == deflated
    # A later release that brings the same needs none of them again.
    again = publisher.bundle("1.1.0", board, FILES | {"firmware/b.mpy": b"b"}, runtime=found)
    for digest in found.blocks:
        again = without(again, f"files/{digest}")
    assert publisher.upload(again).status_code == 201


def test_a_block_that_is_missing_altered_or_grown_is_refused(publisher, board):
    found, data = made(publisher, board, secrets.token_bytes(70_000))
    digest = list(found.blocks)[1]
    good = found.blocks[digest]
    assert refused(publisher, without(data, f"files/{digest}")) == (422, "bundle-content")
    for bad in (good[:-1], good + b"x", good[:-9] + bytes(9), b""):
        wrong = edit(data, **{f"files/{digest}": bad})
        assert refused(publisher, wrong) == (422, "bundle-content")
    assert publisher.upload(data).status_code == 201


def test_a_list_and_a_header_that_disagree_are_refused(publisher, board):
    _, data = made(publisher, board, brings="1.29.0")
    assert refused(publisher, data) == (422, "bundle-content")
    # Without a list; older than it needs; no version.
    for number, brings in enumerate(("1.28.0", "1.26.0", "new")):
        data = publisher.bundle(f"1.1.{number}", board, FILES, brings=brings)
        assert refused(publisher, data) == (422, "bundle-content")


@pytest.mark.parametrize(
    "change",
    [
        lambda lines: lines[:-1],
        lambda lines: [*lines, lines[-1]],
        lambda lines: [
            json.dumps({"version": "1.28.0", "size": limits.APP_BYTES + 1}),
            *lines[1:],
        ],
        lambda lines: [json.dumps({"version": "1.28.0", "size": -1}), *lines[1:]],
        lambda lines: ["[" * 100, *lines[1:]],
        lambda _lines: ["\x00"],
    ],
)
def test_a_list_that_no_node_would_read_is_refused(publisher, board, change):
    found = carried.carry(APP, "1.28.0")
    listed = "\n".join([*change(found.listed.decode().splitlines()), ""]).encode()
    bent = carried.Carried(found.version, listed, found.blocks)
    data = publisher.bundle("1.0.0", board, FILES, runtime=bent)
    assert refused(publisher, data) == (422, "bundle-content")
