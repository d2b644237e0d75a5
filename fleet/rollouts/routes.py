"""The operator API of rollouts."""

from collections import Counter
from typing import Annotated

from fastapi import APIRouter, Query

from fleet import limits
from fleet.access.guard import Caller, CallerDep
from fleet.devices import service as devices
from fleet.devices.service import Device
from fleet.errors import NotFound
from fleet.rollouts import service
from fleet.rollouts.errors import WrongDevices
from fleet.rollouts.schemas import (
    ActionOut,
    NewRollout,
    ReportOut,
    RolloutDetail,
    RolloutOut,
    Rollouts,
)
from fleet.schemas import RowId

router = APIRouter(prefix="/rollouts", tags=["rollouts"])


@router.post("", status_code=201)
async def create(caller: CallerDep, new: NewRollout) -> RolloutDetail:
    """Offer a release to named devices; each may have one update under way."""
    targets = await _targets(caller, new)
    for site in sorted({device.site for device in targets}):
        await caller.require("rollout.create", site)
    database = caller.context.database
    async with database.write() as session:
        rollout_id = await service.create(
            session,
            database,
            caller.context.now(),
            caller.actor,
            targets=targets,
            version=new.version,
        )
    return await show(caller, rollout_id)


async def _targets(caller: Caller, new: NewRollout) -> list[Device]:
    scope = await caller.scope("device.read")
    found = []
    async with caller.context.database.read() as session:
        for device_id in sorted(set(new.devices)):
            device = await devices.find(session, scope, device_id)
            found.append((device_id, device))
    missing = [device_id for device_id, device in found if device is None]
    if missing:
        raise WrongDevices("some devices do not exist", devices=missing)
    targets = [device for _, device in found if device is not None]
    foreign = [device.id for device in targets if new.board not in (None, device.board)]
    if foreign:
        raise WrongDevices(f"some devices are no {new.board}", devices=foreign)
    return targets


@router.get("")
async def page(
    caller: CallerDep, limit: Annotated[int, Query(ge=1, le=limits.PAGE)] = 100
) -> Rollouts:
    """List rollouts, newest first."""
    scope = await caller.scope("rollout.read")
    async with caller.context.database.read() as session:
        found = await service.page(session, scope, limit=limit)
    outs = [RolloutOut.model_validate(rollout, from_attributes=True) for rollout in found]
    return Rollouts(rollouts=outs)


@router.get("/{rollout_id}")
async def show(caller: CallerDep, rollout_id: RowId) -> RolloutDetail:
    """Show a rollout with each node's state and reason."""
    scope = await caller.scope("rollout.read")
    async with caller.context.database.read() as session:
        rollout = await service.find(session, scope, rollout_id)
        if rollout is None:
            raise NotFound(f"there is no rollout {rollout_id}")
        mine = await service.actions(session, scope, rollout_id)
        reports = await service.reports(session, [action.id for action, _ in mine])
    words: dict[int, list[ReportOut]] = {action.id: [] for action, _ in mine}
    for report in reports:
        words[report.action_id].append(ReportOut(at=report.at, state=report.state))
    outs = [
        ActionOut(
            id=action.id,
            device=action.device_id,
            state=action.state,
            reason=action.reason,
            active=action.active,
            cancelling=action.cancelling,
            offered_at=action.offered_at,
            changed_at=action.changed_at,
            reports=words[action.id],
        )
        for action, _ in mine
    ]
    head = RolloutOut.model_validate(rollout, from_attributes=True)
    counts = Counter(out.state for out in outs)
    return RolloutDetail(**head.model_dump(), counts=dict(counts), actions=outs)


@router.post("/{rollout_id}/abort")
async def abort(caller: CallerDep, rollout_id: RowId) -> RolloutDetail:
    """Take the offer back from every node of the rollout that is still under way."""
    scope = await caller.scope("rollout.read")
    async with caller.context.database.read() as session:
        mine = await service.actions(session, scope, rollout_id)
    if not mine:
        raise NotFound(f"there is no rollout {rollout_id}")
    for site in sorted({site for _, site in mine}):
        await caller.require("rollout.abort", site)
    async with caller.context.database.write() as session:
        await service.abort(session, caller.context.now(), caller.actor, rollout_id, mine)
    return await show(caller, rollout_id)
