"""PURE: a SenML pack (RFC 8428) of one node to observations and named refusals.

`firmware.core.senml_decode` holds the rules; here are the CBOR labels, the server's clock and
whose pack it is.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

import cbor2

from firmware.core import senml_decode
from firmware.core.errors import FormatError
from fleet import limits
from fleet.telemetry.errors import ForeignPack, UnreadablePack

JSON = "application/senml+json"
CBOR = "application/senml+cbor"
FUTURE = "future"  # joins the append-only words of senml_decode.reason
_DEPTH = 4
# RFC 8428 §6, Table 4.
_LABELS = {
    -1: "bver",
    -2: "bn",
    -3: "bt",
    -4: "bu",
    -5: "bv",
    -6: "bs",
    0: "n",
    1: "u",
    2: "v",
    3: "vs",
    4: "vb",
    5: "s",
    6: "t",
    7: "ut",
    8: "vd",
}
# Tags that cbor2 would turn into numbers of any size, shared or cyclic values, patterns …
_TAGS = (0, 1, 2, 3, 4, 5, 25, 28, 29, 30, 35, 36, 37, 100, 256, 258, 260, 261, 1004, 43000)


@dataclass(frozen=True)
class Read:
    """Rows ready for the table, by no order, and (index, reason) of each record refused."""

    rows: list[dict[str, Any]]
    rejected: list[tuple[int, str]]


def read(body: bytes, media_type: str, device_id: str, now: int) -> Read:
    """Read a pack. Raises UnreadablePack for what is none, ForeignPack for another node's."""
    try:
        records = senml_decode.parse(body) if media_type == JSON else _parse_cbor(body)
        resolved = senml_decode.resolve(records)
    except FormatError as error:
        raise UnreadablePack(str(error)) from error
    names = [senml_decode.split_name(record["n"]) for record in resolved]
    if any(name is not None and name[0] != device_id for name in names):
        raise ForeignPack("the pack holds records of another node")
    rows, rejected = [], []
    for index, (record, name) in enumerate(zip(resolved, names, strict=True)):
        reason = senml_decode.reason(record)
        if reason is None and record["t"] > now + limits.FUTURE_S:
            reason = FUTURE
        if reason is not None:
            rejected.append((index, reason))
        elif name is not None:
            rows.append(_row(device_id, name[1], record, now))
    return Read(rows, rejected)


def _row(device_id: str, stream: str, record: Mapping[str, Any], now: int) -> dict[str, Any]:
    return {
        "device_id": device_id,
        "box": record["box"],
        "seq": record["seq"],
        "stream": stream,
        "unit": record["u"],
        "time": record["t"],
        "length": record["len"],
        "value": _number(record.get("v")),
        "minimum": _number(record.get("min")),
        "maximum": _number(record.get("max")),
        "count": record["cnt"],
        "expected": record["exp"],
        "received_at": now,
    }


def _number(value: float | None) -> float | None:
    return None if value is None else float(value)


def _refuse_tag(*_: object) -> NoReturn:
    raise ValueError("tags have no meaning in a SenML pack")


def _parse_cbor(body: bytes) -> list[Any]:
    try:
        pack = cbor2.loads(
            body,
            max_depth=_DEPTH,
            semantic_decoders=dict.fromkeys(_TAGS, _refuse_tag),
            tag_hook=_refuse_tag,
            allow_duplicate_keys=False,
        )
    except (cbor2.CBORError, ValueError, RecursionError, OverflowError, TypeError) as error:
        raise FormatError("not CBOR: " + str(error)[:100]) from error
    if not isinstance(pack, list) or not pack:
        raise FormatError("a SenML pack is an array of one or more records")
    return [_labelled(record) for record in pack]


def _labelled(record: object) -> object:
    if not isinstance(record, dict):
        return record
    named: dict[str, Any] = {}
    for label, value in record.items():
        name = label if isinstance(label, str) else _LABELS.get(label)
        # Without the type check, True would be label 1.
        if name is None or isinstance(label, bool) or name in named:
            raise FormatError(f"label {str(label)[:20]} is unknown or doubled")
        named[name] = value
    return named
