"""What the receiver of a SenML pack does (RFC 8428); a node never loads it.

In this order: `parse` (JSON to a list), `resolve` (base fields onto every record; raises what
makes a whole pack unreadable), then for each record `reason` (why this one cannot be stored).
"""

import json

from firmware.core.errors import FormatError
from firmware.core.filters import accept
from firmware.core.names import URN, is_device_id
from firmware.core.senml import GAP, UNITS, is_gap

RECORDS_LIMIT = 1000
WINDOW_LIMIT_S = 86400
SAMPLES_LIMIT = 100000
_BASES = ("bn", "bt", "bu", "bv", "bs", "bver")
# Below 2**28 a time is relative to now (§4.5.3), which no stored observation may be; the end is
# the year 2242.
_WHOLE = (
    ("t", 2**28, 2**33, "time"),
    ("seq", 0, 2**31 - 1, "seq"),
    ("len", 1, WINDOW_LIMIT_S, "window"),
    ("cnt", 0, SAMPLES_LIMIT, "count"),
    ("exp", 1, SAMPLES_LIMIT, "count"),
)


def parse(body: bytes) -> list:
    """Return the JSON array in `body`; FormatError for anything else."""
    try:
        pack = json.loads(body)
    except (ValueError, RuntimeError) as error:  # RuntimeError: nested beyond the stack
        raise FormatError("not JSON: " + str(error))
    if type(pack) is not list or not pack:
        raise FormatError("a SenML pack is an array of one or more records")
    return pack


def resolve(pack: list) -> list:
    """Return the records with base fields applied (§4.6), `box` too; names are full names.

    FormatError names the record that makes the pack unreadable.
    """
    if len(pack) > RECORDS_LIMIT:
        raise FormatError("more than %d records" % RECORDS_LIMIT)
    base = {"bn": "", "bt": 0, "bu": None, "bv": 0, "bs": 0, "bver": 10, "box": None}
    resolved = []
    for index, record in enumerate(pack):
        try:
            resolved.append(_resolve(record, base))
        except FormatError as error:
            raise FormatError("record %d: %s" % (index, error))
    return resolved


def split_name(name: str) -> tuple | None:
    """Return (device id, stream) of a full name, or None if it is not one of ours."""
    if type(name) is not str or not name.startswith(URN):
        return None
    device, slash, stream = name[len(URN) :].partition("/")
    return (device, stream) if slash and is_device_id(device) else None


def reason(record: dict) -> str | None:
    """Return None for a resolved record that is an observation, else why not, in one word.

    The words are append-only: name, stream, unit, time, box, seq, window, count, value, range.
    """
    name = split_name(record["n"])
    if name is None:
        return "name"
    if name[1] not in UNITS:
        return "stream"
    if record.get("u") != UNITS[name[1]]:
        return "unit"
    if not _is_box(record.get("box")):
        return "box"
    for label, least, greatest, word in _WHOLE:
        if not _whole(record.get(label), least, greatest):
            return word
    return _value_reason(name[1], record)


def _value_reason(stream: str, record: dict) -> str | None:
    labels = [label for label in ("min", "v", "max") if label in record]
    if is_gap(record["cnt"], record["exp"]):
        return None if record.get("vs") == GAP and not labels else "value"
    if "vs" in record or len(labels) != 3 or not all(_is_number(record[x]) for x in labels):
        return "value"
    if not record["min"] <= record["v"] <= record["max"]:
        return "value"
    return None if accept(stream, record["min"]) and accept(stream, record["max"]) else "range"


def _resolve(record: dict, base: dict) -> dict:
    if type(record) is not dict:
        raise FormatError("not an object")
    for label in record:
        if type(label) is not str or label.endswith("_"):
            raise FormatError("unknown label that must be understood (§4.4)")
    for label in base:
        if label in record:
            base[label] = record[label]
    _check_base(base)
    out = {label: value for label, value in record.items() if label not in _BASES}
    out["n"] = base["bn"] + _text(record.get("n", ""), "n")
    out["box"] = base["box"]
    if base["bu"] is not None:
        out.setdefault("u", base["bu"])
    out["t"] = _sum(record, "t", base["bt"])
    for label in ("v", "s"):
        if label in record or base["b" + label]:
            out[label] = _sum(record, label, base["b" + label])
    return out


def _check_base(base: dict) -> None:
    _text(base["bn"], "bn")
    if base["bu"] is not None:
        _text(base["bu"], "bu")
    for label in ("bt", "bv", "bs"):
        if not _is_number(base[label]):
            raise FormatError(label + " is not a number")
    if not _whole(base["bver"], 1, 10):
        raise FormatError("a newer version than 10 (§4.4)")


def _text(value: object, label: str) -> str:
    if type(value) is not str:
        raise FormatError(label + " is not a string")
    return value


def _sum(record: dict, label: str, base: float) -> object:
    # What is no number concerns this record alone: left as it is, for `reason` to name.
    value = record.get(label, 0)
    return base + value if _is_number(value) else value


def _is_box(value: object) -> bool:
    return type(value) is str and len(value) == 8 and all(c in "0123456789abcdef" for c in value)


def _is_number(value) -> bool:  # noqa: ANN001 - whatever JSON holds
    # Neither bool nor NaN nor infinity, which JSON has not but Python's reader takes.
    return type(value) in (int, float) and -1e15 < value < 1e15


def _whole(value: object, least: int, greatest: int) -> bool:
    return type(value) is int and least <= value <= greatest
