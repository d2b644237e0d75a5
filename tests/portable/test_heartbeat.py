"""What a heartbeat says, and that counting for it disturbs nothing."""

import asyncio
import json

from firmware.tasks import heartbeat
from firmware.tasks.outbox import FOLDER, Outbox
from ota.core.errors import ServerError
from ota.device.http import Response
from outboxes import RANDOM, add, window
from outcomes import refused
from sim import memory


class Bag:
    """An object of these attributes."""

    def __init__(self, **attributes):
        for name, value in attributes.items():
            setattr(self, name, value)


class Clock:
    source = "sntp"
    uptime = 77

    def uptime_s(self):
        return self.uptime


class Client:
    """Takes configData, with this status."""

    def __init__(self, status=200):
        self.status = status
        self.data = None
        self.bytes = 0

    async def request(self, method, path, body, content_type):
        assert (method, content_type) == ("PUT", "application/json")
        assert path == "/default/controller/v1/240ac4fffe000001/configData"
        said = json.loads(body)
        assert said["mode"] == "replace"
        self.bytes = len(body)
        self.data = said["data"]
        return Response(self.status, {}, 0)


FIGURES = {"heap_free": 40000, "idf_free": 30000, "idf_largest": 20000}


def node(storage=None, **changes):
    made = Bag(
        id="240ac4fffe000001",
        release={"version": "1.2.3", "board": "esp32"},
        config={"heartbeat_s": 3600},
        clock=Clock(),
        network=Bag(rssi=-61),
        storage=storage or memory.Storage(),
        counts={},
        outbox=None,
        client=Client(),
        tell_s=0,
    )
    for name, value in changes.items():
        setattr(made, name, value)
    return made


def sent(made, figures=None):
    asyncio.run(heartbeat.send(made, FIGURES if figures is None else figures))
    return made.client.data


def depth(storage, box):
    return asyncio.run(heartbeat.waiting(box, storage))


def test_everything_that_is_known_is_told_in_strings():
    storage = memory.Storage({heartbeat.STARTS: b'{"power_on": 3, "crash": 2, "later": 1}'})
    box = Outbox(storage, RANDOM)
    add(box, range(5))
    box.set_aside("future")
    made = node(storage, outbox=box, counts={"uplink": 4})
    told = sent(made)
    runtime = told.pop("runtime")
    assert len(runtime.split(".")) == 3
    assert told == {
        "version": "1.2.3",
        "board": "esp32",
        "clock": "sntp",
        "uptime_s": "77",
        "rssi": "-61",
        "heap_free": "40000",
        "idf_free": "30000",
        "idf_largest": "20000",
        "outbox": "5",
        "dropped": "0",
        "set_aside": "1",
        "starts.power_on": "3",
        "starts.planned": "0",
        "starts.crash": "2",
        "starts.watchdog": "0",
        "starts.hard": "0",
        "starts.soft": "0",
        "errors.uplink": "4",
    }


def test_what_is_not_known_is_left_out():
    told = sent(node(network=Bag(rssi=None)), {})
    assert sorted(told) == ["board", "clock", "runtime", "uptime_s", "version"]


def test_the_next_one_is_due_after_heartbeat_s_and_a_refused_one_at_once():
    made = node()
    sent(made)
    assert made.tell_s == 77 + 3600
    away = node(client=Client(503))
    refused(ServerError, sent, away)
    assert away.tell_s == 0


def test_counts_that_make_no_sense_are_left_out():
    for junk in (b"", b"\xff" * 50, b"[1]", b"7", b"[" * 600, b"{" * 50):
        told = sent(node(memory.Storage({heartbeat.STARTS: junk})))
        assert [name for name in told if name.startswith("starts")] == [], junk
    told = sent(node(memory.Storage({heartbeat.STARTS: b"x" * 5000})))
    assert [name for name in told if name.startswith("starts")] == []
    told = sent(
        node(memory.Storage({heartbeat.STARTS: b'{"crash": "x", "hard": [], "soft": 1.5}'}))
    )
    assert told["starts.power_on"] == "0"
    assert "starts.crash" not in told
    assert "starts.hard" not in told
    assert "starts.soft" not in told


