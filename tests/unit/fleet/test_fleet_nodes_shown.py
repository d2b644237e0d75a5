"""What an operator sees of nodes: columns that fit, sentences that name the cause."""

import io

import pytest
from rich.console import Console

from fleet.cli import history, nodes
from fleet.heartbeat import words

NOW = 1_760_000_000
BEAT = {
    "at": NOW - 300,
    "uptime_s": 7200,
    "starts": {"power_on": 1, "crash": 2},
    "restarts": 2,
    "heap_free": 18432,
    "idf_free": None,
    "idf_largest": None,
    "outbox": 3,
    "dropped": 0,
    "set_aside": 0,
    "rssi": -67,
    "clock": "sntp",
    "errors": {"frame": 4},
    "refusals": 0,
    "refused": {},
}


def device(**changes):
    return {
        "id": "aabbccfffeddeeff",
        "name": "Pier 3",
        "site": "harbour",
        "board": "esp32",
        "state": "active",
        "version": "1.1.0",
        "attributes": {"version": "1.1.0", "runtime": "1.27.0"},
        "created_at": NOW - 90_000,
        "seen_at": NOW - 10,
        "heartbeat": BEAT,
    } | changes


def entry(source, what, actor=None, outcome=None, **detail):
    made = {"at": NOW, "source": source, "what": what, "actor": actor, "outcome": outcome}
    return history.line({**made, "detail": detail})


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-5, "0 s"), (0, "0 s"), (119, "119 s"), (120, "2 min"), (7200, "2 h"), (172_800, "2 d")],
)
def test_spans_are_short(seconds, text):
    assert nodes.span(seconds) == text


def test_a_row_has_a_cell_for_each_column():
    cells = [cell.plain for cell in nodes.row(device(), NOW)]
    assert dict(zip(nodes.COLUMNS, cells, strict=True)) == {
        "node": "aabbccfffeddeeff", "name": "Pier 3", "site": "harbour", "state": "active",
        "version": "1.1.0", "seen": "10 s ago", "restarts": "2", "outbox": "3", "up": "2 h",
        "heap": "18.0 KiB", "signal": "-67 dBm", "clock": "sntp", "board": "esp32",
        "dropped": "0",
    }  # fmt: skip
    never = nodes.row(device(heartbeat=None, seen_at=None, version=None), NOW)
    assert [cell.plain for cell in never][4:7] == ["–", "never", "–"]
    assert never[5].style == "red"


def test_columns_go_from_the_right_as_a_terminal_narrows():
    rows = [nodes.row(device(), NOW)]
    counts = [nodes.fitting(rows, width) for width in range(10, 200)]
    assert counts == sorted(counts)
    assert (counts[0], counts[-1]) == (1, len(nodes.COLUMNS))
    width = next(width for width in range(10, 200) if nodes.fitting(rows, width) == 9)
    cells = [
        max(len(name), cell.cell_len) for name, cell in zip(nodes.COLUMNS, rows[0], strict=True)
    ]
    assert sum(cells[:9]) + 2 * 8 == width


def test_the_summary_names_what_is_wrong():
    silent = device(seen_at=NOW - 4000, heartbeat=None)
    retired = device(state="retired", seen_at=NOW - 4000)
    assert nodes.summary([], NOW) == "no node is like that"
    text = nodes.summary([device(), silent, retired], NOW)
    for part in ("3 nodes", "2 active", "1 retired", "1 silent", "2 with unplanned", "6 windows"):
        assert part in text


def test_facts_leave_out_what_the_head_says():
    facts = dict(nodes.facts(device(), NOW))
    assert facts["starts"] == "1 power on, 2 crash, since the flash was formatted"
    assert facts["memory"] == "18.0 KiB of heap free"
    assert facts["runtime"] == "1.27.0"
    assert "version" not in facts
    assert "nonsense" not in facts
    assert "heartbeat" not in dict(nodes.facts(device(heartbeat=None), NOW))
    odd = device(heartbeat={**BEAT, "refusals": 2, "refused": {"rssi": "loud"}})
    assert dict(nodes.facts(odd, NOW))["nonsense"] == "rssi=loud; 2 so far"


def test_sentences_name_cause_and_reason():
    said = [
        entry("heartbeat", "restart", causes={"crash": 1, "power_on": 2}, uptime_s=4),
        entry("heartbeat", "restart", causes={}, uptime_s=4),
        entry("heartbeat", "version", **{"from": "1.0.0", "to": "1.1.0"}),
        entry("heartbeat", "dropped", count=3, total=7),
        entry("heartbeat", "of a later server", thing=1),
        entry("update", "rolled_back", rollout=3, version="1.2.0",
              details=["state=rolled_back", "reason=SelfTestError: lamp"]),
        entry("act", "device.claim", "operator:0badcafe", "refused", why=None, ttl=60),
        entry("act", "identity.enrol", "node:aabbccfffeddeeff", "done"),
    ]  # fmt: skip
    assert [line.plain.partition("Z  ")[2] for line in said] == [
        "restarted: 1 crash, 2 power on",
        "restarted: of unknown cause",
        "runs 1.1.0, before 1.0.0",
        "3 windows dropped, 7 in all",
        "of a later server",
        "update to 1.2.0 (rollout 3): rolled_back, SelfTestError: lamp",
        "device.claim refused by operator:0badcafe (ttl=60)",
        "identity.enrol",
    ]


def test_every_event_has_a_sentence():
    detail = {
        "causes": {}, "uptime_s": 1, "from": "a", "to": "b", "count": 1, "total": 1,
        "before": {}, "after": {},
    }  # fmt: skip
    for kind in words.EVENTS:
        assert entry("heartbeat", kind, **detail).plain.partition("Z  ")[2] != kind


def test_names_are_shown_as_they_are():
    console = Console(file=io.StringIO(), markup=False, highlight=False, width=60)
    console.print(nodes.head(device(name="[red]Pier[/red]"), NOW))
    assert "[red]Pier[/red]" in console.file.getvalue()
