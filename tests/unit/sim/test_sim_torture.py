"""The torture's own parts: records, tears, what a state holds, what is told."""

import io
import json
import struct
from types import SimpleNamespace

import pytest
from click.testing import CliRunner
from rich.console import Console

from firmware.core import outboxlog
from ota.field.image import flash_image
from sim import flashfiles
from sim.torture import __main__ as command
from sim.torture import damage, lives
from sim.torture.content import Content, Facts, UnreadableError, faults, phase, read
from sim.torture.journal import Change, State, parse, torn
from sim.torture.lives import Fate, Life
from sim.torture.runs import RUNS
from sim.torture.states import Tally
from sim.torture.telling import Figures, Teller

UPDATE = next(run for run in RUNS if run.name == "update")
AT = 0x20000


@pytest.fixture(scope="module")
def image():
    return flash_image(None, {"boot.py": b"pass\n"}, {"a/manifest.jsonl": b"{}\n"})


def test_a_journal_is_what_the_vm_wrote():
    raw = struct.pack("<II", 4096, 0) + struct.pack("<II", 4100, 3) + b"abc"
    assert parse(raw) == [Change(4096, None), Change(4100, b"abc")]


def test_a_write_clears_bits_an_erase_sets_them_and_both_can_be_undone(image):
    state = State(image)
    before = state.digest
    first = state.apply(Change(AT, b"\x0f" * 8))
    second = state.apply(Change(AT, b"\x3c" * 4))
    assert bytes(state.image[AT : AT + 8]) == b"\x0c" * 4 + b"\x0f" * 4
    third = state.apply(Change(AT, None))
    assert bytes(state.image[AT : AT + 4096]) == b"\xff" * 4096
    for undone in (third, second, first):
        state.put(AT, undone)
    assert state.digest == before


def test_tears_of_a_write_and_of_an_erase(image):
    state = State(image)
    state.put(AT, b"\xff" * 4096)
    change = Change(AT, b"\x00" * 64)
    left = {tear: bytes(state.image[AT : AT + 64]) for tear in torn(state, change, "1")}
    assert left["half"] == b"\0" * 32 + b"\xff" * 32
    assert left["last"] == b"\0" * 63 + b"\xff"
    assert 100 < int.from_bytes(left["weak"], "big").bit_count() < 412
    assert int.from_bytes(left["bits"], "big").bit_count() == 1
    assert bytes(state.image[AT : AT + 64]) == b"\xff" * 64
    state.apply(change)
    erased = {
        tear: bytes(state.image[AT : AT + 64]) for tear in torn(state, Change(AT, None), "1")
    }
    assert erased["half"] == b"\xff" * 64
    assert 100 < int.from_bytes(erased["weak"], "big").bit_count() < 412


def test_what_is_wrong_with_a_state_is_said(image):
    content = read(State(image))
    facts = Facts({}, set(), {"boot.py": "another"})
    said = faults(content, facts)
    assert "slot a holds no release that was ever made" in said
    assert "vfs: boot.py changed" in said
    assert "vfs: neither an identity nor a claim" in said
    half = Content({**content.vfs, "etc/identity": b"\0\x02kk\x30\x82\x01\x00"}, content.data)
    assert "vfs: half an identity" in faults(half, facts)
    broken = State(image)
    offset, size = broken.partitions["data"]
    broken.put(offset, b"\0" * size)
    with pytest.raises(UnreadableError):
        read(broken)


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"update": b'{"word": "requested"}'}, "metadata"),
        ({"update": b'{"word": "downloading"}', "new.z": b""}, "download"),
        ({"update": b'{"word": "downloading"}'}, "staging"),
        ({"update": b'{"word": "verified"}'}, "swap"),
        ({"update": b'{"word": "rolled_back"}'}, "revert"),
        ({"boot.0.new": b""}, "record"),
        ({"update": b"[]"}, "measuring"),
    ],
)
def test_a_change_belongs_to_a_phase(files, expected):
    assert phase(Content({}, {}), Content({}, files)) == expected


def test_fates_cover_every_change_once_and_are_the_seeds():
    phases = ["download"] * 50
    found = lives.fates(UPDATE, phases, 1, 7)
    assert [fate.change for fate in found] == list(range(1, 51))
    assert {fate.where for fate in found} == set(lives.WHERE)
    assert 3 < sum(1 for fate in found if fate.second) < 25
    assert found == lives.fates(UPDATE, phases, 1, 7)
    assert len(lives.fates(UPDATE, phases, 10, 7)) == 5


