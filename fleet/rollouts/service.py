"""Rollouts made, followed, aborted; the updates of single nodes for `fleet.ddi`."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from fleet import limits
from fleet.access.scope import Scope
from fleet.audit import service as audit
from fleet.db import Database
from fleet.devices import service as devices
from fleet.devices.service import Device
from fleet.releases import service as releases
from fleet.rollouts import policy
from fleet.rollouts.errors import InFlight, NoRelease, WrongDevices
from fleet.rollouts.models import Action, Report, Rollout
from fleet.rollouts.words import CANCELLED, FINAL

# The rows that other domains may hold: they reach them through here, not through the models.
__all__ = ["Action"]


async def create(
    session: AsyncSession,
    database: Database,
    now: int,
    actor: str,
    *,
    targets: Sequence[Device],
    version: str,
) -> int:
    """Offer *version* to each device and return the rollout's id.

    Raises WrongDevices, NoRelease or InFlight; then nothing is changed.
    """
    silent = [device.id for device in targets if device.state not in devices.SPEAKING]
    if silent:
        raise WrongDevices("some devices may not be updated in their state", devices=silent)
    ids = await _releases(session, {device.board for device in targets}, version)
    rollout = Rollout(
        version=version,
        state="active",
        created_at=now,
        created_by=actor,
        plan={},
        sizes=[len(targets)],
        wave_started_at=now,
    )
    session.add(rollout)
    await session.flush()
    await _offer(session, database, now, rollout.id, targets, ids)
    for device in targets:
        audit.record(
            session,
            now,
            actor,
            "rollout.create",
            device.id,
            site=device.site,
            rollout=rollout.id,
            version=version,
        )
    return rollout.id


async def _offer(
    session: AsyncSession,
    database: Database,
    now: int,
    rollout_id: int,
    targets: Sequence[Device],
    releases_by_board: dict[str, int],
) -> None:
    # One order for all, so that two rollouts over the same devices do not lock crosswise.
    rows = [
        {
            "rollout_id": rollout_id,
            "device_id": device.id,
            "release_id": releases_by_board[device.board],
            "active": True,
            "cancelling": False,
            "state": "requested",
            "changed_at": now,
            "started_at": now,
        }
        for device in sorted(targets, key=lambda device: device.id)
    ]
    # The partial unique index decides who is free: whoever is not comes back missing.
    statement = (
        database.insert(Action).values(rows).on_conflict_do_nothing().returning(Action.device_id)
    )
    taken = set((await session.scalars(statement)).all())
    busy = [row["device_id"] for row in rows if row["device_id"] not in taken]
    if busy:
        raise InFlight("some devices have an update under way", devices=busy)


async def _releases(session: AsyncSession, boards: set[str], version: str) -> dict[str, int]:
    ids = {}
    for board in sorted(boards):
        release = await releases.find(session, board, version)
        if release is None or not release.listed:
            raise NoRelease(f"there is no release {version} for board {board} in force")
        ids[board] = release.id
    return ids


def _within(query: Any, scope: Scope) -> Any:
    return query if scope.everywhere else query.where(Device.site.in_(scope.sites))


async def page(session: AsyncSession, scope: Scope, *, limit: int) -> Sequence[Rollout]:
    """Return rollouts that touch the scope, newest first."""
    touched = select(Action.rollout_id).join(Device, Device.id == Action.device_id)
    query = select(Rollout).where(Rollout.id.in_(_within(touched, scope)))
    return (await session.scalars(query.order_by(Rollout.id.desc()).limit(limit))).all()


async def find(session: AsyncSession, scope: Scope, rollout_id: int) -> Rollout | None:
    """Return a rollout that touches the scope."""
    if not await actions(session, scope, rollout_id):
        return None
    return await session.get(Rollout, rollout_id, populate_existing=True)


async def actions(
    session: AsyncSession, scope: Scope, rollout_id: int
) -> Sequence[tuple[Action, str]]:
    """Return (action, site) of a rollout's devices within the scope, by device."""
    query = (
        select(Action, Device.site)
        .join(Device, Device.id == Action.device_id)
        .where(Action.rollout_id == rollout_id)
        .order_by(Action.device_id)
        .execution_options(populate_existing=True)
    )
    rows: Sequence[Any] = (await session.execute(_within(query, scope))).all()
    return [(row[0], row[1]) for row in rows]


