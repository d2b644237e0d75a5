"""The rescue's loop and its clock, on CPython with fakes of the node's modules.

Journeys with the real ones: tests/journeys/test_rescue.py.
"""

import asyncio
import contextlib
import importlib.util
import json
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

import firmware
from ota.core import errors
from sim.sntp import LIES, SntpServer

BUILT = 1_780_000_000
NOW = 1_795_000_000
WIFI, SERVER = {"ssid": "city"}, {"address": "fleet"}


class Enough(BaseException):
    """As many waits as a test wants to see."""


@pytest.fixture
def load(monkeypatch):
    """Give a function that loads a file of firmware/root among fakes."""

    def loader(name, **fakes):
        for module, fake in fakes.items():
            monkeypatch.setitem(sys.modules, module, fake)
        path = Path(firmware.__file__).parent / "root" / f"{name}.py"
        spec = importlib.util.spec_from_file_location(f"root_{name}", path)
        made = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(made)
        return made

    return loader


class Attempts:
    """Stands for reinstall: fails as told, and notes what it was given."""

    def __init__(self, failures):
        self.failures = list(failures)
        self.given = []

    async def attempt(self, *given):
        self.given.append(given)
        failure = self.failures.pop(0) if self.failures else None
        if failure:
            raise failure

    def forget(self):
        pass


@pytest.fixture
def heal(load, monkeypatch):
    """Give a function: failures, configs by folder -> (waits, attempts, formats, said)."""

    def run(failures, etc=None, data=None, enough=40):
        attempts, formats, said, waits = Attempts(failures), [], [], []

        def mount(*, anew):
            formats.append(anew)

        startup = SimpleNamespace(say=said.append, mount=mount)
        rescue = load(
            "rescue",
            esp32=SimpleNamespace(HEAP_DATA=4, idf_heap_info=lambda _: []),
            machine=SimpleNamespace(),
            network=SimpleNamespace(),
            startup=startup,
            vfs=SimpleNamespace(),
            reinstall=attempts,
        )

        async def nothing(*_):
            pass

        async def sleep(seconds):
            waits.append(seconds)
            if len(waits) >= enough:
                raise Enough

        monkeypatch.setattr(rescue, "_config", {"/etc": etc, "/data": data}.get)
        monkeypatch.setattr(rescue, "_join", nothing)
        monkeypatch.setattr(rescue, "_pulse", nothing)
        monkeypatch.setattr(
            rescue, "asyncio", SimpleNamespace(sleep=sleep, create_task=asyncio.create_task)
        )
        with contextlib.suppress(Enough):
            asyncio.run(rescue._heal())
        return waits, attempts.given, formats, said

    return run


def config(name, poll_s=300):
    return (WIFI, {"address": name}, (), poll_s, None)


def test_attempts_never_end_and_grow_seldom_up_to_an_hour(heal):
    waits, given, formats, _ = heal([errors.Timeout("x")] * 99, config("one"))
    assert len(given) == 40
    for wait, least in zip(waits, [300, 600, 1200, 2400, *[3600] * 36], strict=True):
        assert least <= wait <= least * 1.25
    assert not formats


def test_a_bench_is_served_faster(heal):
    waits, _, _, _ = heal([errors.Timeout("x")] * 4 + [None], config("one", poll_s=1))
    assert waits[:4] == [1, 2, 4, waits[3]]
    assert 8 <= waits[3] <= 10
    assert len(waits) == 4


def test_a_servers_wish_for_rest_is_heard(heal):
    waits, _, _, _ = heal([errors.ServerError(503, 1000)], config("one", poll_s=1))
    assert 1000 <= waits[0] <= 1250


@pytest.fixture
def read(load, monkeypatch, tmp_path):
    """Give a function: the text of a config -> what the rescue takes from it."""

    def run(text):
        (tmp_path / "config.json").write_text(text)
        rescue = load(
            "rescue",
            **dict.fromkeys(("esp32", "machine", "network", "vfs"), SimpleNamespace()),
            startup=SimpleNamespace(say=lambda _: None),
        )
        return rescue._config(str(tmp_path))

    return run


GOOD = {"wifi": WIFI, "server": SERVER}


def test_wifi_and_server_are_all_that_a_config_needs(read):
    assert read(json.dumps(GOOD)) == (WIFI, SERVER, (), 300, None)


@pytest.mark.parametrize("key", ["time_servers", "poll_s", "parts", "sample_s", "v"])
@pytest.mark.parametrize("wrong", ["x", None, 7.5, {"a": 1}, {"a": {"tx": 1}}, [[]], True])
def test_what_is_wrong_elsewhere_does_not_matter(read, key, wrong):
    wifi, server, times, wait_s, pins = read(json.dumps(GOOD | {key: wrong}))
    assert (wifi, server, pins) == (WIFI, SERVER, None)
    assert times in ((), [[]])
    assert wait_s == 300


