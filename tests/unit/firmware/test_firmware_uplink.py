"""Uplink: at least once, never lost, never asked twice about what was refused."""

import asyncio
import email.utils
import json

import faketime
import pytest

from firmware.tasks import clock, outbox, uplink
from ota.core import errors
from ota.device.http import Response

T = 1_795_000_000


class Server:
    """Answers requests by a script: a status, (status, headers), an error, or a function."""

    def __init__(self, clock, *script):
        self.script = list(script)
        self.clock = clock
        self.packs = []
        self.times = []

    async def request(self, method, path, body, content_type):
        assert (method, content_type) == ("POST", "application/senml+json")
        assert path == "/telemetry/v1/240ac4fffe000001"
        assert len(body) <= 3072
        self.times.append(self.clock.uptime_s())
        self.packs.append(json.loads(bytes(body)))
        step = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if callable(step):
            step = step(self.packs[-1])
        if isinstance(step, Exception):
            raise step
        status, headers, answer = step if isinstance(step, tuple) else (step, {}, {})
        response = Response(status, headers, 0)
        response.body = json.dumps(answer).encode()
        return response


def sent(server):
    """List the sequence numbers of each pack."""
    return [sorted({record["seq"] for record in pack}) for pack in server.packs]


def window(i):
    streams = {"pm25": [60, 12.5, 1, 30], "temperature": [60, 20.0, 19.5, 20.5]}
    return {"t": T + 600 * i, "len": 600, "exp": 60, "streams": streams}


def play(*script, windows=3, seconds=4000, synced=True):
    """Run the uplink against a scripted server; give node and server afterwards."""

    async def main():
        node = faketime.node()
        for i in range(windows):
            node.outbox.add(window(i))
        node.client = server = Server(node.clock, *script)
        if synced:
            node.clock.set(T, "sntp")
            node.date_s = 1
        node.enrolled.set()
        task = asyncio.create_task(uplink.run(node))
        await asyncio.sleep(seconds)
        assert not task.done()
        task.cancel()
        return node, server

    return faketime.run(main())


def test_an_answer_that_would_fill_the_heap_acknowledges_nothing():
    node, server = play((200, {}, [[]] * 500), seconds=60)
    assert left(node) == [1, 2, 3]
    assert len(server.packs) > 1


def left(node):
    return [entry["seq"] for _, _, entry in node.outbox.pending()]


def test_what_is_acknowledged_is_forgotten():
    node, server = play(200)
    assert sent(server) == [[1, 2, 3]]
    assert left(node) == []
    assert server.packs[0][0]["bn"] == "urn:dev:mac:240ac4fffe000001/"


def test_packs_hold_whole_windows_and_at_most_three_kilobytes():
    node, server = play(200, windows=40)
    numbers = [seq for pack in sent(server) for seq in pack]
    assert numbers == list(range(1, 41))
    assert len(server.packs) > 2
    assert left(node) == []


@pytest.mark.parametrize(
    "fault", [500, 503, 429, 401, 403, 404, errors.Timeout("silence"), errors.Closed("gone")]
)
def test_refusal_and_silence_lose_nothing_and_are_tried_ever_more_slowly(fault):
    node, server = play(fault, fault, fault, fault, 200)
    assert sent(server) == [[1, 2, 3]] * 5
    gaps = [b - a for a, b in zip(server.times, server.times[1:], strict=False)]
    assert gaps == sorted(gaps)
    assert gaps[-1] > 3 * gaps[0] > 0
    assert left(node) == []


def test_an_answer_that_is_no_json_is_no_acknowledgement():
    def garbled(_):
        return errors.BadResponse("no HTTP")

    node, _ = play(garbled, seconds=100)
    assert left(node) == [1, 2, 3]


def test_retry_after_is_honoured_within_bounds():
    _, server = play((503, {"retry-after": "700"}, {}), 200)
    assert 700 <= server.times[1] - server.times[0] < 720
    _, server = play((503, {"retry-after": "999999"}, {}), 200, seconds=4000)
    assert 3600 <= server.times[1] - server.times[0] < 3620


def test_bad_records_are_set_aside_counted_and_never_sent_again():
    answer = {"stored": 5, "rejected": [{"index": 0, "reason": "future"}]}
    node, server = play((200, {}, answer), 200)
    assert sent(server) == [[1, 2, 3]]
    assert node.outbox.rejected == 1
    kept = node.storage.files[outbox.REJECTED]
    assert b"future" in kept
    assert b'"seq": 1' in kept


@pytest.mark.parametrize(
    "answer",
    [[], None, {"rejected": 3}, {"rejected": [7, {"index": "0"}, {"index": 99}, {"index": -1}]}],
)
def test_nonsense_in_an_answer_is_ignored(answer):
    node, server = play((200, {}, answer))
    assert (sent(server), left(node), node.outbox.rejected) == ([[1, 2, 3]], [], 0)


