"""The updates of single nodes, for `fleet.ddi` and whoever else hears from a node.

Rollouts as a whole are made in `making`, steered in `control` and `rollback`, carried on by
`engine` and read in `reading`.
"""

from dataclasses import dataclass

from sqlalchemy import func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from fleet import limits
from fleet.audit import service as audit
from fleet.db import Database
from fleet.devices import service as devices
from fleet.heartbeat import service as heartbeat
from fleet.releases import service as releases
from fleet.rollouts import making, rollback
from fleet.rollouts.models import Action, Report, Rollout
from fleet.rollouts.words import (
    ACTIVE,
    CANCELLED,
    FINAL,
    FINISHED,
    OFFLINE,
    PAUSED,
    PENDING,
    ROLLED_BACK,
    SILENT,
    UNREACHED,
)

# The rows that other domains may hold: they reach them through here, not through the models.
__all__ = ["Action", "Standing"]


_WANTED = (ACTIVE, FINISHED)  # rollouts that a node which comes back has a part in


@dataclass(frozen=True)
class Standing:
    """The update that counts for a node now: the one under way, else its newest."""

    action: Action
    rollout_state: str

    @property
    def withheld(self) -> bool:
        """Whether a pause keeps it from a node that has not begun."""
        paused = self.rollout_state == PAUSED and not self.action.cancelling
        return paused and self.action.state == "requested"

    @property
    def installed(self) -> bool:
        """Whether the node confirmed it, and has nothing else since, as far as is known."""
        return self.action.state == "confirmed" and self.action.reason != OFFLINE

    @property
    def offered(self) -> bool:
        """Whether the node is to hear of it."""
        return self.action.active and not self.withheld


async def standing(session: AsyncSession, device_id: str) -> Standing | None:
    """Return where a node stands with its updates; None when it never had one."""
    query = (
        select(Action, Rollout.state)
        .join(Rollout, Rollout.id == Action.rollout_id)
        .where(Action.device_id == device_id)
        .order_by(Action.active.desc(), Action.id.desc())
        .limit(1)
    )
    row = (await session.execute(query)).one_or_none()
    return None if row is None else Standing(row[0], row[1])


async def active(session: AsyncSession, device_id: str) -> Action | None:
    """Return the update in flight of a device."""
    query = select(Action).where(Action.device_id == device_id, Action.active)
    return await session.scalar(query)


async def missed(session: AsyncSession, standing: Standing) -> bool:
    """Say whether silence ended a node's update, and it may have it anew now that it speaks."""
    action = standing.action
    silent = action.state == UNREACHED or (action.state, action.reason) == ("failed", SILENT)
    if action.reason == OFFLINE:
        return False
    if not silent or standing.rollout_state not in _WANTED or action.moves >= limits.MOVES:
        return False
    release = await releases.get(session, action.release_id)
    return release is not None and release.listed


async def action_of(session: AsyncSession, device_id: str, action_id: int) -> Standing | None:
    """Return an update of this device, under way or not."""
    query = (
        select(Action, Rollout.state)
        .join(Rollout, Rollout.id == Action.rollout_id)
        .where(Action.id == action_id, Action.device_id == device_id)
    )
    row = (await session.execute(query)).one_or_none()
    return None if row is None else Standing(row[0], row[1])


async def offered(session: AsyncSession, action_id: int, now: int) -> bool:
    """Note that the node sees its offer, unless it was taken back, or paused before it began.

    From here on only the node, or its silence, can end the update.
    """
    paused = select(Rollout.id).where(Rollout.id == Action.rollout_id, Rollout.state == PAUSED)
    statement = (
        update(Action)
        .where(Action.id == action_id, Action.active, Action.cancelling.is_(False))
        .where(or_(Action.state != "requested", ~paused.exists()))
        .values(offered_at=func.coalesce(Action.offered_at, now))
        .returning(Action.id)
    )
    return await session.scalar(statement) is not None