def test_the_twelve_most_frequent_errors_are_named_as_every_server_takes_it():
    counts = {"part %d" % i: i for i in range(1, 20)}
    counts['Süd \n"1"'] = 50
    counts["x" * 90] = 60
    counts["9"] = 70
    told = sent(node(counts=counts))
    named = {name: told[name] for name in told if name.startswith("errors.")}
    assert len(named) == 12
    assert named["errors.part_19"] == "19"
    assert named["errors.s_d___1_"] == "50"
    assert named["errors." + "x" * 32] == "60"
    assert named["errors.x9"] == "70"
    assert "errors.part_10" not in named


def test_errors_whose_names_fall_together_are_added():
    assert heartbeat.errors({"A b": 2, "a_b": 3}) == {"errors.a_b": 5}


def test_the_longest_one_is_short_enough_to_send():
    counts = {"a" * 31 + chr(97 + i): 2147483647 for i in range(12)}
    storage = memory.Storage(
        {heartbeat.STARTS: json.dumps(dict.fromkeys(heartbeat.CAUSES, 2147483647)).encode()}
    )
    made = node(storage, counts=counts, outbox=Outbox(storage, RANDOM))
    made.release = {"version": "1" * 32, "board": "esp32s3"}
    sent(made)
    assert made.client.bytes < 1400


def test_waiting_windows_are_counted_through_acknowledgements_and_restarts():
    storage = memory.Storage()
    box = Outbox(storage, RANDOM)
    assert depth(storage, box) == 0
    add(box, range(60))
    assert depth(storage, box) == 60
    for count, (position, name, entry) in enumerate(list(box.pending())):
        if count in (9, 24, 59):
            box.acknowledge(position, name, entry["seq"])
            assert depth(storage, box) == 59 - count
            assert depth(storage, Outbox(storage, RANDOM)) == 59 - count


def test_windows_that_had_to_make_room_wait_no_more_and_are_counted_for_ever():
    storage = memory.Storage()
    box = Outbox(storage, RANDOM, segments_max=3)
    add(box, range(200))
    left = depth(storage, box)
    assert left == len(list(box.pending()))
    assert box.dropped == 200 - left > 80
    again = Outbox(storage, RANDOM, segments_max=3)
    assert (again.dropped, depth(storage, again)) == (box.dropped, left)


def test_what_cannot_be_dated_was_not_dropped():
    storage = memory.Storage()
    Outbox(storage, RANDOM).add({"up": 5, "len": 600, "exp": 60, "streams": {}})
    box = Outbox(storage, RANDOM)
    box.add(window(9))
    list(box.pending())
    assert (box.lost, box.dropped) == (1, 0)


def test_an_earlier_boxs_windows_are_counted_as_well():
    storage = memory.Storage()
    box = Outbox(storage, RANDOM)
    add(box, range(20))
    name = FOLDER + "/" + storage.list(FOLDER)[-1]
    storage.files[name] = storage.files[name][:-3]
    box = Outbox(storage, RANDOM)
    box.add(window(99))
    assert depth(storage, box) == len(list(box.pending())) == 20


def test_a_head_without_the_count_of_dropped_ones_is_an_earlier_releases():
    storage = memory.Storage()
    box = Outbox(storage, RANDOM)
    name = FOLDER + "/" + storage.list(FOLDER)[-1]
    from firmware.core import outboxlog  # noqa: PLC0415 - the tasks let it go

    head = outboxlog.decode(storage.files[name])
    del head["dropped"]
    storage.files[name] = outboxlog.encode(head)
    again = Outbox(storage, RANDOM)
    assert (again.box, again.dropped) == (box.box, 0)