@pytest.mark.parametrize("status", [400, 413, 415])
def test_a_pack_that_cannot_be_read_costs_only_the_window_at_fault(status):
    def judge(pack):
        return status if any(record["seq"] == 2 for record in pack) else 200

    node, server = play(judge)
    assert sent(server) == [[1, 2, 3], [1], [2, 3], [2], [3]]
    assert left(node) == []
    assert b'"seq": 2' in node.storage.files[outbox.REJECTED]
    assert b'"seq": 3' not in node.storage.files[outbox.REJECTED]


def test_nothing_is_sent_before_the_clock_is_set():
    _, server = play(200, synced=False)
    assert server.packs == []


class Timekeeper(Server):
    """Tells the time to who asks for it, from some uptime on."""

    def __init__(self, clock, since_s, error):
        super().__init__(clock, 200)
        self.since_s = since_s
        self.error = error

    async def request(self, method, path, *rest):
        if method != "GET":
            return await super().request(method, path, *rest)
        if self.clock.uptime_s() < self.since_s:
            raise self.error
        now_s = T + self.clock.uptime_s()
        return Response(200, {"date": email.utils.formatdate(now_s, usegmt=True)}, 0)


def lied_to(error):
    """Run the uplink of a node whose time server lies; give what TLS judged by, and the packs."""
    told = []

    async def main():
        node = faketime.node()
        node.storage.files["/data/seen"] = b"%d" % (T - 1000)
        node.clock._set_rtc = told.append
        node.client = server = Timekeeper(node.clock, 100, error)
        node.enrolled.set()
        task = asyncio.create_task(uplink.run(node))
        clock.take(node, T + 10 * 365 * 86_400, "sntp")
        node.outbox.add(window(0) | {"t": node.clock.now()})
        await asyncio.sleep(90)
        assert server.packs == []
        await asyncio.sleep(200)
        task.cancel()
        return server.packs

    return told, faketime.run(main())


def test_a_time_servers_lie_dates_no_window_that_is_sent():
    _, (pack,) = lied_to(errors.Unreachable("nobody there"))
    assert {record["t"] for record in pack} == {T}


def test_what_tls_refuses_by_a_time_servers_word_it_judges_by_the_last_time_seen():
    told, packs = lied_to(errors.Untrusted("expired"))
    assert len(packs) == 1
    assert told[1:4:2] == [T - 1000] * 2
    assert told[2] > T + 10 * 365 * 86_400
    assert told[-1] >= T + 100


def test_a_window_that_comes_later_is_sent_at_once():
    async def main():
        node = faketime.node()
        node.client = server = Server(node.clock, 200)
        node.clock.set(T, "sntp")
        node.date_s = 1
        node.enrolled.set()
        task = asyncio.create_task(uplink.run(node))
        await asyncio.sleep(1000)
        node.outbox.add(window(0))
        node.filled.set()
        await asyncio.sleep(1)
        task.cancel()
        return server.times

    assert faketime.run(main()) == [1000]


def test_the_servers_date_holds_against_a_lying_time_server():
    date = {"date": "Tue, 24 Nov 2026 07:38:27 GMT"}

    async def main():
        node = faketime.node()
        node.outbox.add(window(0))
        node.client = Server(node.clock, (200, date, {}))
        node.clock.set(1_900_000_000, "sntp")
        await asyncio.sleep(2)
        node.date_s = 1  # one was heard, and is due again
        node.enrolled.set()
        task = asyncio.create_task(uplink.run(node))
        await asyncio.sleep(1)
        task.cancel()
        return node.clock

    found = faketime.run(main())
    assert (found.source, found.now()) == ("date", 1_795_505_907 + 1)


def test_what_waited_through_an_outage_leaves_in_order_of_time():
    """An hour of silence, windows all along, some in an earlier box; then a server that errs."""

    async def main():
        node = faketime.node()
        for i in range(20):
            node.outbox.add(window(i))
        name = outbox.FOLDER + "/" + node.storage.list(outbox.FOLDER)[-1]
        node.storage.files[name] = node.storage.files[name][:-3]  # costs one window and the box
        node.outbox = outbox.Outbox(node.storage, lambda n: b"\xee" * n)
        node.client = server = Server(node.clock, errors.Unreachable("no route"))
        node.clock.set(T, "sntp")
        node.date_s = 1
        node.enrolled.set()
        task = asyncio.create_task(uplink.run(node))
        for i in range(20, 80):
            await asyncio.sleep(60)
            node.outbox.add(window(i))
            node.filled.set()
        silent = len(server.packs)
        server.script = [503, errors.Timeout("lost"), 200, 400, 200]
        await asyncio.sleep(7200)
        task.cancel()
        assert left(node) == []
        return server.packs[silent:]

    packs = faketime.run(main())
    times = [record["t"] for pack in packs for record in pack if record["n"] == "pm25"]
    firsts = [t for i, t in enumerate(times) if t not in times[:i]]
    assert firsts == [T + 600 * i for i in range(80) if i != 19]
    assert all(pack == sorted(pack, key=lambda record: record["t"]) for pack in packs)
