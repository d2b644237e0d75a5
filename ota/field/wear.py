"""How worn a node's flash is, estimated: LittleFS counts nothing, and takes free blocks in turn.

A window costs two erases of a block (kept, then marked as sent: measured, 1.9 on average), a write
of the boot record and a start one each. Updates, the log, and what an outbox that was damaged had
counted before are not in it; a folder's own blocks get up to 100 more before LittleFS moves them.
"""

from collections.abc import Mapping
from typing import Any

RATED = 100_000
"""Erases that a NOR flash stands, by its makers' data sheets."""


def estimate(
    outbox: Mapping[str, Any] | None,
    data: Mapping[str, Any] | None,
    record: Mapping[str, Any],
    starts: Mapping[str, Any] | None,
) -> dict[str, Any] | None:
    """Return the erases of each block of `/data` that is in turn; None without ground for it.

    `outbox`, `data`, `record`, `starts`: as a report has them (diagnosis.py).
    """
    if not outbox or not data or "fault" in outbox or "fault" in data:
        return None
    counted = sum(count for count in (starts or {}).values() if type(count) is int)
    erases = 2 * outbox["windows"] + record["n"] + counted
    in_turn = max(1, data["free"] + outbox["segments"])
    return {
        "estimated": True,
        "erases_per_block": -(-erases // in_turn),
        "rated": RATED,
        "blocks_in_turn": in_turn,
        "windows": outbox["windows"],
        "boot_records": record["n"],
    }


def told(found: Mapping[str, Any]) -> str:
    """Return an estimate for people."""
    share = 100 * found["erases_per_block"] / found["rated"]
    return (
        f"data: estimated {found['erases_per_block']} of {found['rated']} erases a block"
        f" ({share:.1f} %), by {found['windows']} windows over {found['blocks_in_turn']} blocks"
    )
