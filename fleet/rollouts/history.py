"""What a node said of its updates, over all rollouts."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from fleet.paging import Before, newest_first
from fleet.releases.service import Release
from fleet.rollouts.models import Action, Report

# The row that other domains may hold.
__all__ = ["Report"]


async def reports(
    session: AsyncSession, device_id: str, *, before: Before | None, limit: int
) -> Sequence[tuple[Report, int, str]]:
    """Return (report, rollout id, version) of a node, newest first."""
    query = (
        select(Report, Action.rollout_id, Release.version)
        .join(Action, Action.id == Report.action_id)
        .join(Release, Release.id == Action.release_id)
        .where(Action.device_id == device_id)
    )
    query = newest_first(query, Report.at, Report.id, before)
    return [(row[0], row[1], row[2]) for row in (await session.execute(query.limit(limit))).all()]
