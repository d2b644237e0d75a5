"""PURE: how nodes, their heartbeats and their histories look to people.

Everything takes what the operator API answers, and `now` in unix seconds where it says how long
ago something was.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from rich.text import Text

from fleet.cli.common import when
from fleet.heartbeat.words import UNSYNCED

# From the left what an operator looks for first: the last ones go when a terminal is narrow.
COLUMNS = (
    "node",
    "name",
    "site",
    "state",
    "version",
    "seen",
    "restarts",
    "outbox",
    "up",
    "heap",
    "signal",
    "clock",
    "board",
    "dropped",
)
NUMBERS = ("seen", "restarts", "outbox", "up", "heap", "signal", "dropped")
SILENT_S = 3600
_STATES = {"active": "green", "claimed": "cyan", "quarantined": "yellow", "retired": "dim"}
_SPANS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))
_GOOD, _WARNING, _BAD = "green", "yellow", "red"


def span(seconds: int) -> str:
    """Return a length of time in its largest unit that leaves at least two of it."""
    for unit_s, name in _SPANS:
        if seconds >= 2 * unit_s:
            return f"{seconds // unit_s} {name}"
    return f"{max(0, seconds)} s"


def ago(unix_s: int | None, now: int) -> str:
    """Return how long ago something was."""
    return "never" if unix_s is None else f"{span(now - unix_s)} ago"


def size(count: int | None) -> str | None:
    """Return a number of bytes."""
    return None if count is None else f"{count / 1024:.1f} KiB"


def signal(dbm: int | None) -> str | None:
    """Return the strength of a radio signal."""
    return None if dbm is None else f"{dbm} dBm"


def _silent(device: dict[str, Any], now: int) -> bool:
    return int(now - (device["seen_at"] or device["created_at"])) >= SILENT_S


def row(device: dict[str, Any], now: int) -> list[Text]:
    """Return a node's cells, by COLUMNS."""
    beat = device["heartbeat"] or {}

    def shown(key: str, style: str = "") -> Text:
        value = beat.get(key)
        return cell(value, style if value else "")

    up = beat.get("uptime_s")
    return [
        cell(device["id"]),
        cell(device["name"]),
        cell(device["site"]),
        cell(device["state"], _STATES.get(device["state"], "")),
        cell(device["version"]),
        cell(ago(device["seen_at"], now), _BAD if _silent(device, now) else ""),
        shown("restarts", _WARNING),
        shown("outbox"),
        cell(None if up is None else span(up)),
        cell(size(beat.get("heap_free"))),
        cell(signal(beat.get("rssi"))),
        shown("clock", _WARNING if beat.get("clock") in UNSYNCED else ""),
        cell(device["board"]),
        shown("dropped", _BAD),
    ]


def cell(value: Any, style: str = "") -> Text:
    """Return one cell: a dash where nothing is known."""
    return Text("–", style="dim") if value is None else Text(str(value), style=style)


def fitting(rows: Sequence[Sequence[Text]], width: int) -> int:
    """Return how many of COLUMNS fit side by side into *width* characters."""
    used = 0
    for index, name in enumerate(COLUMNS):
        used += max([len(name), *(one[index].cell_len for one in rows)]) + (2 if index else 0)
        if used > width:
            return max(1, index)
    return len(COLUMNS)


def summary(devices: Sequence[dict[str, Any]], now: int) -> str:
    """Return the one line under a list."""
    if not devices:
        return "no node is like that"
    states = Counter(device["state"] for device in devices)
    beats = [device["heartbeat"] for device in devices if device["heartbeat"]]
    speaking = [device for device in devices if device["state"] in ("claimed", "active")]
    silent = sum(_silent(device, now) for device in speaking)
    restarted = sum(bool(beat["restarts"]) for beat in beats)
    waiting = sum(beat["outbox"] or 0 for beat in beats)
    parts = [f"{len(devices)} node{'s' if len(devices) > 1 else ''}"]
    parts += [f"{states[state]} {state}" for state in _STATES if states[state]]
    parts += [f"{silent} silent for an hour or longer"] if silent else []
    parts += [f"{restarted} with unplanned restarts"] if restarted else []
    parts += [f"{waiting} windows waiting"] if waiting else []
    return " · ".join(parts)


def head(device: dict[str, Any], now: int) -> Text:
    """Return what a node is, in two lines."""
    state = Text(device["state"], style=_STATES.get(device["state"], ""))
    version = device["version"]
    seen = Text(f"seen {ago(device['seen_at'], now)}", style=_BAD if _silent(device, now) else "")
    parts: list[Text | str] = [device["site"], device["board"], state]
    parts += [f"runs {version}" if version else "version unknown", seen]
    line = Text(" · ").join(part if isinstance(part, Text) else Text(part) for part in parts)
    return Text().append(device["name"], style="bold").append(f"  {device['id']}\n").append(line)


def facts(device: dict[str, Any], now: int) -> list[tuple[str, str | None]]:
    """Return (name, value) of what a node says of itself, in an order of interest."""
    beat = device["heartbeat"]
    told = [] if beat is None else _beat(beat, now)
    said = sorted(device["attributes"].items())
    others = [(key, value) for key, value in said if value != device.get(key)]
    return [*told, *others, ("added", when(device["created_at"]))]


def _beat(beat: dict[str, Any], now: int) -> list[tuple[str, str | None]]:
    causes = counted(beat["starts"])
    restarts = f"{beat['restarts']} unplanned" if beat["restarts"] is not None else None
    memory = [
        f"{size(beat[key])} {name}"
        for key, name in (
            ("heap_free", "of heap free"),
            ("idf_free", "of IDF free"),
            ("idf_largest", "its largest block"),
        )
        if beat[key] is not None
    ]
    windows = [
        f"{beat[key]} {name}"
        for key, name in (
            ("outbox", "windows waiting"),
            ("dropped", "dropped"),
            ("set_aside", "records set aside"),
        )
        if beat[key] is not None
    ]
    nonsense = ", ".join(f"{key}={text}" for key, text in sorted(beat["refused"].items()))
    found = [
        ("heartbeat", f"{ago(beat['at'], now)}, {when(beat['at'])}"),
        ("up", None if beat["uptime_s"] is None else span(beat["uptime_s"])),
        ("restarts", restarts),
        ("starts", f"{causes}, since the flash was formatted" if causes else None),
        ("memory", ", ".join(memory) or None),
        ("outbox", ", ".join(windows) or None),
        ("signal", signal(beat["rssi"])),
        ("clock", beat["clock"]),
        ("errors", counted(beat["errors"]) or "none since its start"),
    ]
    if beat["refusals"]:
        found.append(("nonsense", f"{nonsense or 'none now'}; {beat['refusals']} so far"))
    return found


def counted(counts: dict[str, int]) -> str:
    """Return counts above zero, as `2 crash, 1 watchdog`."""
    return ", ".join(
        f"{count} {name.replace('_', ' ')}" for name, count in counts.items() if count
    )
