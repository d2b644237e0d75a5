"""Heartbeats taken in, last values and events given out."""

from collections.abc import Sequence

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from fleet import limits
from fleet.heartbeat import changes
from fleet.heartbeat.changes import Known
from fleet.heartbeat.models import Heartbeat, NodeEvent
from fleet.heartbeat.parse import Said
from fleet.heartbeat.words import NUMBERS
from fleet.paging import Before, newest_first

# The rows that other domains may hold: they reach them through here, not through the models.
__all__ = ["Heartbeat", "NodeEvent"]


async def take(
    session: AsyncSession,
    now: int,
    device_id: str,
    said: Said,
    version: str | None,
    *,
    whole: bool,
) -> int | None:
    """Write a heartbeat down and what it tells of; return the node's unplanned restarts so far.

    The caller holds the device's row, so that two heartbeats of one node come in turn.
    """
    row = await last(session, device_id)
    after, happened = changes.follow(_known(row), said, version, whole=whole)
    if row is None:
        row = Heartbeat(device_id=device_id)
        session.add(row)
    _write(row, now, after)
    if happened:
        session.add_all(
            NodeEvent(device_id=device_id, at=now, kind=change.kind, detail=change.detail)
            for change in happened
        )
        await session.flush()
        await _trim(session, device_id)
    return after.restarts


def _known(row: Heartbeat | None) -> Known | None:
    if row is None:
        return None
    numbers = {name: getattr(row, name) for name in NUMBERS}
    return Known(
        version=row.version,
        numbers={name: value for name, value in numbers.items() if value is not None},
        starts=row.starts,
        errors=row.errors,
        clock=row.clock,
        restarts=row.restarts,
        refusals=row.refusals,
        refused=row.refused,
    )


def _write(row: Heartbeat, now: int, known: Known) -> None:
    row.at = now
    for name in NUMBERS:
        setattr(row, name, known.numbers.get(name))
    for name in ("version", "starts", "errors", "clock", "restarts", "refusals", "refused"):
        setattr(row, name, getattr(known, name))


async def _trim(session: AsyncSession, device_id: str) -> None:
    """Let go of the oldest events of a node beyond what is kept."""
    mine = NodeEvent.device_id == device_id
    newest = select(NodeEvent.id).where(mine).order_by(NodeEvent.id.desc())
    surplus = newest.offset(limits.EVENTS).limit(1).scalar_subquery()
    await session.execute(delete(NodeEvent).where(mine, NodeEvent.id <= surplus))


async def last(session: AsyncSession, device_id: str) -> Heartbeat | None:
    """Return a node's last values."""
    return await session.get(Heartbeat, device_id)


async def restarts(session: AsyncSession, device_id: str) -> int | None:
    """Return a node's unplanned restarts so far, or None when it never told any."""
    query = select(Heartbeat.restarts).where(Heartbeat.device_id == device_id)
    return await session.scalar(query)


async def events(
    session: AsyncSession, device_id: str, *, before: Before | None, limit: int
) -> Sequence[NodeEvent]:
    """Return what a node's heartbeats told, newest first."""
    query = select(NodeEvent).where(NodeEvent.device_id == device_id)
    query = newest_first(query, NodeEvent.at, NodeEvent.id, before)
    return (await session.scalars(query.limit(limit))).all()
