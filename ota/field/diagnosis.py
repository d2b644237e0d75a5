"""What a technician should know of a node: gathered over the cable, judged by findings.py.

Order: catch the node, whatever it does; ask what only holds until it is reset; start it softly
and read its flash and its parts; start its firmware anew. What could not be had is None, or says
so as {"fault": why}: a board that is damaged, or none of ours, gets the report that it can get.
"""

import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from cryptography import x509

from firmware.core.names import device_id
from ota.core import bootrecord
from ota.field import asking, wear
from ota.field.cable import Cable
from ota.field.faults import CableError

_CAUSES = {
    "PWRON_RESET": "power on",
    "HARD_RESET": "reset by its firmware, or a panic",
    "WDT_RESET": "watchdog",
    "DEEPSLEEP_RESET": "deep sleep",
    "SOFT_RESET": "soft reset",
}
_VOLUME = ("block_bytes", "blocks", "free")
_OUTBOX = ("segments", "waiting", "windows", "damaged", "lost")
_ROLES = ("root", "timestamp", "snapshot", "targets")

Report = dict[str, Any]


def diagnose(cable: Cable, *, restart: bool = True) -> Report:
    """Return the report of the node at the cable: see `report` for its members.

    restart: start its firmware anew; else it stays at the prompt, for ten minutes at most.
    CableError when nothing answers that could be asked.
    """
    cable.catch(asking.CATCH_S)
    told: dict[str, Any] = dict(asking.answers(cable, "probe", fresh=False))
    ended = ""
    try:
        told.update(asking.answers(cable, "diagnose", f"main({restart})", fresh=True))
    except CableError as error:  # it starts softly no more, or the flash stops it: what there is
        if "chip" not in told:
            raise
        ended = error.message
    found = report(cable.port, told, time.time())
    found["ended_early"] = ended or None
    found["restarted"] = restart and not ended
    return found


def report(port: str, told: Mapping[str, Any], now: float) -> Report:
    """Return what was told in the report's form; `now`: the laptop's clock, unix s.

    node, chip, slots, boot_record, resets, errors, parts, outbox, flash, flash_wear, heap_bytes,
    wifi, clock, certificate, trust, tuf, update and console; `ours`: whether this is a node at
    all.
    """
    config = _dict(told.get("config"))
    outbox = _numbers(told.get("outbox"), _OUTBOX)
    flash = {name: _numbers(told.get(f"volume {name}"), _VOLUME) for name in ("vfs", "data")}
    slots = {name: _slot(told.get(f"slot {name}")) for name in ("a", "b")}
    running = str(told.get("slot") or "").removeprefix("/data/")
    ours = bool(config or any(slots.values()))
    return {
        "port": port,
        "ours": ours,
        "ended_early": None,
        "restarted": None,
        "node": _node(told, config),
        "chip": _or_fault(told.get("chip")),
        "config": {"fault": config.get("fault") or None} if config else None,
        "release": slots.get(running),
        "slot": running if running in slots else None,
        "slots": slots,
        "boot_record": _record(told) if ours else None,
        "resets": _resets(told),
        "errors": _strings(told.get("log")),
        "parts": {
            name.removeprefix("part "): _part(value)
            for name, value in told.items()
            if name.startswith("part ")
        },
        "outbox": outbox,
        "flash": flash,
        "flash_wear": wear.estimate(outbox, flash["data"], _record(told), _resets(told)["starts"]),
        "heap_bytes": _numbers(told.get("heap"), ("free", "used")),
        "wifi": _wifi(told, config),
        "clock": _clock(told, now),
        "certificate": _certificate(told.get("identity")),
        "trust": _trust(told.get("anchors")),
        "tuf": {role: _metadata(told.get(f"tuf {role}")) for role in _ROLES},
        "update": _dict(told.get("update")) or None,
        "console": _console(told.get("console")),
        "files": _strings(told.get("files")),
    }


def _console(value: Any) -> dict[str, Any]:
    """Return whether the console is locked, and to whom; a node without a lock tells nothing."""
    return {"locked": isinstance(value, list), "keys": _strings(value)}


def _node(told: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, Any]:
    mac = str(_dict(told.get("wifi")).get("mac") or "")
    found: dict[str, Any] = {"id": None, "mac": mac or None}
    if re.fullmatch("[0-9a-f]{12}", mac):
        found["id"] = str(device_id(bytes.fromhex(mac)))
    for name in ("name", "site", "position"):
        found[name] = config.get(name)
    found["server"] = _dict(config.get("server")) or None
    return found


