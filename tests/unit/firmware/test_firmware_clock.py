"""The clock: SNTP on any port, then the server's Date; the last time seen is kept."""

import asyncio
import email.utils
import itertools
import struct

import faketime
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.core import httpdate
from firmware.ports import common
from firmware.tasks import clock

T = 1_795_000_000
SERVERS = [{"host": "time.example", "port": 4123}, {"host": "10.0.0.2", "port": 123}]


class Network:
    """Time servers by host: a function from a packet to an answer, or an error."""

    def __init__(self, node, **hosts):
        self.node = node
        self.hosts = hosts
        self.asked = []

    async def resolve(self, host):
        if host not in self.hosts:
            raise OSError(2, "no address for " + host)
        return host

    async def udp(self, address, port, data, timeout_ms):
        self.asked.append((self.node.clock.uptime_s(), address, port))
        await asyncio.sleep(timeout_ms / 2000)
        answer = self.hosts[address](data)
        if isinstance(answer, Exception):
            raise answer
        return answer


def tells(unix_s):
    def answer(data):
        ntp = unix_s + 2_208_988_800
        return struct.pack(
            "!BBbbII4s8x8s8sII", 0x24, 1, 0, -20, 0, 0, b"LOCL", data[40:48], b"\0" * 8, ntp, 0
        )

    return answer


def silent(_):
    return OSError(110, "no answer")


def play(seconds, servers=SERVERS, files=None, built=T - 1000, **hosts):
    """Run the clock task for a while; give the node."""

    async def main():
        node = faketime.node({"time_servers": servers})
        node.release["built"] = built
        node.storage.files.update(files or {})
        node.network = Network(node, **{h.replace("_", "."): f for h, f in hosts.items()})
        node.online.set()
        task = asyncio.create_task(clock.run(node))
        await asyncio.sleep(seconds)
        assert not task.done()
        task.cancel()
        return node

    return faketime.run(main())


def test_it_starts_at_the_latest_of_what_is_known():
    node = play(1, servers=[], files={"/data/seen": b"%d" % (T + 5000)})
    assert (node.clock.now(), node.clock.source) == (T + 5001, "seen")
    node = play(1, servers=[], files={"/data/seen": b"garbage"})
    assert (node.clock.now(), node.clock.source) == (T - 999, "built")


def test_a_time_server_is_believed_on_any_port():
    node = play(10, time_example=tells(T))
    assert node.network.asked == [(0, "time.example", 4123)]
    assert (node.clock.synced, node.clock.source) == (True, "sntp")
    assert abs(node.clock.now() - T - 9) <= 1


def test_the_next_one_is_asked_when_one_is_silent_or_unknown():
    node = play(10, time_example=silent, **{"10_0_0_2": tells(T)})
    assert [host for _, host, _ in node.network.asked] == ["time.example", "10.0.0.2"]
    assert node.clock.synced
    assert play(10, **{"10_0_0_2": tells(T)}).clock.synced


@pytest.mark.parametrize(
    "answer", [silent, tells(T - 5000), lambda _: b"", lambda data: data, lambda _: b"x" * 48]
)
def test_what_cannot_be_believed_is_not_and_is_asked_again_ever_more_slowly(answer):
    node = play(4000, servers=SERVERS[:1], time_example=answer)
    assert not node.clock.synced
    times = [when for when, _, _ in node.network.asked]
    gaps = [b - a for a, b in itertools.pairwise(times)]
    assert len(gaps) >= 6
    assert gaps[-1] > 10 * gaps[0]
    assert max(gaps) <= 910


YEAR_S = 365 * 86_400


@pytest.mark.parametrize("seen", [b"%d" % (T + 60 * YEAR_S), b"9" * 14, b"9" * 20_000])
def test_a_last_time_seen_that_was_a_lie_is_not_believed_for_ever(seen):
    node = play(3 * 3600, servers=SERVERS[:1], files={"/data/seen": seen}, time_example=tells(T))
    assert node.clock.synced
    assert T <= node.clock.now() <= T + 3 * 3600
    assert int(node.storage.files["/data/seen"]) <= node.clock.now()


def test_a_time_server_that_goes_behind_the_last_time_seen_is_not_believed_at_once():
    files = {"/data/seen": b"%d" % (T + 5000)}
    assert not play(3000, servers=SERVERS[:1], files=files, time_example=tells(T)).clock.synced