@pytest.mark.parametrize("text", ["", "[", "[1]", "null", "{}", '{"wifi": {}}', "\x00" * 5000])
def test_what_is_no_config_is_none(read, text):
    assert read(text) is None


def test_bounds_and_pins(read):
    found = read(
        json.dumps(
            GOOD
            | {"poll_s": -5, "time_servers": [{"host": str(n)} for n in range(9)]}
            | {"parts": {"lamp": {"pin": 25}, "climate": {"scl": 22, "sda": 21}}}
        )
    )
    assert (len(found[2]), *found[3:]) == (4, 1, (22, 21))


def test_without_a_config_it_waits_and_looks_again(heal):
    waits, given, _, said = heal([], enough=5)
    assert (len(waits), given) == (5, [])
    assert "rescue: no config" in said


def test_both_configs_have_their_turn_and_both_ways_to_the_server(heal):
    _, given, _, _ = heal([errors.Closed("x")] * 4, config("etc"), config("data"))
    assert [each[0]["address"] for each in given] == ["etc", "data", "etc", "data", "etc"]
    assert [each[2] for each in given] == [0, 1, 2, 3, 4]


def test_only_what_the_flash_refuses_again_and_again_is_formatted(heal):
    flaw = errors.NodeError("flash: errno 5")
    _, given, formats, _ = heal([flaw] * 9, config("one"), enough=10)
    assert formats == [True, True]
    assert [each[3] for each in given] == [0, 1, 2, 3, 0, 1, 2, 3, 0, 1]
    others = [errors.BadSignature("x"), errors.Closed("x"), MemoryError(), ValueError("x")]
    assert heal(others * 5, config("one"))[2] == []


def test_what_is_kept_in_data_only_is_not_formatted_away(heal):
    flaw = errors.FlashFull("no blocks left")
    assert heal([flaw] * 9, None, config("data"), enough=10)[2] == []


@pytest.fixture
def clock(load, monkeypatch):
    """Give reinstall with an RTC that a test sets (`at`), and reads after."""
    rtc = SimpleNamespace(at=NOW, seen=None)

    class Rtc:
        def datetime(self, value):
            year, month, day, _, hour, minute, second, _ = value
            rtc.at = calendar_s(year, month, day, hour, minute, second)

    startup = SimpleNamespace(say=lambda _: None, read=lambda _: rtc.seen)
    made = load("reinstall", machine=SimpleNamespace(RTC=Rtc), startup=startup)
    twin = SimpleNamespace(time=lambda: rtc.at, gmtime=lambda s: tuple(time.gmtime(s))[:8])
    monkeypatch.setattr(made, "time", twin)
    rtc.tell = made._tell_time
    return rtc


def calendar_s(*fields):
    import calendar  # noqa: PLC0415 - firmware has a module of that name on some paths

    return calendar.timegm((*fields, 0, 0, 0))


def test_a_time_server_is_believed(clock):
    with SntpServer(now=lambda: float(NOW + 77)) as server:
        clock.at = 946_684_800
        clock.tell([{"host": "127.0.0.1", "port": server.port}], BUILT, 0)
    assert clock.at == NOW + 77


@pytest.mark.parametrize("lie", LIES)
def test_a_lie_is_not(clock, lie):
    with SntpServer(now=lambda: float(NOW + 9000)) as liar, SntpServer(now=lambda: NOW) as honest:
        liar.lie = lie
        servers = [{"host": "127.0.0.1", "port": each.port} for each in (liar, honest)]
        clock.at = 946_684_800
        clock.tell(servers, BUILT, 0)
    assert clock.at == NOW


def test_nothing_is_earlier_than_the_first_release(clock):
    with SntpServer(now=lambda: float(BUILT - 9000)) as server:
        clock.tell([{"host": "127.0.0.1", "port": server.port}], BUILT, 0)
    assert clock.at == BUILT


@pytest.mark.parametrize(
    ("rtc", "seen", "tries", "told"),
    [
        (946_684_800, None, 0, BUILT),
        (946_684_800, b"%d" % NOW, 0, NOW),
        (NOW + 5, b"%d" % NOW, 0, NOW + 5),
        (NOW + 10**9, b"%d" % NOW, 1, NOW),  # the RTC may lie
        (NOW, b"%d" % (NOW + 10**9), 2, BUILT),  # and so may what it once told
        (NOW, b"9" * 1000, 0, 1 << 32),
        (NOW, b"\xff\xff", 0, NOW),
        (NOW, b"", 1, BUILT),
    ],
)
def test_without_a_time_server_the_likelier_times_have_their_turn(clock, rtc, seen, tries, told):
    clock.at, clock.seen = rtc, seen
    clock.tell([], BUILT, tries)
    assert clock.at == told


def test_servers_that_are_none_are_passed_over(clock):
    clock.tell([{}, {"host": 7}, "x", None], BUILT, 0)
    assert clock.at == NOW
