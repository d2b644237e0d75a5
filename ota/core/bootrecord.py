"""The boot record: the confirmed slot, the slot on trial, and what the last trial came to.

Two copies lie on flash; each write replaces the older one, so a damaged copy costs at most one
step. This one file is codec and rules for the boot code (compiled to `/lib`), for the updater in
the slot and for the host; it imports nothing of the project and does no I/O.

A copy is one line: CRC-32 of the JSON as 8 hex digits, a space, a JSON object, a newline; at most
512 bytes. Keys are append-only; a key that is not known here is kept. A record is a plain dict:

    n         write counter, 32 bits, wraps (compared by serial-number arithmetic, RFC 1982)
    slot      the confirmed slot, "a" or "b"
    state     "steady", "staged" (trial wanted, not begun) or "trying" (trial begun)
    trial     the slot on trial, "" when steady
    manifest  first 16 hex digits of the SHA-256 of the trial's manifest
    action    the server's name of the trial's update, kept until its outcome is reported
    version   the trial's version, likewise
    boots     starts of this trial that nobody is to blame for (power, planned resets)
    minutes   powered minutes this trial has used
    planned   1 when the next reset was written down before it was made
    crashes   unplanned resets of the confirmed slot since it was last healthy
    pending   starts of another app partition that were asked for and not yet seen
    spoilt    the slot whose trial failed last, or that fell below the security floor (crashes
              never lead there), "" when its content is new or good
    tries     {manifest: [failures, deferrals]} of the last three manifests
    outcome   "", "confirmed", "rolled_back", "deferred" or "fell", until it is reported
    reason    why, for people, at most 64 characters

Order of a trial: stage, planned reset, decide, self-test; then confirm, fail or defer.
"""

import json
from binascii import crc32

LIMIT_BYTES = 512
FAILURES_MAX = 3  # the same manifest is refused after so many failed trials
BOOTS_MAX = 10  # blameless starts in one trial; one more counts as a failure
DEFERRALS_MAX = 10  # likewise trials that found no network
CRASHES_MAX = 5  # unplanned resets before the confirmed slot was healthy
TRIAL_MINUTES = 30  # powered minutes a trial may take
_TRIES_MAX = 3
_TEXT_MAX = {"manifest": 16, "action": 24, "version": 32, "reason": 64}
_STATES = ("steady", "staged", "trying")


def fresh() -> dict:
    """Give the record of a node that never took an update."""
    return {
        "n": 0,
        "slot": "a",
        "state": "steady",
        "trial": "",
        "manifest": "",
        "action": "",
        "version": "",
        "boots": 0,
        "minutes": 0,
        "planned": 0,
        "crashes": 0,
        "pending": 0,
        "spoilt": "",
        "tries": {},
        "outcome": "",
        "reason": "",
    }


def other(slot: str) -> str:
    """Name the slot that is not `slot`."""
    return "a" if slot == "b" else "b"


def running(record: dict) -> str:
    """Name the slot that runs under this record."""
    return record["trial"] if record["state"] == "trying" else record["slot"]


def encode(record: dict) -> bytes:
    """Write one copy as bytes, never more than LIMIT_BYTES.

    A record that has outgrown the limit (keys of a later version) sheds what the choice of a slot
    does not need, rather than keep a node from starting.
    """
    data = _line(record)
    if len(data) > LIMIT_BYTES:
        small = fresh()
        for key in small:
            if type(small[key]) is int or key in ("slot", "state", "trial", "spoilt", "outcome"):
                small[key] = record[key]
        small["manifest"] = record["manifest"][:16]
        data = _line(small)
    return data


def _line(record: dict) -> bytes:
    body = json.dumps(record).encode()
    return b"%08x %s\n" % (crc32(body), body)


def decode(data: bytes | None) -> dict | None:
    """Read one copy; None when it is missing, damaged or makes no sense."""
    if not data or len(data) > LIMIT_BYTES or data[8:9] != b" " or data[-1:] != b"\n":
        return None
    try:
        body = bytes(data[9:-1])
        if int(bytes(data[:8]), 16) != crc32(body):
            return None
        found = json.loads(body)
        record = fresh()
        record.update(found)
    except (ValueError, TypeError, AttributeError):
        return None
    return record if _sound(record) else None


def _sound(record: dict) -> bool:
    for key, default in fresh().items():
        if type(record[key]) is not type(default):
            return False
    trial = record["trial"]
    if record["slot"] not in ("a", "b") or record["state"] not in _STATES:
        return False
    return trial == ("" if record["state"] == "steady" else other(record["slot"]))


def newest(copies: list) -> dict:
    """Pick the newest sound record of the copies' bytes (or None); fresh() when none is sound."""
    best = None
    for data in copies:
        record = decode(data)
        if record and (best is None or 0 < (record["n"] - best["n"]) & 0xFFFFFFFF < 0x80000000):
            best = record
    return best or fresh()


def seal(record: dict) -> tuple:
    """Count one more write: (index of the copy to replace, its bytes, the record as written)."""
    record = dict(record)
    record["n"] = (record["n"] + 1) & 0xFFFFFFFF
    return record["n"] & 1, encode(record), record


def refused(record: dict, manifest: str) -> bool:
    """Say whether this manifest (SHA-256, hex) has failed too many trials to get another."""
    return record["tries"].get(manifest[:16], (0, 0))[0] >= FAILURES_MAX


