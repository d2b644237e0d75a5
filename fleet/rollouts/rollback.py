"""Bringing back the nodes that a rollout updated: ordinary rollouts to what each ran before.

A node that has staged the update is never disturbed before it has rebooted; its way back waits
until its update has ended. A roll-back before the reboot would leave a slot that nobody chose.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from fleet.audit import service as audit
from fleet.db import Database
from fleet.devices.service import Device
from fleet.releases import service as releases
from fleet.rollouts import control, effects, engine, making
from fleet.rollouts.errors import Over
from fleet.rollouts.models import Action, Rollout
from fleet.rollouts.words import (
    ACTIVE,
    BEFORE_STAGED,
    CANCELLED,
    OFFLINE,
    OPEN,
    PENDING,
    ROLLED_BACK,
    SILENT,
    UNHAPPY,
    UNREACHED,
)

# Nothing stops a roll-back half-way: what it leaves behind is on the release to be left.
_PLAN: dict[str, Any] = {
    "waves": [{"percent": 100}],
    "success_percent": 0,
    "failure_percent": 100,
    "soak_s": 0,
}


async def roll_back(
    session: AsyncSession, database: Database, now: int, actor: str, rollout_id: int
) -> tuple[list[int], list[str]]:
    """Close a rollout and make those that undo it.

    Return their ids, and the devices that are left as they are: it is not known what they ran,
    or that release is not in force any more. Those that a later rollout took over are its
    business. Raises Over.
    """
    rollout = await control.hold(session, rollout_id)
    if rollout.state == ROLLED_BACK:
        raise Over(f"rollout {rollout.id} is {rollout.state}")
    rollout.state, rollout.reason = ROLLED_BACK, "rolled back by an operator"
    await session.flush()
    taken = await control.take_back(session, now, rollout, staged_too=False)
    await audit.record_each(session, now, actor, "rollout.rollback", taken, rollout=rollout.id)
    updated = await _updated(session, rollout)
    made, left = await _revert(session, database, now, rollout, actor, updated)
    await effects.note(
        session,
        now,
        actor,
        rollout,
        "rollout.rollback",
        rollouts=[each.id for each in made],
        left=left[:20],
    )
    for each in made:
        await engine.step(session, now, each)
    return [each.id for each in made], left


async def join(
    session: AsyncSession, database: Database, now: int, rollout: Rollout, action: Action
) -> None:
    """Send one more node back, which could not be stopped before it confirmed."""
    device = await session.get(Device, action.device_id)
    assert device is not None
    await _revert(session, database, now, rollout, f"node:{device.id}", [(action, device)])


async def _updated(session: AsyncSession, rollout: Rollout) -> list[tuple[Action, Device]]:
    """Return who runs the release, or may: confirmed, staged, or silent since it was staged."""
    newer = aliased(Action)
    elsewhere = select(newer.id).where(
        newer.device_id == Action.device_id,
        newer.id > Action.id,
        newer.rollout_id != rollout.id,
        newer.state.not_in((*UNHAPPY, CANCELLED, UNREACHED)),
    )
    on_trial = Action.active & Action.state.not_in(BEFORE_STAGED)
    query = (
        select(Action, Device)
        .join(Device, Device.id == Action.device_id)
        .where(Action.rollout_id == rollout.id, Action.superseded.is_(False))
        .where((Action.state == "confirmed") | (Action.reason == SILENT) | on_trial)
        .where(~elsewhere.exists())
        .where(func.coalesce(Action.reason, "") != OFFLINE)
        .order_by(Action.wave, Action.position, Action.id)
    )
    return [(row[0], row[1]) for row in (await session.execute(query)).all()]


async def _revert(
    session: AsyncSession,
    database: Database,
    now: int,
    rollout: Rollout,
    actor: str,
    updated: Iterable[tuple[Action, Device]],
) -> tuple[list[Rollout], list[str]]:
    made: list[Rollout] = []
    left: list[str] = []
    by_version: dict[str, list[tuple[Action, Device]]] = {}
    for action, device in updated:
        if action.from_version is None:
            left.append(device.id)
        elif action.from_version != rollout.version:
            by_version.setdefault(action.from_version, []).append((action, device))
    for version, mine in by_version.items():
        back, others = await _to(session, database, now, rollout, actor, version, mine)
        made += [] if back is None else [back]
        left += others
    return made, left


async def _to(
    session: AsyncSession,
    database: Database,
    now: int,
    rollout: Rollout,
    actor: str,
    version: str,
    mine: Sequence[tuple[Action, Device]],
) -> tuple[Rollout | None, list[str]]:
    """Send nodes back to one version; return the rollout, if any, and who is left."""
    ids: dict[str, int] = {}
    for board in sorted({device.board for _, device in mine}):
        release = await releases.find(session, board, version)
        if release is not None and release.listed:
            ids[board] = release.id
    waiting = await _waiting(session, [device.id for _, device in mine])
    able = [device for _, device in mine if device.board in ids and device.id not in waiting]
    if not able:
        return None, [device.id for _, device in mine]
    back = await _rollout(session, now, rollout, actor, version)
    rows = [
        {**making.waiting(now, back.id, device.id, ids[device.board]), "position": position}
        for position, device in enumerate(able, back.sizes[0])
    ]
    taken = await making.insert(session, database, back.id, rows)
    back.sizes = [len(taken)]
    back.plan = {**back.plan, "min_sample": max(1, len(taken))}
    await session.flush()
    told = {"rollout": back.id, "version": version, "reverts": rollout.id}
    sent = [(device.id, device.site) for device in able if device.id in taken]
    await audit.record_each(session, now, actor, "rollout.create", sent, **told)
    return back, [device.id for _, device in mine if device.id not in taken]


async def _waiting(session: AsyncSession, ids: Sequence[str]) -> set[str]:
    """Return which of these devices have an update waiting already."""
    query = select(Action.device_id).where(Action.state == PENDING, Action.device_id.in_(ids))
    return set((await session.scalars(query)).all())


async def _rollout(
    session: AsyncSession, now: int, rollout: Rollout, actor: str, version: str
) -> Rollout:
    """Return the rollout that brings nodes back to *version*: one under way, or a new one."""
    query = select(Rollout).where(
        Rollout.reverts == rollout.id, Rollout.version == version, Rollout.state.in_(OPEN)
    )
    found = await session.scalar(query.limit(1).with_for_update())
    if found is not None:
        return found
    back = Rollout(
        version=version,
        state=ACTIVE,
        created_at=now,
        created_by=actor,
        plan={**rollout.plan, **_PLAN},
        sizes=[0],
        wave_started_at=now,
        reverts=rollout.id,
    )
    session.add(back)
    await session.flush()
    return back
