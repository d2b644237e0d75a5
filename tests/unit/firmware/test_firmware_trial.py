"""A trial boot: good is confirmed, bad goes back with its reason, no network is no blame."""

import asyncio
import sys
from pathlib import Path
from types import SimpleNamespace

import faketime
import pytest

import firmware.tasks
from firmware.core.errors import SelfTestError
from firmware.tasks import trial, update
from ota.core import bootrecord, errors
from ota.device import swap

MANIFEST = "ab" * 32
CONFIG = {
    "poll_s": 300,
    "sample_s": 10,
    "parts": {"lamp": {"driver": "lamp"}, "air": {"driver": "pms5003"}},
    "streams": {"pm25": {"part": "air"}, "lamp_level": {"part": "lamp"}},
}


@pytest.fixture
def data(tmp_path, monkeypatch):
    """Give a folder with the boot record of a trial, where the tasks look for it."""
    monkeypatch.setattr(trial, "_DATA", str(tmp_path))
    monkeypatch.setattr(update, "DATA", str(tmp_path))
    real = update.ports

    def ports(node):
        made = real(node)
        made.data = str(tmp_path)
        return made

    monkeypatch.setattr(update, "ports", ports)
    record = bootrecord.stage(bootrecord.fresh(), "b", MANIFEST, "7", "1.1.0")
    swap.save(str(tmp_path), bootrecord.decide(record, "hard"))
    return str(tmp_path)


def replaced(monkeypatch, name, **names):
    """Put a stand-in where the tasks import a module from, which they let go afterwards."""
    module = SimpleNamespace(**names)
    monkeypatch.setitem(sys.modules, "firmware.tasks." + name, module)
    monkeypatch.setitem(vars(firmware.tasks), name, module)


def judge(poll, *, works=True, before=lambda _node: None, seconds=7200):
    """Judge a trial with this poll; give (verdict, powered seconds)."""

    async def main():
        node = faketime.node(CONFIG, lamp=object())
        node.online.set()
        node.enrolled.set()
        node.storage.files["/data/parts"] = b"air,lamp"
        before(node)

        async def live():
            while True:
                node.beat = node.clock.uptime_s()
                if works:
                    node.answered["air"] = node.answered["lamp"] = node.beat
                await asyncio.sleep(1)

        task = asyncio.create_task(live())
        try:
            return await trial.run(node, poll), node.clock.uptime_s()
        finally:
            task.cancel()

    return faketime.run(main(), seconds)


async def accepted(_node):
    """Poll with success."""


def failing(error):
    async def poll(_node):
        raise error

    return poll


def test_a_release_that_works_and_is_heard_is_good(data):
    verdict, seconds = judge(accepted)
    assert verdict == (None, False)
    assert seconds < 5


def test_a_part_that_fell_silent_with_it_is_its_fault(data):
    (why, blame), seconds = judge(accepted, works=False)
    assert blame
    assert why == "SelfTestError: no answer from air, lamp"
    assert 120 <= seconds <= 200


def test_a_part_that_was_silent_before_does_not_stand_in_the_way(data):
    def dead_already(node):
        node.storage.files["/data/parts"] = b""

    verdict, _ = judge(accepted, works=False, before=dead_already)
    assert verdict == (None, False)


def test_what_the_self_test_needed_is_no_longer_in_the_heap_when_it_polls(data):
    there = []

    async def poll(_node):
        there.append([name for name in trial._MODULES if name in sys.modules])
        if len(there) == 1:
            raise errors.Timeout("silence")

    judge(poll)
    assert there == [[], []]


@pytest.mark.parametrize("error", [SelfTestError("x"), RuntimeError("x"), ImportError("x")])
def test_a_self_test_that_raises_fails_at_once(data, monkeypatch, error):
    replaced(monkeypatch, "selftest", run=failing(error))
    (why, blame), seconds = judge(accepted)
    assert (why, blame) == (f"{type(error).__name__}: x", True)
    assert seconds < 5


@pytest.mark.parametrize(
    ("error", "blame"),
    [
        (errors.Unreachable("no route"), False),
        (errors.Timeout("silence"), False),
        (errors.Closed("gone"), False),
        (errors.ServerError(503), False),
        (errors.ServerError(429), False),
        (errors.Untrusted("chain"), True),
        (errors.BadResponse("no HTTP"), True),
        (errors.ServerError(401), True),
    ],
)
def test_no_accepted_poll_within_thirty_powered_minutes(data, error, blame):
    (why, found), seconds = judge(failing(error))
    assert found is blame
    assert type(error).__name__ in why
    assert 1800 <= seconds < 1900


def test_no_network_at_all_is_no_blame(data):
    def offline(node):
        node.online.clear()
        node.enrolled.clear()

    (why, blame), _ = judge(accepted, before=offline)
    assert (why, blame) == ("no network", False)


def test_minutes_add_up_over_power_cuts(data):
    swap.save(data, bootrecord.spend(swap.load(data), 25))
    _, seconds = judge(failing(errors.Timeout("silence")))
    assert 300 <= seconds < 400


@pytest.mark.parametrize(
    ("verdict", "state", "slot", "outcome", "restarts"),
    [
        ((None, False), "steady", "b", "", False),
        (("broken", True), "steady", "a", "rolled_back", True),
        (("no network", False), "steady", "a", "deferred", True),
    ],
)
def test_the_verdict_is_carried_out(data, monkeypatch, verdict, state, slot, outcome, restarts):
    async def judged(_node, _poll):
        return verdict

    monkeypatch.setattr(trial, "run", judged)

    async def main():
        node = faketime.node(CONFIG)
        try:
            await trial.judge(node, None)
        except faketime.Restarted:
            return True
        return False

    assert faketime.run(main()) is restarts
    record = swap.load(data)
    assert (record["state"], record["slot"], record["outcome"]) == (state, slot, outcome)
    assert record["reason"] == (verdict[0] or "")
    assert record["planned"] == restarts
    if not restarts:
        with Path(data, "reports").open() as file:
            assert '"confirmed"' in file.read()
