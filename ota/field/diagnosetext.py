"""A node's report for people: one subject a line, findings and what to do next at the end."""

from collections.abc import Iterator
from typing import Any

from ota.build.errors import printable
from ota.field import wear
from ota.field.diagnosis import moment
from ota.field.findings import Finding
from ota.field.selftest import Result

_DIGITS = 12  # of a unix time
_MARKS = {"fault": "!!", "warning": "! ", "note": "  "}


def lines(report: dict[str, Any], findings: list[Finding]) -> Iterator[str]:
    """Yield the lines of a report; what a node said of itself is made printable."""
    for title, text in _subjects(report):
        yield f"{title:<12}{printable(text)}"
    yield ""
    if not findings:
        yield "all well: nothing to do"
    for finding in findings:
        yield f"{_MARKS[finding.severity]} {printable(finding.what)}"
        yield f"     next: {printable(finding.next)}"
    yield ""
    yield _afterwards(report)


def _afterwards(report: dict[str, Any]) -> str:
    if report["restarted"]:
        return "The node was stopped for this and starts anew now."
    return (
        "The node was stopped for this and stays at its prompt, the lamp at full: a node of ours"
        " starts by itself within ten minutes, any other with `mpremote reset`."
    )


def _subjects(report: dict[str, Any]) -> Iterator[tuple[str, str]]:
    node, chip = report["node"], report["chip"] or {}
    yield "port", report["port"]
    yield "chip", f"{chip.get('machine') or '?'}, MicroPython {chip.get('micropython') or '?'}"
    yield "node", f"{node['id'] or 'no id'}, MAC {node['mac'] or '?'}"
    if not report["ours"]:
        yield "files", ", ".join(report["files"]) or "none"
        return
    if report["config"]:
        place = f"site {node['site'] or '-'}, at {node['position'] or '-'}"
        yield "name", f"{node['name'] or '?'}, {place}"
        server = node["server"] or {}
        yield "server", f"{server.get('name')} at {server.get('address')}:{server.get('port')}"
    else:
        yield "name", "not provisioned"
    yield "console", _console(report["console"])
    yield from _release(report)
    yield from _past(report)
    for name, part in report["parts"].items():
        yield "part", f"{name} ({part.get('driver')}): {_reading(part)}"
    yield from _stores(report)
    yield from _surroundings(report)
    yield from _trust(report)


def _console(console: dict[str, Any]) -> str:
    if not console["locked"]:
        return "open to anyone with a cable"
    return f"locked to {', '.join(console['keys']) or 'nobody'}"


def _release(report: dict[str, Any]) -> Iterator[tuple[str, str]]:
    release = report["release"] or {}
    runs = f"{release.get('version') or 'none'} in slot {report['slot'] or '-'}"
    yield "release", f"{runs}, for {release.get('board') or '?'}"
    for name, slot in report["slots"].items():
        if slot is None:
            yield f"slot {name}", "empty"
            continue
        state = "sound" if slot["sound"] else f"DAMAGED: {', '.join(slot['damaged'])}"
        yield f"slot {name}", f"{slot.get('version', '?')}, {slot.get('files')} files, {state}"
    record = report["boot_record"]
    told = f"{record['state']}, slot {record['slot']}, {record['crashes']} crashes"
    if record["outcome"]:
        told += f"; {record['outcome']} {record['reason']}"
    yield "boot record", f"{told}; {record['copies']} of 2 copies sound"
    if update := report["update"]:
        yield "update", f"{update.get('version') or 'none yet'} {update.get('word') or ''}".strip()


def _past(report: dict[str, Any]) -> Iterator[tuple[str, str]]:
    resets = report["resets"]
    yield "last reset", resets["last"] or "unknown"
    starts = resets["starts"] or {}
    told = ", ".join(f"{name} {count}" for name, count in sorted(starts.items()))
    yield "starts", told or "not counted"
    if resets["last_words"]:
        yield "last words", resets["last_words"]
    for line in report["errors"]:
        yield "error", _dated(line)


def _dated(line: str) -> str:
    """Return a line of the node's log with its unix time as people write it."""
    at, _, text = line.partition(" ")
    return f"{moment(int(at))} {text}" if at.isdecimal() and len(at) < _DIGITS else line


def _stores(report: dict[str, Any]) -> Iterator[tuple[str, str]]:
    box = report["outbox"] or {}
    if "waiting" in box:
        ever = f"{box['windows']} ever, {box['lost']} lost; files: {box['segments']}"
        yield "outbox", f"{box['waiting']} windows wait of {ever}"
    else:
        yield "outbox", str(box.get("fault") or "none yet")
    for name, found in report["flash"].items():
        volume = found or {}
        if "free" in volume:
            yield "flash", f"{name}: {volume['free']} of {volume['blocks']} blocks free"
        else:
            yield "flash", f"{name}: {volume.get('fault') or 'unknown'}"
    if found := report["flash_wear"]:
        yield "flash wear", wear.told(found)
    heap = report["heap_bytes"] or {}
    named = ", ".join(f"{name} {heap[name]}" for name in sorted(heap))
    yield "heap", f"{named} bytes, with the firmware just stopped"


def _surroundings(report: dict[str, Any]) -> Iterator[tuple[str, str]]:
    wifi, clock = report["wifi"], report["clock"]
    if wifi.get("connected"):
        state = f"{wifi.get('address')}, {wifi.get('rssi', '?')} dBm"
    else:
        state = "not joined"
    yield "Wi-Fi", f"{wifi['ssid'] or '-'}: {state}"
    way = "behind" if (clock["ahead_s"] or 0) < 0 else "ahead of"
    yield "clock", f"{clock['now'] or '?'}, {abs(clock['ahead_s'] or 0)} s {way} this laptop's"


def _trust(report: dict[str, Any]) -> Iterator[tuple[str, str]]:
    found = report["certificate"]
    if "not_after" in found:
        yield "certificate", f"{found['subject']}, until {found['not_after']}"
    else:
        yield "certificate", found["fault"] or ("none; claim: " + _yes(found["claim"]))
    for anchor in report["trust"]:
        yield "CA", anchor.get("fault") or f"{anchor['subject']}, until {anchor['not_after']}"
    for role, metadata in report["tuf"].items():
        if metadata is None:
            yield "TUF", f"{role}: not fetched yet"
        else:
            told = f"version {metadata.get('version')}, until {metadata.get('expires')}"
            yield "TUF", f"{role}: {metadata.get('fault') or told}"


def _reading(part: dict[str, Any]) -> str:
    if part["fault"]:
        return str(part["fault"])
    if part.get("driver") == "lamp":
        return "not driven while the firmware is stopped: at full"
    values = part.get("values") or {}
    told = ", ".join(f"{name} {_number(values[name])}" for name in sorted(values))
    return f"{told or 'more than it can measure'} (raw {part.get('raw')})"


def _number(value: object) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)


def _yes(value: object) -> str:
    return "yes" if value else "no"


def verdicts(result: Result, *, restart: bool) -> Iterator[str]:
    """Yield the lines of a self-test."""
    yield f"release {printable(result.version or 'unknown')}"
    for each in result.verdicts:
        told = ", ".join(f"{name} {_number(value)}" for name, value in sorted(each.values.items()))
        word = "pass" if each.passed else "FAIL"
        yield f"{word}  {printable(each.part):<12}{printable(each.why or told)}".rstrip()
    yield _afterwards({"restarted": restart})
