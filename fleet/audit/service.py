"""Appending to and reading from the audit. There is nothing else to do with it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from fleet import limits
from fleet.access.scope import Scope
from fleet.audit.models import Event

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
