"""What a heartbeat changes, how versions sort, how pages of a timeline hold together."""

from fleet.devices.order import version_order
from fleet.heartbeat import changes, parse, words
from fleet.timeline import merge
from fleet.timeline.merge import Cursor, Entry

FIRST = {
    "uptime_s": "60",
    "starts.power_on": "1",
    "starts.planned": "0",
    "starts.crash": "0",
    "starts.watchdog": "1",
    "starts.hard": "0",
    "starts.soft": "0",
    "dropped": "0",
    "clock": "sntp",
}


def tell(*heartbeats, version="1.0.0"):
    """Return what is known after the heartbeats and what the last one told."""
    known, events = None, []
    for data in heartbeats:
        known, events = changes.follow(known, parse.read(data), version, whole=True)
    return known, [(change.kind, change.detail) for change in events]


def test_the_first_heartbeat_is_the_baseline():
    known, events = tell(FIRST)
    assert (known.restarts, known.starts["power_on"], known.clock) == (1, 1, "sntp")
    assert events == []


def test_a_restart_is_told_with_its_causes_and_only_unplanned_ones_count():
    later = {**FIRST, "starts.crash": "2", "starts.planned": "1", "uptime_s": "9"}
    known, events = tell(FIRST, later)
    assert known.restarts == 3
    assert events == [("restart", {"causes": {"crash": 2, "planned": 1}, "uptime_s": 9})]
    assert tell(FIRST, later, later)[1] == []


def test_a_count_that_falls_back_begins_anew():
    crashed = {**FIRST, "starts.crash": "5"}
    formatted = {**FIRST, "starts.watchdog": "0", "starts.crash": "1", "uptime_s": "5"}
    known, events = tell(FIRST, crashed, formatted)
    assert known.restarts == 6
    assert [kind for kind, _ in events] == [words.RECOUNT]
    assert tell(FIRST, crashed, formatted, {**formatted, "starts.crash": "3"})[0].restarts == 8
    another = {**formatted, "dropped": "7"}  # the past of another flash
    assert [kind for kind, _ in tell({**FIRST, "dropped": "2"}, another)[1]] == [words.RECOUNT]


def test_what_was_set_aside_is_counted_from_each_start():
    restarted = {**FIRST, "set_aside": "2", "uptime_s": "3"}
    before = {**FIRST, "set_aside": "2", "uptime_s": "900"}
    assert tell(before, restarted)[1][1:] == [("set_aside", {"count": 2, "total": 2})]


def test_a_restart_shows_even_when_its_counts_are_lost():
    bare = {"uptime_s": "5000", "outbox": "0"}
    assert tell(bare, {**bare, "uptime_s": "20"})[1] == [
        ("restart", {"causes": {}, "uptime_s": 20})
    ]


def test_versions_clocks_and_losses_are_told_when_they_change():
    known, _ = changes.follow(None, parse.read(FIRST), "1.0.0", whole=True)
    worse = {**FIRST, "clock": "seen", "dropped": "3", "uptime_s": "99"}
    known, events = changes.follow(known, parse.read(worse), "1.1.0", whole=True)
    assert [(one.kind, one.detail) for one in events] == [
        ("version", {"from": "1.0.0", "to": "1.1.0"}),
        ("clock_lost", {"from": "sntp", "to": "seen"}),
        ("dropped", {"count": 3, "total": 3}),
    ]
    better = {**worse, "clock": "date", "dropped": "4"}
    known, events = changes.follow(known, parse.read(better), "1.1.0", whole=True)
    assert [(one.kind, one.detail) for one in events] == [
        ("clock_back", {"from": "seen", "to": "date"}),
        ("dropped", {"count": 1, "total": 4}),
    ]
    again = {**better, "uptime_s": "3", "dropped": "5"}
    _, events = changes.follow(known, parse.read(again), "1.1.0", whole=True)
    assert [(one.kind, one.detail) for one in events] == [
        ("restart", {"causes": {}, "uptime_s": 3}),
        ("dropped", {"count": 1, "total": 5}),
    ]


def test_damage_on_flash_is_told_once_a_finding():
    found = {**FIRST, "errors.drift": "1", "errors.uplink": "3"}
    assert tell(FIRST, found)[1] == [("drift", {"count": 1, "total": 1})]
    assert tell(FIRST, found, found)[1] == []
    fell = {**FIRST, "errors.fell": "1", "uptime_s": "3"}
    assert tell(FIRST, found, fell)[1] == [
        ("restart", {"causes": {}, "uptime_s": 3}),
        ("fell", {"count": 1, "total": 1}),
    ]


def test_what_is_not_said_is_unknown_unless_it_is_merged():
    known, _ = changes.follow(None, parse.read(FIRST), "1.0.0", whole=True)
    said = parse.read({"rssi": "-70"})
    merged, _ = changes.follow(known, said, None, whole=False)
    assert merged.numbers == {"uptime_s": 60, "dropped": 0, "rssi": -70}
    assert (merged.clock, merged.version) == ("sntp", "1.0.0")
    replaced, _ = changes.follow(known, said, None, whole=True)
    assert replaced.numbers == {"rssi": -70}
    assert (replaced.clock, replaced.restarts, replaced.starts) == (None, 1, known.starts)


def test_versions_sort_by_precedence():
    mixed = ["1.10.0", "10.0.0", "1.0.0", "1.9.9", "0.9.0", "1.0.0-rc.1", "1.2.0"]
    ordered = ["0.9.0", "1.0.0-rc.1", "1.0.0", "1.2.0", "1.9.9", "1.10.0", "10.0.0"]
    assert sorted(mixed, key=version_order) == ordered
    assert version_order("999999999.0.0-" + "a" * 50) is not None
    assert version_order("one") is None


def test_timeline_pages_hold_together_within_one_second():
    entries = [
        Entry(at, source, row, "x", None, None, {})
        for at in (5, 6)
        for source in (merge.ACT, merge.UPDATE, merge.HEARTBEAT)
        for row in (1, 2)
    ]
    seen, cursor = [], None
    while True:
        left = [
            one
            for one in entries
            if cursor is None or (one.at, one.row) < cursor.within(one.source)
        ]
        page, following = merge.page(left, 5)
        seen += page
        if following is None:
            break
        cursor = Cursor.parse(str(following))
    assert len(seen) == len(set(map(id, seen))) == len(entries)
    assert [one.at for one in seen] == [6] * 6 + [5] * 6
