"""What a node's report comes to: findings, each with what to do next. Pure."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

FAULT, WARNING, NOTE = "fault", "warning", "note"
_ORDER = (FAULT, WARNING, NOTE)
_SOON = timedelta(days=14)
_CLOCK_S = 300
_WEAK_DBM = -80
_BUILT_LEAST_S = 1_577_836_800  # 2020: a chip's clock that was never set
_DATA_BLOCKS = 24  # what an update needs beside the outbox (firmware/tasks/outbox.py)
_VFS_BLOCKS = 4
_WAITING = 12  # windows: two hours at ten minutes
_PROVISION = "`lamppost node provision`"
_IMAGE = "write a whole image: `lamppost node image`, then `lamppost node flash`"


@dataclass(frozen=True)
class Finding:
    """`severity`: "fault", "warning" or "note"; `what` was found, and what to do `next`."""

    severity: str
    what: str
    next: str


def judge(report: dict[str, Any], now: datetime) -> list[Finding]:
    """Return what a report (diagnosis.py) gives reason to do, the worst first."""
    if not report["ours"]:
        found = list(_foreign(report))
    else:
        site = _SITE if report["config"] else (_unprovisioned,)
        found = [finding for rule in (*_ANY, *site) for finding in rule(report, now)]
    return sorted(found, key=lambda each: _ORDER.index(each.severity))


def _foreign(report: dict[str, Any]) -> Iterator[Finding]:
    runtime = (report["chip"] or {}).get("micropython", "of unknown version")
    names = set(report["files"]) - {"boot.py", "data", "lib", "etc"}
    if names:
        what = f"MicroPython {runtime} with another firmware ({', '.join(sorted(names)[:5])})"
    else:
        what = f"MicroPython {runtime} without a firmware"
    yield Finding(FAULT, f"no node of ours: {what}", f"to make it one, {_IMAGE}")


def _configuration(report: dict[str, Any], _: datetime) -> Iterator[Finding]:
    if report["config"]["fault"]:
        yield Finding(
            FAULT,
            f"configuration: {report['config']['fault']}; the last valid one is in force, if any",
            "give it a right one: " + _PROVISION,
        )


def _unprovisioned(_report: dict[str, Any], _: datetime) -> Iterator[Finding]:
    yield Finding(FAULT, "not provisioned: it has no configuration", _PROVISION)


def _early(report: dict[str, Any], _: datetime) -> Iterator[Finding]:
    if report["ended_early"]:
        yield Finding(
            FAULT, f"the node did not answer to the end: {report['ended_early']}", _IMAGE
        )


def _slots(report: dict[str, Any], _: datetime) -> Iterator[Finding]:
    bad = {name: slot for name, slot in report["slots"].items() if not (slot and slot["sound"])}
    if len(bad) == 2:
        yield Finding(
            FAULT,
            "both slots are damaged",
            "give it its network: the rescue fetches a release by itself; else " + _IMAGE,
        )
        return
    for name, slot in bad.items():
        what = ", ".join(slot["damaged"]) if slot else "it is empty"
        runs = name == report["slot"]
        yield Finding(
            FAULT if runs else WARNING,
            f"slot {name}: {what}; " + ("it runs nevertheless" if runs else "no way back"),
            "any update fills it again: a rollout, or `lamppost node deploy`",
        )


def _record(report: dict[str, Any], _: datetime) -> Iterator[Finding]:
    record = report["boot_record"]
    if not record["copies"]:
        yield Finding(WARNING, "no copy of the boot record is sound", "the next update mends it")
    if record["state"] != "steady":
        yield Finding(
            NOTE,
            f"release {record['version']} is on trial: {record['minutes']} of 30 minutes with"
            f" power, {record['boots']} starts",
            "let it reach its server: one accepted poll keeps the release",
        )
    if record["outcome"] not in ("", "confirmed"):
        yield Finding(
            WARNING,
            f"{record['outcome'].replace('_', ' ')}: {record['reason']}",
            "its server hears of it with the next poll; mend what the reason names",
        )
    if record["crashes"]:
        yield Finding(
            WARNING,
            f"{record['crashes']} unplanned resets since the slot was last healthy",
            "see the errors above; after five it changes to the other slot",
        )


def _resets(report: dict[str, Any], _: datetime) -> Iterator[Finding]:
    words = report["resets"]["last_words"]
    if words:
        yield Finding(WARNING, f"the run before ended: {words}", "report it with this diagnosis")
    starts = report["resets"]["starts"] or {}
    dogs = starts.get("watchdog")
    if isinstance(dogs, int) and dogs:
        yield Finding(
            NOTE, f"{dogs} starts by the watchdog so far", "when it rises, look at power and parts"
        )


def _identity(report: dict[str, Any], now: datetime) -> Iterator[Finding]:
    found = report["certificate"]
    claim = f"{_PROVISION} brings a fresh claim token"
    if found["fault"]:
        yield Finding(FAULT, f"identity: {found['fault']}", f"let it enrol anew: {claim}")
    elif "not_after" not in found and not found["claim"]:
        yield Finding(FAULT, "no certificate, and no claim token to get one with", claim)
    elif "not_after" not in found:
        yield Finding(
            WARNING,
            "not enrolled yet: it holds a claim token",
            "give it network; a token that has expired or was used is refused: " + claim,
        )
    else:
        yield from _expiry("certificate", found["not_after"], now, "the node renews it by itself")
    if not report["trust"]:
        yield Finding(FAULT, "no CA certificate: it trusts no server", _PROVISION)
    for each in report["trust"]:
        if "fault" in each:
            yield Finding(FAULT, f"CA certificate: {each['fault']}", _PROVISION)
        else:
            yield from _expiry("CA certificate", each["not_after"], now, _PROVISION)


def _expiry(what: str, until: str, now: datetime, then: str) -> Iterator[Finding]:
    at = _moment(until)
    if at is None:
        yield Finding(FAULT, f"{what}: expires at {until!r}, which is no time", then)
    elif at <= now:
        yield Finding(FAULT, f"{what}: expired on {until}", then)
    elif at - now < _SOON:
        yield Finding(WARNING, f"{what}: expires on {until}", then)


def _network(report: dict[str, Any], _: datetime) -> Iterator[Finding]:
    wifi = report["wifi"]
    if not wifi.get("connected"):
        yield Finding(
            WARNING,
            f"no Wi-Fi: {wifi['ssid'] or 'no network is configured'} was not joined",
            "is the access point in reach, and the password right? The node tries on",
        )
    elif isinstance(wifi.get("rssi"), int) and wifi["rssi"] < _WEAK_DBM:
        yield Finding(
            WARNING, f"weak Wi-Fi: {wifi['rssi']} dBm", "move the antenna or the access point"
        )
    box = report["outbox"] or {}
    if "fault" in box:
        yield Finding(WARNING, f"the outbox cannot be read: {box['fault']}", "none, if it is new")
        return
    if box.get("waiting", 0) > _WAITING:
        yield Finding(
            WARNING,
            f"{box['waiting']} windows wait for the server",
            "they are kept: see Wi-Fi, clock and certificate, then the server's side",
        )
    if box.get("damaged"):
        yield Finding(
            NOTE, f"damaged lines in the outbox: {box['damaged']}", "a power cut leaves one"
        )


def _time(report: dict[str, Any], _: datetime) -> Iterator[Finding]:
    clock = report["clock"]
    at = _moment(clock["now"] or "")
    if at is None or at.timestamp() < _BUILT_LEAST_S:
        yield Finding(
            WARNING,
            "the clock has not been set",
            "give it network; are its time servers in reach?",
        )
    elif abs(clock["ahead_s"]) > _CLOCK_S:
        way = "ahead of" if clock["ahead_s"] > 0 else "behind"
        yield Finding(
            WARNING,
            f"the clock is {abs(clock['ahead_s'])} s {way} this laptop's",
            "if the laptop is right: look at the node's time servers",
        )


def _tuf(report: dict[str, Any], now: datetime) -> Iterator[Finding]:
    for role, found in report["tuf"].items():
        if found is None:
            if role == "root":
                yield Finding(FAULT, "no TUF root: it can verify no release", _IMAGE)
        elif "fault" in found:
            yield Finding(
                FAULT if role == "root" else WARNING,
                f"TUF {role} cannot be read: {found['fault']}",
                _IMAGE if role == "root" else "it is fetched anew with the next update",
            )
        elif (at := _moment(str(found["expires"]))) is None or at <= now:
            yield Finding(
                WARNING if role == "root" else NOTE,
                f"TUF {role} {found['version']} expired on {found['expires']}",
                "the next update needs the server's newer one",
            )


def _flash(report: dict[str, Any], _: datetime) -> Iterator[Finding]:
    for name, least in (("data", _DATA_BLOCKS), ("vfs", _VFS_BLOCKS)):
        found = report["flash"][name] or {}
        if "free" not in found:
            yield Finding(FAULT, f"{name} is not mounted: {found.get('fault')}", _IMAGE)
        elif found["free"] < least:
            yield Finding(
                WARNING,
                f"{name}: {found['free']} of {found['blocks']} blocks are free, {least} needed",
                "remove what does not belong there (mpremote fs ls, rm)",
            )

    wear = report["flash_wear"]
    if wear and 2 * wear["erases_per_block"] > wear["rated"]:
        yield Finding(
            WARNING,
            f"data: each block has been erased some {wear['erases_per_block']} times (estimated),"
            f" of {wear['rated']}",
            "plan another board for this post, or longer windows (window_s)",
        )


def _console(report: dict[str, Any], _: datetime) -> Iterator[Finding]:
    if not report["console"]["locked"]:
        yield Finding(
            NOTE,
            "the console is open: whoever has a cable reads its keys",
            "lock it to technicians' keys: `lamppost node provision --lock CARD`",
        )


def _parts(report: dict[str, Any], _: datetime) -> Iterator[Finding]:
    for name, part in report["parts"].items():
        if part["fault"]:
            yield Finding(
                FAULT,
                f"part {name} ({part.get('driver')}): {part['fault']}",
                "look at its plug, its power and the pins in the configuration",
            )


def _moment(text: str) -> datetime | None:
    with contextlib.suppress(ValueError):
        at = datetime.fromisoformat(text)
        return at if at.tzinfo else at.replace(tzinfo=UTC)
    return None


_ANY = (_early, _slots, _record, _resets, _tuf, _flash)
# Of a node that has been provisioned.
_SITE = (_configuration, _identity, _network, _time, _console, _parts)
