"""Slots that change on the flash: what is found, and what comes of it."""

import hashlib
import json

import faketime
import pytest

from firmware.tasks import drift, update

HEADER = {"version": "1.0.0", "board": "esp32", "floor": "0.0.0", "runtime": "1.27.0",
          "built": 0, "min_level": 30}  # fmt: skip
FILES = {"firmware/main.mpy": b"m" * 3000, "ota/core/tuf.mpy": b"t" * 10}


@pytest.fixture
def slots(tmp_path):
    """Give the folders of two sound slots."""
    lines: list[object] = [HEADER]
    for path, content in FILES.items():
        lines.append([path, len(content), hashlib.sha256(content).hexdigest(), 10])
    for name in ("a", "b"):
        for path, content in FILES.items():
            (tmp_path / name / path).parent.mkdir(parents=True)
            (tmp_path / name / path).write_bytes(content)
        manifest = "".join(json.dumps(line) + "\n" for line in lines)
        (tmp_path / name / "manifest.jsonl").write_text(manifest)
    return tmp_path / "a", tmp_path / "b"


def look(slot):
    """Look once; give (why it restarted or None, the node)."""

    async def main():
        node = faketime.node(slot=str(slot), measuring=[])
        try:
            await drift.look(node)
        except faketime.Restarted as restarted:
            return str(restarted), node
        return None, node

    return faketime.run(main())


def bent(path):
    content = bytearray(path.read_bytes())
    content[-2] ^= 4
    path.write_bytes(content)


def test_sound_slots_are_no_news(slots):
    why, node = look(slots[0])
    assert (why, node.counts, node.console.lines) == (None, {}, [])


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        (lambda slot: bent(slot / "ota/core/tuf.mpy"), "ota/core/tuf.mpy is damaged"),
        (lambda slot: (slot / "firmware/main.mpy").unlink(), "firmware/main.mpy is damaged"),
        (lambda slot: (slot / "firmware/main.mpy").write_bytes(b""), "main.mpy is damaged"),
        (lambda slot: bent(slot / "manifest.jsonl"), "cannot be read"),
        (lambda slot: (slot / "manifest.jsonl").write_text(""), "manifest.jsonl cannot be read"),
    ],
)
def test_the_running_slot_is_left_for_one_that_verifies(slots, harm, says):
    harm(slots[0])
    why, node = look(slots[0])
    assert says in why
    assert node.counts == {"drift": 1}
    assert says in node.console.texts("error")[0]


def test_the_open_window_is_kept_before_it_restarts(slots):
    closed = []

    async def measure():
        try:
            await faketime.asyncio.sleep(1000)
        finally:
            closed.append(True)

    async def main():
        task = faketime.asyncio.create_task(measure())
        await faketime.asyncio.sleep(1)
        with pytest.raises(faketime.Restarted):
            await drift.look(faketime.node(slot=str(slots[0]), measuring=[task]))

    bent(slots[0] / "firmware/main.mpy")
    faketime.run(main())
    assert closed == [True]


@pytest.mark.parametrize("other", ["damaged", "empty"])
def test_without_a_sound_one_it_works_on_and_says_so(slots, other):
    for slot in slots:
        bent(slot / "firmware/main.mpy")
    if other == "empty":
        (slots[1] / "manifest.jsonl").unlink()
    why, node = look(slots[0])
    assert why is None
    assert node.counts == {"drift": 2 if other == "damaged" else 1}


def test_a_spare_slot_that_changed_is_told_and_nothing_else(slots):
    bent(slots[1] / "firmware/main.mpy")
    why, node = look(slots[0])
    assert (why, node.counts) == (None, {"drift": 1})
    assert node.console.texts("error") == ["slot b: firmware/main.mpy is damaged"]


@pytest.mark.parametrize("verify_s", [86_400, 3600])
def test_it_looks_each_verify_s(monkeypatch, verify_s):
    looked = []

    async def look(node):
        looked.append(node.clock.uptime_s())

    async def turn(_node):
        return 300

    async def main():
        node = faketime.node({"verify_s": verify_s})
        node.enrolled.set()
        await update.run(node)

    monkeypatch.setattr(drift, "look", look)
    monkeypatch.setattr(update, "turn", turn)
    monkeypatch.setattr(update, "let_go", lambda *_: None)
    monkeypatch.setattr("ota.device.swap.load", lambda _: {"state": "steady"})
    with pytest.raises(TimeoutError):
        faketime.run(main(), 3 * 86_400 + 100)
    assert len(looked) == 3 * 86_400 // verify_s
    assert looked[0] == verify_s