def test_a_time_beyond_any_is_no_time():
    node = play(10, servers=SERVERS[:1], time_example=silent)
    for year in ("9999", "99999999999", "9" * 400, "2107"):
        clock.take_date(node, {"date": f"Sun, 06 Nov {year} 08:49:37 GMT"})
        assert not node.clock.synced
    assert node.clock.now() < T
    clock.take_date(node, {"date": email.utils.formatdate(T, usegmt=True)})
    assert (node.clock.now(), node.clock.source) == (T, "date")


def test_a_time_servers_later_lie_lasts_until_the_next_answer():
    node = play(10, time_example=tells(T))
    date = {"date": email.utils.formatdate(T + 10, usegmt=True)}
    clock.take_date(node, date)
    assert node.date_s
    node.network.hosts["time.example"] = tells(T + YEAR_S)
    assert faketime.run(clock.ask(node, 0))
    assert node.clock.now() >= T + YEAR_S
    clock.take_date(node, date)
    assert (node.clock.now(), node.clock.source) == (T + 10, "date")


def test_the_servers_date_holds_against_a_last_time_seen():
    node = play(10, servers=[], files={"/data/seen": b"%d" % (T + 30 * 86_400)})
    clock.take_date(node, {"date": email.utils.formatdate(T, usegmt=True)})
    assert (node.clock.now(), node.clock.source) == (T, "date")


def test_it_asks_again_within_a_day():
    node = play(80_000, servers=SERVERS[:1], time_example=tells(T))
    assert 3 <= len(node.network.asked) <= 5


def test_windows_that_waited_are_dated_at_the_first_sync():
    async def main():
        node = faketime.node({"time_servers": SERVERS})
        node.outbox.add({"len": 1, "exp": 1, "streams": {"pm25": [1, 1, 1, 1]}, "up": 3})
        await asyncio.sleep(10)
        clock.take(node, T, "sntp")
        return [entry["t"] for _, _, entry in node.outbox.pending()]

    assert faketime.run(main()) == [T - 10 + 3]


def test_tls_judges_by_the_time_that_the_clock_starts_at():
    told = []
    found = common.Clock(lambda: 0, 946_684_800, told.append)
    found.at_least(T - 1000, "built")
    found.at_least(T, "seen", False)
    found.at_least(T - 500, "seen", False)
    assert told == [T - 1000, T]


def test_where_no_date_bears_a_time_server_out_tls_tries_the_last_time_seen_too():
    node = play(10, files={"/data/seen": b"%d" % T}, time_example=tells(T + 5 * YEAR_S))
    told = []
    node.clock._set_rtc = told.append
    for _ in range(3):
        clock.turn(node)
    assert told == [T, node.clock.now(), T]
    clock.take_date(node, {"date": email.utils.formatdate(T + 10, usegmt=True)})
    assert told[3:] == [T + 10]
    clock.turn(node)
    assert told[4:] == []


def test_a_time_server_alone_has_to_be_right_for_an_hour_to_be_remembered():
    assert "/data/seen" not in play(3500, time_example=tells(T)).storage.files
    assert "/data/seen" in play(3700, time_example=tells(T)).storage.files


def test_the_last_time_seen_is_written_at_most_hourly():
    node = play(4 * 3600 + 100, time_example=tells(T))
    written = int(node.storage.files["/data/seen"])
    assert T + 3 * 3600 < written <= T + 4 * 3600 + 100
    seen = [text for text in node.storage.files if text == "/data/seen"]
    assert len(seen) == 1
    assert node.storage.changes <= 1 + 5


def test_the_servers_date_sets_a_clock_that_nothing_else_has_set():
    async def main(synced_at, headers):
        node = faketime.node()
        node.clock.at_least(T - 1000, "built")
        if synced_at:
            node.clock.set(synced_at, "sntp")
        clock.take_date(node, headers)
        return node.clock.now(), node.clock.source

    date = {"date": email.utils.formatdate(T, usegmt=True)}
    assert faketime.run(main(None, date)) == (T, "date")
    assert faketime.run(main(T + 200, date)) == (T + 200, "sntp")
    assert faketime.run(main(T + 400, date)) == (T, "date")
    assert faketime.run(main(T + 400, {})) == (T + 400, "sntp")
    assert faketime.run(main(None, {"date": "yesterday"})) == (T - 1000, "built")


@given(st.integers(0, 2**33))
def test_dates_are_read_as_they_are_written(unix_s):
    assert httpdate.parse(email.utils.formatdate(unix_s, usegmt=True)) == unix_s


@given(st.text(max_size=40))
def test_no_text_is_a_date_by_accident(text):
    found = httpdate.parse(text)
    assert found is None or email.utils.parsedate(text) is not None