async def reports(session: AsyncSession, action_ids: Sequence[int]) -> Sequence[Report]:
    """Return what nodes reported of these actions, in order."""
    query = select(Report).where(Report.action_id.in_(action_ids)).order_by(Report.id)
    return (await session.scalars(query)).all()


async def abort(
    session: AsyncSession,
    now: int,
    actor: str,
    rollout_id: int,
    mine: Sequence[tuple[Action, str]],
) -> None:
    """Take the offer back: at once where no node has seen it, else by asking the node."""
    for action, site in mine:
        if not action.active:
            continue
        unseen = (Action.id == action.id, Action.active, Action.offered_at.is_(None))
        statement = (
            update(Action).where(*unseen).values(active=False, state=CANCELLED, changed_at=now)
        )
        if await session.scalar(statement.returning(Action.id)) is None:
            await session.execute(
                update(Action).where(Action.id == action.id).values(cancelling=True)
            )
        audit.record(
            session, now, actor, "rollout.abort", action.device_id, site=site, rollout=rollout_id
        )
    going = select(Action.id).where(
        Action.rollout_id == rollout_id, Action.active, Action.cancelling.is_(False)
    )
    # Nodes of other sites, which the caller may not touch, keep the rollout going.
    await session.execute(
        update(Rollout)
        .where(Rollout.id == rollout_id, Rollout.state == "active", ~going.exists())
        .values(state="aborted")
    )


async def active(session: AsyncSession, device_id: str) -> Action | None:
    """Return the update in flight of a device."""
    query = select(Action).where(Action.device_id == device_id, Action.active)
    return await session.scalar(query)


async def offered(session: AsyncSession, action_id: int, now: int) -> None:
    """Note that the node has seen its offer: from here on only it can end the update."""
    await session.execute(
        update(Action)
        .where(Action.id == action_id, Action.offered_at.is_(None))
        .values(offered_at=now)
    )


async def report(
    session: AsyncSession,
    now: int,
    action: Action,
    *,
    state: str,
    reason: str | None,
    details: str,
) -> bool:
    """Write a node's report down; False when the action is no longer active."""
    final = state in FINAL
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
    if final:
        await _settle(session, now, action, state, reason)
    return True


async def keep_on(session: AsyncSession, action_id: int) -> None:
    """Forget a cancellation that the node refused."""
    await session.execute(update(Action).where(Action.id == action_id).values(cancelling=False))


async def _settle(
    session: AsyncSession, now: int, action: Action, state: str, reason: str | None
) -> None:
    if state == "confirmed":
        release = await releases.get(session, action.release_id)
        assert release is not None
        await devices.running(session, action.device_id, release.version)
    site = await devices.site(session, action.device_id)
    actor = f"node:{action.device_id}"
    audit.record(
        session,
        now,
        actor,
        f"update.{state}",
        action.device_id,
        site=site,
        rollout=action.rollout_id,
        reason=reason,
    )
    await _apply_policy(session, action.rollout_id)


async def _apply_policy(session: AsyncSession, rollout_id: int) -> None:
    # The row lock makes the last of two nodes that settle at once see the other.
    rollout = await session.get(Rollout, rollout_id, with_for_update=True)
    assert rollout is not None
    counted = select(Action.state, func.count()).where(Action.rollout_id == rollout_id)
    rows = (await session.execute(counted.group_by(Action.state))).all()
    counts = {row[0]: int(row[1]) for row in rows}
    for effect in policy.decide(policy.Status(rollout.state, counts)):
        if effect is policy.Effect.FINISH:
            rollout.state = "finished"


async def action_of(session: AsyncSession, device_id: str, action_id: int) -> Action | None:
    """Return an action of this device, active or not."""
    query = select(Action).where(Action.id == action_id, Action.device_id == device_id)
    return await session.scalar(query)
