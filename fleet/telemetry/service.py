"""Observations in (idempotent) and out (in pages)."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from fleet.db import Database
from fleet.telemetry.models import Observation

Cursor = tuple[int, str, str, int]
_KEY = ("box", "seq", "stream")
_CHUNK = 500  # rows a statement: well below both engines' bounds on parameters


async def store(session: AsyncSession, database: Database, rows: list[dict[str, Any]]) -> int:
    """Insert the rows that are not there yet and return how many those were.

    A row is there when (device, box, seq, stream) is; the first one stands.
    """
    # One order for all: two transactions with the same rows must not lock them crosswise.
    ordered = sorted(rows, key=lambda row: tuple(row[name] for name in _KEY))
    stored = 0
    for start in range(0, len(ordered), _CHUNK):
        statement = (
            database.insert(Observation)
            .values(ordered[start : start + _CHUNK])
            .on_conflict_do_nothing()
            .returning(Observation.seq)
        )
        stored += len((await session.execute(statement)).all())
    return stored


async def page(
    session: AsyncSession,
    device_id: str,
    *,
    stream: str | None,
    since: int | None,
    until: int | None,
    after: Cursor | None,
    limit: int,
) -> Sequence[Observation]:
    """Return observations of a device by time; since ≤ time < until, unix seconds."""
    order = (Observation.time, Observation.stream, Observation.box, Observation.seq)
    query = select(Observation).where(Observation.device_id == device_id)
    if stream is not None:
        query = query.where(Observation.stream == stream)
    if since is not None:
        query = query.where(Observation.time >= since)
    if until is not None:
        query = query.where(Observation.time < until)
    if after is not None:
        query = query.where(tuple_(*order) > tuple_(*after))
    return (await session.scalars(query.order_by(*order).limit(limit))).all()