def stage(record: dict, slot: str, manifest: str, action: str = "", version: str = "") -> dict:
    """Want a trial of `slot`, complete and verified. ValueError when it may not have one."""
    if slot != other(record["slot"]) or record["state"] == "trying":
        raise ValueError("slot %s is in use" % slot)
    if refused(record, manifest):
        raise ValueError("manifest %s has failed %d trials" % (manifest[:16], FAILURES_MAX))
    record = _steady(record)
    record["state"] = "staged"
    record["trial"] = slot
    record["manifest"] = _text("manifest", manifest)
    record["action"] = _text("action", str(action))
    record["version"] = _text("version", version)
    record["spoilt"] = ""
    record["outcome"] = record["reason"] = ""
    return record


def decide(record: dict, cause: str, note: str = "") -> dict:
    """Judge the reset that led here; `running` of the answer is the slot to start.

    `cause`: "power_on", "hard", "watchdog", "soft" or "deep_sleep"; `note`: what the last run left
    behind as its last words. The answer must be on flash before anything of the slot is imported.
    """
    word = started(record, cause, note)
    crashed = word in ("watchdog", "crash", "hard")
    why = note or ("watchdog" if word == "watchdog" else "crash")
    record = dict(record)
    record["planned"] = 0
    if record["state"] == "staged":
        record["state"] = "trying"
    elif record["state"] == "trying":
        if crashed:
            return fail(record, why)
        if cause != "soft":
            record["boots"] += 1
        if record["boots"] > BOOTS_MAX:
            return fail(record, "%d starts without a confirmation" % record["boots"])
    elif crashed:
        record["crashes"] += 1
        if record["crashes"] >= CRASHES_MAX and record["spoilt"] != other(record["slot"]):
            return fall(record, why)
    return record


def started(record: dict, cause: str, note: str = "") -> str:
    """Name what led to a start, by the record before `decide`: a word, append-only.

    "power_on", "soft", "watchdog"; for a hard reset "crash" with last words, which outweigh a
    plan, "planned" when it was written down first, else "hard": a panic.
    """
    if cause == "hard":
        return "crash" if note else "planned" if record["planned"] else "hard"
    return "planned" if cause == "deep_sleep" else cause


def planned(record: dict) -> dict:
    """Write down that the next hard reset is wanted."""
    record = dict(record)
    record["planned"] = 1
    return record


def confirm(record: dict) -> dict:
    """Make the slot on trial the confirmed one. ValueError when none has been started."""
    if record["state"] != "trying":
        raise ValueError("no slot is on trial")
    slot = record["trial"]
    record = _steady(record)
    record["tries"].pop(record["manifest"], None)
    record["slot"] = slot
    record["spoilt"] = record["reason"] = ""
    record["outcome"] = "confirmed"
    return record


def fail(record: dict, reason: str) -> dict:
    """End the trial with blame: back to the confirmed slot. ValueError when there is no trial."""
    _need_trial(record)
    return _back(record, "rolled_back", reason, 0)


def defer(record: dict, reason: str) -> dict:
    """End the trial without blame, to be tried later; too many of these count as a failure."""
    _need_trial(record)
    entry = record["tries"].get(record["manifest"], (0, 0))
    if entry[1] + 1 >= DEFERRALS_MAX:
        return _back(record, "rolled_back", reason, 0)
    return _back(record, "deferred", reason, 1)


def fall(record: dict, reason: str) -> dict:
    """Leave the confirmed slot, damaged or crashing, for the other one."""
    slot = other(record["slot"])
    record = _steady(record)
    record["slot"] = slot
    record["outcome"] = "fell"
    record["reason"] = _text("reason", reason)
    return record


def spend(record: dict, minutes: int) -> dict:
    """Charge powered minutes to the trial."""
    record = dict(record)
    record["minutes"] += minutes
    return record


def healthy(record: dict) -> dict:
    """Forget the crashes: the confirmed slot has proved itself. The same record when none."""
    if not record["crashes"]:
        return record
    record = dict(record)
    record["crashes"] = 0
    return record


def reported(record: dict) -> dict:
    """Forget the outcome: it has been told, or is safe in the reports."""
    record = dict(record)
    record["outcome"] = record["reason"] = ""
    return record


def _need_trial(record: dict) -> None:
    if record["state"] == "steady":
        raise ValueError("no slot is on trial")


def _text(key: str, text: str) -> str:
    """Printable ASCII without what JSON escapes, so that its length is known."""
    text = text[: _TEXT_MAX[key]]
    return "".join([c if " " <= c <= "~" and c not in '"\\' else "'" for c in text])


def _steady(record: dict) -> dict:
    record = dict(record)
    record["tries"] = dict(record["tries"])
    record["state"] = "steady"
    record["trial"] = ""
    for key in ("boots", "minutes", "planned", "crashes", "pending"):
        record[key] = 0
    return record


def _back(record: dict, outcome: str, reason: str, column: int) -> dict:
    spoilt = record["trial"] if column == 0 else ""
    record = _steady(record)
    entry = list(record["tries"].pop(record["manifest"], (0, 0)))
    entry[column] += 1
    if column == 0:
        entry[1] = 0
    while len(record["tries"]) >= _TRIES_MAX:  # dicts keep no order there: forget the least guilty
        record["tries"].pop(min(record["tries"], key=lambda m: record["tries"][m][0]))
    record["tries"][record["manifest"]] = entry
    record["outcome"] = outcome
    record["reason"] = _text("reason", reason)
    record["spoilt"] = spoilt
    return record
