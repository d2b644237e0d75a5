"""Rollouts read within a scope: a few queries, whatever their number of nodes."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from fleet.access.scope import Scope
from fleet.devices.service import Device
from fleet.rollouts.models import Action, Report, Rollout


def _within(query: Any, scope: Scope) -> Any:
    return query if scope.everywhere else query.where(Device.site.in_(scope.sites))


async def page(session: AsyncSession, scope: Scope, *, limit: int) -> Sequence[Rollout]:
    """Return rollouts that touch the scope, newest first."""
    touched = (
        select(Action.id)
        .join(Device, Device.id == Action.device_id)
        .where(Action.rollout_id == Rollout.id)
    )
    query = select(Rollout).where(_within(touched, scope).exists())
    return (await session.scalars(query.order_by(Rollout.id.desc()).limit(limit))).all()


async def find(session: AsyncSession, scope: Scope, rollout_id: int) -> Rollout | None:
    """Return a rollout that touches the scope."""
    touched = (
        select(Action.id)
        .join(Device, Device.id == Action.device_id)
        .where(Action.rollout_id == rollout_id)
    )
    if await session.scalar(_within(touched, scope).limit(1)) is None:
        return None
    return await session.get(Rollout, rollout_id, populate_existing=True)


async def actions(
    session: AsyncSession, scope: Scope, rollout_id: int, *, after: int, limit: int
) -> Sequence[Action]:
    """Return a page of a rollout's updates within the scope, in the order of their ids."""
    query = (
        select(Action)
        .join(Device, Device.id == Action.device_id)
        .where(Action.rollout_id == rollout_id, Action.id > after)
        .order_by(Action.id)
        .limit(limit)
        .execution_options(populate_existing=True)
    )
    return (await session.scalars(_within(query, scope))).all()


async def reports(session: AsyncSession, action_ids: Sequence[int]) -> Sequence[Report]:
    """Return what nodes reported of these updates, in order."""
    query = select(Report).where(Report.action_id.in_(action_ids)).order_by(Report.id)
    return (await session.scalars(query)).all()