@pytest.mark.parametrize("seed", range(5))
def test_a_sample_of_fates_leaves_out_no_part_of_the_update(seed):
    phases = ["download"] * 40 + ["swap"] + ["trial"] * 3 + ["confirm"]
    found = lives.fates(UPDATE, phases, 12, seed, "crash")
    assert {fate.phase for fate in found} == set(phases)
    assert all(phases[fate.change - 1] == fate.phase for fate in found)
    assert len(found) <= 4 + 3


def test_the_summary_counts_what_is_bricked_and_the_file_has_it_too(tmp_path):
    figures = Figures()
    figures.states = Tally(seen={b"1"}, second={b"2"}, booted={b"1"}, by_phase={"swap": 1})
    fate = Fate(UPDATE, 3, "within", second=4, phase="swap")
    figures.lives = [Life(fate, 2, "confirmed", ()), Life(fate, 1, "stuck", ("it is dark",))]
    figures.toll.ends["data", "runs"] += 2
    out = io.StringIO()
    Teller(Console(file=out, width=200)).summary(figures, tmp_path / "figures.json")
    found = json.loads((tmp_path / "figures.json").read_text())
    assert found["bricked"] == 1
    assert found["states"]["checked"] == 2
    assert found["lives"] == {
        "lived": 2,
        "finished": 1,
        "failures": {"power": 3},
        "first_met_in": {"power": {"swap": 2}},
        "ends": {"confirmed": 1, "stuck": 1},
    }
    assert found["damage"] == {"tried": 2, "vm_crashed": 0, "data": {"runs": 2}}
    said = out.getvalue()
    assert "update: power within change 3, again 4 later: it is dark" in said
    assert "finished the update: 1 of 2; bricked" not in said
    assert "bricked: 1" in said


@pytest.mark.parametrize("kind", damage.KINDS)
def test_damage_is_of_blocks_in_use(image, kind):
    state = State(image)
    offset, _ = state.partitions["vfs"]
    blow = damage.Blow(0, 0, "vfs", offset // 4096, kind)
    assert len(damage._content(state, blow)) == 4096
    assert damage._content(state, blow) != bytes(state.image[offset : offset + 4096])


def test_blows_fall_on_blocks_that_are_in_use_at_their_time(image):
    first = State(image).partitions["data"][0] // 4096
    written = Change((first + 9) * 4096, b"x")
    run = SimpleNamespace(image=image, changes=(written,))
    blows = damage.blows([run], 300, seed=1)
    assert blows == damage.blows([run], 300, seed=1)
    blank = b"\xff" * 4096
    used = {at for at in range(len(image) // 4096) if image[at * 4096 : (at + 1) * 4096] != blank}
    assert {blow.block for blow in blows if blow.change == 0} <= used
    assert {blow.block for blow in blows} - used == {first + 9}


def test_a_window_with_a_time_on_flash_is_never_taken_for_one_without():
    lines = [
        {"seq": 1, "mark": "head", "ack": 0, "lost": 0, "times": [["b0", 100]], "streams": {}},
        {"seq": 1, "boot": "b0", "up": 5, "streams": {}},
        {"seq": 2, "t": 1000, "streams": {}},
        {"seq": 3, "boot": "b1", "up": 5, "streams": {}},
        {"seq": 4, "boot": "b2", "up": 5, "streams": {}},
        {"seq": 5, "mark": "time", "boot": "b2", "offset": 7, "streams": {}},
    ]
    data = {"outbox/1.ab": b"".join(map(outboxlog.encode, lines)), "outbox/2.ab.new": b"torn"}
    assert flashfiles.dated(data) == {("ab", 1), ("ab", 2), ("ab", 4)}
    produced, unsent = flashfiles.windows(data)
    assert produced == unsent == {("ab", seq) for seq in (1, 2, 3, 4)}


def test_an_unknown_part_is_named():
    told = CliRunner().invoke(command.main, ["--part", "download,swop"])
    assert told.exit_code == 2
    assert "no such part: swop" in told.output


def test_each_part_has_a_run():
    for part in command.PHASES:
        assert command.wanted(frozenset([part]))
    assert [run.name for run in command.wanted(frozenset(["renewal"]))] == ["renewal"]


def test_windows_of_a_start_without_a_clock_are_told_apart():
    said = (
        "boot: slot a, steady\nsample: window 5 of 2 s\nclock: set by sntp to 1\n"
        "boot: slot a, steady\nsample: window 6 of 1 s\nboot: slot a, steady\n"
        "clock: set by sntp to 2\nsample: window 7 of 1 s\n"
    )
    assert lives.undated(said) == {6}
