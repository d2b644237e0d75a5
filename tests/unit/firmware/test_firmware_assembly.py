"""Wiring at the start: what lies damaged on flash does not keep a node from starting."""

import json
from types import SimpleNamespace

import faketime
import pytest

from firmware import assembly
from sim import memory

CONFIG = json.dumps(
    {
        "v": 1,
        "name": "elm 4",
        "wifi": {"ssid": "city"},
        "server": {"address": "10.0.0.1", "port": 8443, "name": "fleet.example"},
        "parts": {},
        "streams": {},
    }
).encode()


def node(**files):
    """Make a node with these files, named by their last part."""
    folders = {"config": "/etc/config.json", "kept": "/data/config.json"}
    folders["words"] = "/data/crash.old"
    storage = memory.Storage({folders[name]: content for name, content in files.items()})
    return SimpleNamespace(
        storage=storage, console=faketime.Console(), release={}, slot="/data/a", config=None
    )


@pytest.mark.parametrize("kept", [b"", b"{}", b"\xff" * 20, b"x" * 20_000])
def test_a_damaged_copy_of_the_config_is_written_anew(kept):
    made = node(config=CONFIG, kept=kept)
    assert assembly.load_config(made)["name"] == "elm 4"
    assert made.storage.files["/data/config.json"] == CONFIG
    assert assembly.load_config(node(kept=CONFIG))["name"] == "elm 4"


def test_a_full_flash_that_takes_no_copy_stops_no_start():
    made = node(config=CONFIG)
    made.storage.full = True
    assert assembly.load_config(made)["name"] == "elm 4"
    assert "cannot be written" in made.console.texts("error")[0]


@pytest.mark.parametrize("bad", [b"{", b"\xff\xfe", b"x" * 20_000])
def test_with_no_valid_config_at_all_there_is_none(bad):
    made = node(config=bad, kept=bad)
    assert assembly.load_config(made) is None
    assert len(made.console.texts("error")) == 2


@pytest.mark.parametrize("words", [b"MemoryError", b"\xff\xfe", b"x" * 20_000])
def test_last_words_are_told_once_whatever_they_are(words):
    made = node(words=words)
    assembly.tell(made, "hard")
    assert "/data/crash.old" not in made.storage.files
    assert len(made.console.texts("error")) == 1
