"""Ports: storage in memory and on files obey one interface; clock and DNS know their formats."""

import os

from firmware.ports import common, dns, unix
from outcomes import refused
from sim import memory


def storages():
    """Give an empty storage of each kind; the files lie below /tmp."""
    root = "/tmp/lamppost-" + "".join(["%02x" % byte for byte in os.urandom(6)])
    os.mkdir(root)
    os.mkdir(root + "/data")
    return memory.Storage(), unix.Storage(root)


def test_a_file_is_read_as_it_was_written():
    for storage in storages():
        assert storage.read("/data/x", 10) is None
        assert (storage.exists("/data/x"), storage.size("/data/x")) == (False, 0)
        storage.write("/data/x", b"one")
        storage.write("/data/x", b"three")
        assert storage.read("/data/x", 5) == b"three"
        assert (storage.exists("/data/x"), storage.size("/data/x")) == (True, 5)
        assert storage.list("/data") == ["x"]


def test_what_is_longer_than_the_limit_is_refused_and_not_cut():
    for storage in storages():
        storage.write("/data/x", b"123456")
        assert storage.read("/data/x", 6) == b"123456"
        refused(ValueError, storage.read, "/data/x", 5)


def test_append_makes_and_lengthens():
    for storage in storages():
        storage.append("/data/x", b"one ")
        storage.append("/data/x", b"two")
        with storage.open("/data/x") as file:
            assert file.read() == b"one two"


def test_removing_and_renaming():
    for storage in storages():
        storage.remove("/data/x")
        storage.write("/data/x", b"new")
        storage.write("/data/y", b"old")
        storage.rename("/data/x", "/data/y")
        assert storage.list("/data") == ["y"]
        assert storage.read("/data/y", 10) == b"new"
        storage.remove("/data/y")
        assert storage.list("/data") == []
        refused(OSError, storage.rename, "/data/x", "/data/z")
        refused(OSError, storage.open, "/data/x")


def test_folders():
    for storage in storages():
        assert storage.list("/data/sub") == []
        storage.make_folder("/data/sub")
        storage.make_folder("/data/sub")
        assert storage.exists("/data/sub")
        storage.write("/data/sub/b", b"")
        storage.write("/data/sub/a", b"")
        assert storage.list("/data/sub") == ["a", "b"]
        assert storage.free_blocks("/data") > 0


def test_only_files_are_named_and_a_file_in_a_folders_place_is_set_aside():
    for storage in storages():
        storage.write("/data/box", b"no folder")
        storage.make_folder("/data/box")
        storage.make_folder("/data/box/00000001.deadbeef")
        storage.write("/data/box/a", b"")
        assert storage.list("/data/box") == ["a"]
        assert storage.read("/data/box.odd", 20) == b"no folder"


class Ticks:
    """A tick counter that wraps as an ESP32's does."""

    def __init__(self, ms=0):
        self.ms = ms

    def __call__(self):
        return self.ms % (1 << 30)


def clock(rtc_s=946684800, ms=0):
    """Give a clock, its ticks, and what was written into the RTC."""
    ticks, written = Ticks(ms), []
    return common.Clock(ticks, rtc_s, written.append), ticks, written


def test_uptime_does_not_wrap_with_the_ticks():
    made, ticks, _ = clock(ms=(1 << 30) - 500)
    total = 0
    for step in (400, 400, 1 << 29, 1 << 29, 12345):
        ticks.ms += step
        total += step
        assert made.uptime_ms() == total
        assert made.uptime_s() == total // 1000


def test_the_clock_starts_at_the_latest_that_is_known():
    made, ticks, _ = clock()
    assert (made.now(), made.source, made.synced) == (946684800, "rtc", False)
    made.at_least(1700000000, "built")
    made.at_least(1600000000, "seen")
    ticks.ms += 5000
    assert (made.now(), made.source, made.synced) == (1700000005, "built", False)


def test_a_time_server_sets_the_clock_both_ways_but_never_below_what_is_known():
    made, ticks, written = clock(rtc_s=1900000000)
    made.at_least(1700000000, "built")
    assert made.now() == 1900000000
    assert not made.set(1600000000, "sntp")
    assert (made.synced, written) == (False, [])
    assert made.set(1750000000, "sntp")
    assert (made.now(), made.source, made.synced) == (1750000000, "sntp", True)
    assert written == [1750000000]
    made.at_least(1760000000, "seen")
    assert made.now() == 1750000000
    ticks.ms += 2000
    assert made.now() == 1750000002


def test_a_bound_that_does_not_bind_starts_the_clock_and_no_more():
    made, _, written = clock()
    made.at_least(1700000000, "built")
    made.at_least(1800000000, "seen", False)
    made.at_least(1 << 32, "seen", False)
    assert (made.now(), made.source) == (1800000000, "seen")
    assert not made.set(1 << 32, "date")
    assert made.set(1750000000, "sntp")
    assert (made.now(), written) == (1750000000, [1700000000, 1800000000, 1750000000])


ANSWER = (
    b"\x12\x34\x81\x80\x00\x01\x00\x02\x00\x00\x00\x00"
    b"\x05fleet\x04city\x07example\x00\x00\x01\x00\x01"
    b"\xc0\x0c\x00\x05\x00\x01\x00\x00\x00\x3c\x00\x07\x04node\xc0\x12"
    b"\xc0\x30\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\x0a\x01\x02\x03"
)


def test_a_dns_query_and_its_answer():
    query = dns.query("fleet.city.example", b"\x12\x34")
    assert query == (
        b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00"
        b"\x05fleet\x04city\x07example\x00\x00\x01\x00\x01"
    )
    assert dns.answer(ANSWER, query) == "10.1.2.3"


def test_dns_answers_that_are_none():
    query = dns.query("fleet.city.example", b"\x12\x34")
    for data in (
        b"",
        ANSWER[:11],
        query,
        b"\x12\x35" + ANSWER[2:],
        ANSWER[:3] + b"\x83" + ANSWER[4:],
        ANSWER.replace(b"fleet", b"fl33t"),
        ANSWER[:-1],
        ANSWER[:-6] + b"\x00\x05" + ANSWER[-4:],
    ):
        assert dns.answer(data, query) is None
    for i in range(len(ANSWER)):
        assert dns.answer(ANSWER[:i], query) is None
        dns.answer(ANSWER[:i] + b"\xff" * (len(ANSWER) - i), query)


def test_what_is_no_host_name_is_not_asked_for():
    for host in ("", "a..b", "x" * 64 + ".de", "y." * 130):
        refused(ValueError, dns.query, host, b"\0\0")
    for host in ("10.0.2.2", "0.0.0.0", "255.255.255.255"):
        assert common.is_address(host)
    for host in ("10.0.2", "10.0.2.256", "a.b.c.d", "", "1.2.3.4.5", "1.2.3.1234"):
        assert not common.is_address(host)
