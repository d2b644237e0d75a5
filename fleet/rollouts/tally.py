"""Counting where the nodes of rollouts stand: one query, whatever the number of either."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from sqlalchemy import and_, case, func, not_, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from fleet.access.scope import EVERYWHERE, Scope
from fleet.devices.service import Device
from fleet.rollouts.models import Action, Rollout
from fleet.rollouts.policy import Plan, Status, Tally
from fleet.rollouts.words import PAUSED, PENDING, UNHAPPY

_PLAN = tuple(field.name for field in fields(Plan))


@dataclass(frozen=True)
class Row:
    """So many (`count`) nodes of a wave that stand alike."""

    wave: int
    word: str
    active: bool
    catch_up: bool
    forgiven: bool
    restarting: bool
    count: int
    overdue: int
    latest: int


def plan_of(rollout: Rollout) -> Plan:
    """Return what the policy needs of a rollout's plan."""
    return Plan(**{name: rollout.plan[name] for name in _PLAN})


def overdue(now: int, deadline_s: Any, paused: Any) -> list[Any]:
    """Return the conditions of updates past their deadline, of values or of columns.

    A pause withholds what has not begun: such a node could not answer.
    """
    begun = or_(not_(paused), Action.state != "requested")
    return [Action.active, Action.started_at <= now - deadline_s, begun]


async def rows(
    session: AsyncSession, rollout: Rollout, now: int, scope: Scope = EVERYWHERE
) -> list[Row]:
    """Count the last word of every node of a rollout within the scope."""
    return (await all_rows(session, [rollout.id], now, scope))[rollout.id]


async def all_rows(
    session: AsyncSession, rollouts: Sequence[int], now: int, scope: Scope = EVERYWHERE
) -> dict[int, list[Row]]:
    """Return each rollout's rows by its number."""
    restarting = Action.restarts > Rollout.plan["max_restarts"].as_integer()
    deadline_s = Rollout.plan["deadline_s"].as_integer()
    late = and_(*overdue(now, deadline_s, Rollout.state == PAUSED))
    kind = (Action.wave, Action.state, Action.active, Action.catch_up, Action.forgiven, restarting)
    query = (
        select(
            Action.rollout_id,
            *kind,
            func.count(),
            func.sum(case((late, 1), else_=0)),
            func.max(Action.changed_at),
        )
        .join(Rollout, Rollout.id == Action.rollout_id)
        .where(Action.rollout_id.in_(rollouts), Action.superseded.is_(False))
        .group_by(Action.rollout_id, *kind)
    )
    if not scope.everywhere:
        query = query.join(Device, Device.id == Action.device_id)
        query = query.where(Device.site.in_(scope.sites))
    found: dict[int, list[Row]] = {each: [] for each in rollouts}
    for number, *counted in (await session.execute(query)).all():
        found[number].append(Row(*counted))
    return found


def status(rollout: Rollout, counted: Iterable[Row]) -> Status:
    """Fold the rows into what the policy judges."""
    waves = [Tally(size=size) for size in rollout.sizes]
    for row in counted:
        waves[row.wave - 1] = _add(waves[row.wave - 1], row)
    return Status(
        rollout.state, rollout.wave, rollout.settled_at, rollout.accepted_wave, tuple(waves)
    )


def _add(tally: Tally, row: Row) -> Tally:
    name = _place(row)
    changes = {"overdue": tally.overdue + row.overdue}
    if name is not None:
        changes[name] = getattr(tally, name) + row.count
    if name == "failed" and row.forgiven:
        changes["forgiven"] = tally.forgiven + row.count
    if not row.active and row.word != PENDING and not row.catch_up:
        changes["latest"] = max(tally.latest, row.latest)
    return replace(tally, **changes)


def _place(row: Row) -> str | None:
    """Return the field that counts a row; None for what ended as neither good nor bad."""
    if row.word == PENDING:
        return "late_pending" if row.catch_up else "pending"
    if row.active:
        return "late_under_way" if row.catch_up else "under_way"
    if row.word == "confirmed":
        return "failed" if row.restarting else "confirmed"
    return "failed" if row.word in UNHAPPY else None


def words(counted: Iterable[Row]) -> dict[str, int]:
    """Return how many nodes stand at each word."""
    found: dict[str, int] = {}
    for row in counted:
        found[row.word] = found.get(row.word, 0) + row.count
    return found
