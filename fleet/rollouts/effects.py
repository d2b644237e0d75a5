"""Carrying out what the policy decided, in the transaction that holds the rollout's row."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import func, literal, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from fleet.audit import service as audit
from fleet.devices.service import Device
from fleet.rollouts import policy, tally
from fleet.rollouts.models import Action, Rollout
from fleet.rollouts.words import (
    BEFORE_STAGED,
    CANCELLED,
    CLOSED,
    FINISHED,
    PAUSED,
    PENDING,
    SILENT,
    UNREACHED,
)

ACTOR = "server"
_AS_IT_IS = {"synchronize_session": False}  # nobody holds these rows as objects


async def apply(session: AsyncSession, now: int, rollout: Rollout, effect: policy.Effect) -> bool:
    """Carry out one effect; False when it changed nothing."""
    match effect:
        case policy.Expire():
            return await _expire(session, now, rollout)
        case policy.Offer(count):
            return await _offer(session, now, rollout, count)
        case policy.Settle(at):
            rollout.settled_at = at
        case policy.NextWave(wave):
            rollout.wave, rollout.wave_started_at, rollout.settled_at = wave, now, None
            await note(session, now, ACTOR, rollout, "rollout.wave", wave=wave)
        case policy.Pause(reason):
            rollout.state, rollout.reason = PAUSED, reason
            await note(session, now, ACTOR, rollout, "rollout.pause", reason=reason)
        case policy.Finish():
            rollout.state = FINISHED
            await note(session, now, ACTOR, rollout, "rollout.finish")
    await session.flush()
    return True


async def note(
    session: AsyncSession, now: int, actor: str, rollout: Rollout, act: str, **detail: Any
) -> None:
    """Append what happened to a rollout to the audit, once for each site that it touches."""
    for site in await sites(session, rollout.id):
        audit.record(session, now, actor, act, f"rollout {rollout.id}", site=site, **detail)


async def sites(session: AsyncSession, rollout_id: int) -> Sequence[str]:
    """Return the sites that a rollout touches."""
    query = (
        select(Device.site)
        .join(Action, Action.device_id == Device.id)
        .where(Action.rollout_id == rollout_id)
        .distinct()
        .order_by(Device.site)
    )
    return (await session.scalars(query)).all()


async def change(
    session: AsyncSession, conditions: Sequence[Any], values: dict[str, Any]
) -> Sequence[tuple[str, str]]:
    """Change the updates that meet the conditions; return (device id, site) of each."""
    statement = (
        update(Action)
        .where(*conditions)
        .values(**values)
        .returning(
            Action.device_id,
            select(Device.site).where(Device.id == Action.device_id).scalar_subquery(),
        )
        .execution_options(**_AS_IT_IS)
    )
    return [(row[0], row[1]) for row in (await session.execute(statement)).all()]


async def _offer(session: AsyncSession, now: int, rollout: Rollout, count: int) -> bool:
    other = aliased(Action)
    # An update that another rollout left to its end comes first: one in flight per node.
    busy = select(other.id).where(other.device_id == Action.device_id, other.active)
    chosen = (
        select(Action.id)
        .where(
            Action.rollout_id == rollout.id,
            Action.state == PENDING,
            (Action.wave <= rollout.wave) | Action.catch_up,
            ~busy.exists(),
        )
        .order_by(Action.wave, Action.position, Action.id)
        .limit(count)
    )
    version = select(Device.version).where(Device.id == Action.device_id).scalar_subquery()
    started = await change(
        session,
        [Action.id.in_(chosen)],
        {
            "active": True,
            "state": "requested",
            "started_at": now,
            "changed_at": now,
            "from_version": func.coalesce(Action.from_version, version),
        },
    )
    return bool(started)


async def _expire(session: AsyncSession, now: int, rollout: Rollout) -> bool:
    late = [
        Action.rollout_id == rollout.id,
        *tally.overdue(now, int(rollout.plan["deadline_s"]), literal(rollout.state == PAUSED)),
    ]
    early = [*late, Action.state.in_(BEFORE_STAGED)]
    ended = {"active": False, "changed_at": now}
    moved = {
        **ended,
        "state": PENDING,
        "wave": Action.wave + 1,
        "moves": Action.moves + 1,
        "started_at": None,
        "offered_at": None,
    }
    silent = {**ended, "state": "failed", "reason": SILENT}
    # What was to be taken back, and whose node stays silent, is taken back.
    back = Action.cancelling | literal(rollout.state in CLOSED)
    expired = {
        "failed": await change(session, [*late, Action.state.not_in(BEFORE_STAGED)], silent),
        CANCELLED: await change(session, [*early, back], {**ended, "state": CANCELLED}),
        "moved": await change(session, [*early, *_movable(rollout)], moved),
        UNREACHED: await change(session, early, {**ended, "state": UNREACHED}),
    }
    for word, devices in expired.items():
        told = {"rollout": rollout.id, "reason": SILENT}
        await audit.record_each(session, now, ACTOR, f"update.{word}", devices, **told)
    return any(expired.values())


def _movable(rollout: Rollout) -> list[Any]:
    other = aliased(Action)
    waiting = select(other.id).where(other.device_id == Action.device_id, other.state == PENDING)
    return [Action.wave < len(rollout.sizes), Action.catch_up.is_(False), ~waiting.exists()]