def _slot(value: Any) -> dict[str, Any] | None:
    found = _dict(value)
    if not found:
        return None
    if "fault" in found:
        found = {"damaged": ["manifest.jsonl"], "files": 0, **found}
    damaged = found.get("damaged", [])
    found["damaged"] = list(map(str, damaged)) if isinstance(damaged, list) else ["no list of it"]
    found["sound"] = not found["damaged"]
    return found


def _record(told: Mapping[str, Any]) -> dict[str, Any]:
    """Return the boot record, by the rules of the node; `copies`: how many of two are sound."""
    lines = [told.get(f"record {name}") for name in ("a", "b")]
    copies = [line.encode(errors="replace") if isinstance(line, str) else None for line in lines]
    record: dict[str, Any] = dict(bootrecord.newest(copies))
    record["copies"] = sum(bootrecord.decode(copy) is not None for copy in copies)
    return record


def _resets(told: Mapping[str, Any]) -> dict[str, Any]:
    cause = told.get("reset_cause")
    words = [told.get(name) for name in ("crash", "crash.old")]
    return {
        "last": _CAUSES.get(cause, cause) if isinstance(cause, str) else None,
        "starts": _dict(told.get("starts")) or None,
        "last_words": next((each for each in words if isinstance(each, str) and each), None),
    }


def _part(value: Any) -> dict[str, Any]:
    found = _dict(value)
    found["fault"] = found.get("fault") or None
    found["values"] = _dict(found.get("values"))
    return found


def _wifi(told: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, Any]:
    found = _or_fault(told.get("wifi")) or {}
    return {**found, "ssid": config.get("ssid")}


def _clock(told: Mapping[str, Any], now: float) -> dict[str, Any]:
    at = told.get("clock")
    if not isinstance(at, int):
        return {"now": None, "ahead_s": None, "seen": None}
    seen = told.get("seen")
    return {
        "now": moment(at),
        "ahead_s": at - round(now),
        "seen": moment(seen) if isinstance(seen, int) else None,
    }


def _certificate(value: Any) -> dict[str, Any]:
    """Return what the node's certificate says; the key never came here."""
    identity = _dict(value)
    found: dict[str, Any] = {"claim": identity.get("claim"), "fault": identity.get("fault")}
    text = identity.get("certificate")
    if isinstance(text, str):
        return found | _dates(text)
    if identity.get("there"):
        found["fault"] = "the file of key and certificate is damaged"
    return found


def _trust(value: Any) -> list[dict[str, Any]]:
    return [_dates(text) for text in _strings(value)]


def _dates(text: str) -> dict[str, Any]:
    """Return subject, serial number and validity of a certificate in hexadecimal DER."""
    try:
        certificate = x509.load_der_x509_certificate(bytes.fromhex(text))
        return {
            "subject": certificate.subject.rfc4514_string(),
            "serial": f"{certificate.serial_number:x}",
            "not_before": _iso(certificate.not_valid_before_utc),
            "not_after": _iso(certificate.not_valid_after_utc),
        }
    except (ValueError, x509.InvalidVersion) as error:
        first, _, _ = str(error).partition("\n")
        return {"fault": f"no certificate: {first[:80]}"}


def _metadata(value: Any) -> dict[str, Any] | None:
    found = _dict(value)
    if "fault" in found or not found:
        return found or None
    return {"version": found.get("version"), "expires": found.get("expires")}


def _numbers(value: Any, names: tuple[str, ...]) -> dict[str, Any] | None:
    """Return what was counted; a fault when a number is missing, or is none."""
    found = _or_fault(value)
    if found is None or "fault" in found:
        return found
    if all(type(found.get(name)) is int for name in names):
        return found
    return {"fault": "it makes no sense"}


def _or_fault(value: Any) -> dict[str, Any] | None:
    return dict(value) if isinstance(value, dict) else None


def _dict(value: Any) -> dict[str, Any]:
    return dict(value) if isinstance(value, dict) else {}


def _strings(value: Any) -> list[str]:
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []


def moment(unix_s: float) -> str:
    """Return a time as ISO 8601 in UTC; one that no calendar has as seconds."""
    try:
        return _iso(datetime.fromtimestamp(unix_s, UTC))
    except (ValueError, OverflowError, OSError):
        return f"{unix_s} s"


def _iso(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