async def report(
    session: AsyncSession,
    database: Database,
    now: int,
    action: Action,
    *,
    state: str,
    reason: str | None,
    details: str,
) -> bool:
    """Write a node's report down; False when the action is no longer active."""
    final = state in FINAL
    rollout = await _keep(session, action.rollout_id) if final else None
    statement = (
        update(Action)
        .where(Action.id == action.id, Action.active)
        .values(state=state, reason=reason, active=not final, changed_at=now)
        .returning(Action.id)
    )
    if await session.scalar(statement) is None:
        return False
    # What a node may say is unlimited (DDI knows progress reports), what is kept of it is not.
    kept = select(func.count()).where(Report.action_id == action.id)
    if final or (await session.scalar(kept) or 0) < limits.REPORTS:
        session.add(Report(action_id=action.id, at=now, state=state, details=details))
    if rollout is not None:
        await _settle(session, now, action, state, reason)
        if state == "confirmed" and rollout.state == ROLLED_BACK:
            # Too late to be taken back: it joins those that go back.
            await rollback.join(session, database, now, rollout, action)
    return True


async def _keep(session: AsyncSession, rollout_id: int) -> Rollout:
    """Return a rollout whose state stays as it is until this transaction ends.

    Shared, so that nodes do not wait for each other; a roll-back waits for them.
    """
    rollout = await session.get(Rollout, rollout_id, with_for_update={"read": True})
    assert rollout is not None
    return rollout


async def keep_on(session: AsyncSession, action_id: int) -> None:
    """Forget a cancellation that the node refused."""
    statement = update(Action).where(Action.id == action_id, Action.active)
    await session.execute(statement.values(cancelling=False))


async def _settle(
    session: AsyncSession, now: int, action: Action, state: str, reason: str | None
) -> None:
    device_id = action.device_id
    if state == "confirmed":
        release = await releases.get(session, action.release_id)
        assert release is not None
        await devices.running(session, device_id, release.version)
        # Restarts count from here; a node that never told any sets it by its first heartbeat.
        restarts_at = await heartbeat.restarts(session, device_id)
        counting = update(Action).where(Action.id == action.id)
        await session.execute(counting.values(restarts_at=restarts_at))
    audit.record(
        session,
        now,
        f"node:{device_id}",
        f"update.{state}",
        device_id,
        site=await devices.site(session, device_id),
        rollout=action.rollout_id,
        reason=reason,
    )


async def restarted(session: AsyncSession, device_id: str, total_unplanned: int) -> None:
    """Note a node's unplanned restarts so far; those since it confirmed speak of its release."""
    query = (
        select(Action)
        .where(Action.device_id == device_id)
        .where(Action.state.not_in((PENDING, CANCELLED, UNREACHED)))
        .order_by(Action.id.desc())
        .limit(1)
    )
    action = await session.scalar(query)
    if action is None or action.state != "confirmed":
        return
    if action.restarts_at is None or total_unplanned < action.restarts_at + action.restarts:
        # The first count that we hear, or one that begins anew after the flash was formatted.
        action.restarts_at = total_unplanned - action.restarts
    else:
        action.restarts = total_unplanned - action.restarts_at


async def catch_up(session: AsyncSession, database: Database, now: int, missed: Action) -> bool:
    """Give a node that was silent, and speaks again, its update anew; False if it may not."""
    rollout = await _keep(session, missed.rollout_id)
    if rollout.state not in _WANTED:
        return False
    row = {
        **making.waiting(now, rollout.id, missed.device_id, missed.release_id),
        "position": missed.position,
        "wave": missed.wave,
        "moves": missed.moves + 1,
        "from_version": missed.from_version,
        # As long as the node has not said otherwise, it may run what it had staged.
        "reason": missed.reason,
        "catch_up": True,
    }
    again = database.insert(Action).values(row).on_conflict_do_nothing().returning(Action.id)
    if await session.scalar(again) is None:
        return False
    await session.execute(update(Action).where(Action.id == missed.id).values(superseded=True))
    audit.record(
        session,
        now,
        f"node:{missed.device_id}",
        "update.again",
        missed.device_id,
        site=await devices.site(session, missed.device_id),
        rollout=rollout.id,
    )
    return True
