"""An operator stops a rollout, lets it go on, or takes its offers back."""

from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from fleet.access.scope import EVERYWHERE, Scope
from fleet.audit import service as audit
from fleet.devices.service import Device
from fleet.rollouts import effects, engine, policy, tally
from fleet.rollouts.errors import Over
from fleet.rollouts.models import Action, Rollout
from fleet.rollouts.words import (
    ABORTED,
    ACTIVE,
    BEFORE_STAGED,
    CANCELLED,
    OPEN,
    PAUSED,
    PENDING,
    UNHAPPY,
)


async def hold(session: AsyncSession, rollout_id: int) -> Rollout:
    """Return a rollout that is there, and keep everybody else from it in this transaction."""
    rollout = await session.get(Rollout, rollout_id, with_for_update=True)
    assert rollout is not None
    return rollout


async def pause(session: AsyncSession, now: int, actor: str, rollout_id: int) -> None:
    """Withhold what no node has begun; updates under way go on. Raises Over."""
    rollout = await hold(session, rollout_id)
    _require_open(rollout)
    if rollout.state == ACTIVE:
        rollout.state, rollout.reason = PAUSED, "paused by an operator"
        await session.flush()
        await effects.note(session, now, actor, rollout, "rollout.pause")


async def resume(session: AsyncSession, now: int, actor: str, rollout_id: int) -> None:
    """Let a paused rollout go on, failures accepted (fleet/decisions/0009). Raises Over."""
    rollout = await hold(session, rollout_id)
    _require_open(rollout)
    if rollout.state != PAUSED:
        return
    forgiven = await _forgive(session, now, rollout)
    # What was withheld had no chance to answer: its time begins anew.
    withheld = [Action.rollout_id == rollout.id, Action.active, Action.state == "requested"]
    await effects.change(session, withheld, {"started_at": now})
    rollout.state, rollout.reason = ACTIVE, None
    await session.flush()
    await effects.note(session, now, actor, rollout, "rollout.resume", accepted=forgiven)
    await engine.step(session, now, rollout)


async def _forgive(session: AsyncSession, now: int, rollout: Rollout) -> int:
    status = tally.status(rollout, await tally.rows(session, rollout, now))
    if policy.unsampled(tally.plan_of(rollout), status):
        rollout.accepted_wave = rollout.wave
    restarting = (Action.state == "confirmed") & (Action.restarts > rollout.plan["max_restarts"])
    failed = [
        Action.rollout_id == rollout.id,
        Action.superseded.is_(False),
        Action.forgiven.is_(False),
        Action.state.in_(UNHAPPY) | restarting,
    ]
    return len(await effects.change(session, failed, {"forgiven": True}))


def _require_open(rollout: Rollout) -> None:
    if rollout.state not in OPEN:
        raise Over(f"rollout {rollout.id} is {rollout.state}")


async def abort(
    session: AsyncSession, now: int, actor: str, rollout_id: int, scope: Scope
) -> None:
    """Take the offers of the scope's devices back; it ends when nobody else's are left."""
    rollout = await hold(session, rollout_id)
    taken = await take_back(session, now, rollout, scope, staged_too=True)
    await audit.record_each(session, now, actor, "rollout.abort", taken, rollout=rollout_id)
    going = select(Action.id).where(
        Action.rollout_id == rollout_id,
        (Action.active & Action.cancelling.is_(False)) | (Action.state == PENDING),
    )
    # Nodes of other sites, which the caller may not touch, keep the rollout going.
    if rollout.state in OPEN and await session.scalar(going.limit(1)) is None:
        rollout.state, rollout.reason = ABORTED, "aborted by an operator"
        await effects.note(session, now, actor, rollout, "rollout.abort")


async def take_back(
    session: AsyncSession,
    now: int,
    rollout: Rollout,
    scope: Scope = EVERYWHERE,
    *,
    staged_too: bool,
) -> list[tuple[str, str]]:
    """End what no node has seen, ask the nodes for the rest; return (device id, site) of all.

    What is staged is asked for only if told so: its trial may have begun, and its node will
    answer that it is too late.
    """
    mine: list[Any] = [Action.rollout_id == rollout.id]
    if not scope.everywhere:
        here = select(Device.id).where(Device.site.in_(scope.sites))
        mine.append(Action.device_id.in_(here))
    untouched = Action.offered_at.is_(None) & (Action.state == "requested")
    unseen = (Action.state == PENDING) | (Action.active & untouched)
    ended = {"active": False, "state": CANCELLED, "changed_at": now}
    taken = list(await effects.change(session, [*mine, unseen], ended))
    seen = [*mine, Action.active]
    if not staged_too:
        seen.append(Action.state.in_(BEFORE_STAGED))
    taken += await effects.change(session, seen, {"cancelling": True})
    return taken
