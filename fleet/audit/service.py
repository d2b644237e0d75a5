"""Appending to and reading from the audit. There is nothing else to do with it."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import and_, func, insert, not_, select
from sqlalchemy.ext.asyncio import AsyncSession

from fleet import limits
from fleet.access.scope import Scope
from fleet.audit.models import Event
from fleet.paging import Before, newest_first

# The row that other domains may hold: they reach it through here, not through the models.
__all__ = ["Event"]

DONE = "done"
REFUSED = "refused"
_SUBJECT_CHARS = 200


@dataclass
class Refusals:
    """Bounds what callers without a name can write: so many a minute, the rest is counted."""

    minute: int = 0
    written: int = 0
    suppressed: int = 0

    def admit(self, now: int) -> bool:
        """Say whether this refusal is written; one that is not is counted."""
        if now // 60 != self.minute:
            self.minute, self.written = now // 60, 0
        if self.written < limits.REFUSALS_PER_MINUTE:
            self.written += 1
            return True
        self.suppressed += 1
        return False

    def take_suppressed(self) -> int:
        """Return and forget how many were only counted."""
        count, self.suppressed = self.suppressed, 0
        return count


def record(
    session: AsyncSession,
    now: int,
    actor: str,
    act: str,
    subject: str,
    *,
    site: str | None = None,
    outcome: str = DONE,
    **detail: Any,
) -> None:
    """Append one event in the session's transaction: the act and its record share one fate."""
    session.add(
        Event(
            at=now,
            actor=actor,
            act=act,
            subject=subject[:_SUBJECT_CHARS],
            site=site,
            outcome=outcome,
            detail=detail,
        )
    )


async def record_each(
    session: AsyncSession,
    now: int,
    actor: str,
    act: str,
    subjects: Iterable[tuple[str, str]],
    **detail: Any,
) -> None:
    """Append one event for each (subject, site): what is done to thousands is one statement."""
    rows = [
        {
            "at": now,
            "actor": actor,
            "act": act,
            "subject": subject[:_SUBJECT_CHARS],
            "site": site,
            "outcome": DONE,
            "detail": detail,
        }
        for subject, site in subjects
    ]
    if rows:
        await session.execute(insert(Event), rows)


async def count(session: AsyncSession, subject: str, act: str, since: int) -> int:
    """Count the events of an act about a subject since then (unix seconds)."""
    query = select(func.count()).where(
        Event.subject == subject, Event.at >= since, Event.act == act
    )
    return await session.scalar(query) or 0


async def page(
    session: AsyncSession, scope: Scope, *, before: int | None, limit: int
) -> Sequence[Event]:
    """Return events of the scope, newest first. Events of no site are for all-site tokens."""
    query = select(Event).order_by(Event.id.desc()).limit(limit)
    if before is not None:
        query = query.where(Event.id < before)
    if not scope.everywhere:
        query = query.where(Event.site.in_(scope.sites))
    return (await session.scalars(query)).all()


async def about(
    session: AsyncSession,
    scope: Scope,
    device_id: str,
    *,
    refusals: bool,
    told: Collection[str],
    before: Before | None,
    limit: int,
) -> Sequence[Event]:
    """Return the scope's events about a node, newest first; with *refusals*, also these.

    told: acts that are left out where they are the node's own, since it tells them elsewhere.
    """
    own = and_(Event.act.in_(told), Event.actor == f"node:{device_id}")
    query = select(Event).where(Event.subject == device_id, not_(own))
    if not refusals:
        query = query.where(Event.outcome == DONE)
    if not scope.everywhere:
        query = query.where(Event.site.in_(scope.sites))
    query = newest_first(query, Event.at, Event.id, before)
    return (await session.scalars(query.limit(limit))).all()
