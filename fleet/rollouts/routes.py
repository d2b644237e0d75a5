"""The operator API of rollouts."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Query

from fleet import limits
from fleet.access.guard import Caller, CallerDep
from fleet.devices.service import Device
from fleet.errors import NotFound
from fleet.rollouts import control, effects, making, reading, rollback, targets, views
from fleet.rollouts.schemas import (
    NewRollout,
    RolledBack,
    RolloutDetail,
    RolloutOut,
    Rollouts,
)
from fleet.schemas import RowId

router = APIRouter(prefix="/rollouts", tags=["rollouts"])
_PAGE = 100
After = Annotated[int, Query(ge=0, le=2**31 - 1, description="the `next` of the page before")]
Limit = Annotated[int, Query(ge=1, le=limits.PAGE)]


@router.post("", status_code=201)
async def create(caller: CallerDep, new: NewRollout) -> RolloutDetail:
    """Offer a release wave by wave; each device may have one update waiting or under way."""
    chosen = await _targets(caller, new)
    for site in sorted({device.site for device in chosen}):
        await caller.require("rollout.create", site)
    database = caller.context.database
    async with database.write() as session:
        rollout_id = await making.create(
            session,
            database,
            caller.context.now(),
            caller.actor,
            targets=chosen,
            version=new.version,
            plan=new.stored(),
        )
    return await _detail(caller, rollout_id)


async def _targets(caller: Caller, new: NewRollout) -> Sequence[Device]:
    scope = await caller.scope("device.read")
    async with caller.context.database.read() as session:
        if new.site is not None:
            return await targets.at(session, scope, new.site, new.board)
        found = await targets.named(session, scope, new.devices or ())
    targets.check(found, new.board)
    return found


async def _detail(
    caller: Caller, rollout_id: int, *, after: int = 0, limit: int = _PAGE
) -> RolloutDetail:
    scope = await caller.scope("rollout.read")
    now = caller.context.now()
    async with caller.context.database.read() as session:
        return await views.detail(session, scope, now, rollout_id, after=after, limit=limit)


@router.get("")
async def page(caller: CallerDep, limit: Limit = _PAGE) -> Rollouts:
    """List rollouts, newest first."""
    scope = await caller.scope("rollout.read")
    async with caller.context.database.read() as session:
        found = await reading.page(session, scope, limit=limit)
    outs = [RolloutOut.model_validate(rollout, from_attributes=True) for rollout in found]
    return Rollouts(rollouts=outs)


@router.get("/{rollout_id}")
async def show(
    caller: CallerDep, rollout_id: RowId, after: After = 0, limit: Limit = _PAGE
) -> RolloutDetail:
    """Show a rollout, its waves, and a page of its nodes with state and reason."""
    return await _detail(caller, rollout_id, after=after, limit=limit)


async def _require(caller: Caller, action: str, rollout_id: int) -> None:
    """Raise unless the caller may steer the rollout as a whole: NotFound or Forbidden."""
    scope = await caller.scope("rollout.read")
    async with caller.context.database.read() as session:
        touched = await effects.sites(session, rollout_id)
    mine = [site for site in touched if scope.covers(site)]
    if not mine:
        raise NotFound(f"there is no rollout {rollout_id}")
    subject = f"rollout {rollout_id}"
    for site in mine:
        await caller.require(action, site, subject)
    if len(mine) < len(touched):
        # Sites that the caller may not know of are not named.
        await caller.require(action, None, subject)


@router.post("/{rollout_id}/pause")
async def pause(caller: CallerDep, rollout_id: RowId) -> RolloutDetail:
    """Withhold the offers that no node has begun; updates under way go on."""
    await _require(caller, "rollout.pause", rollout_id)
    async with caller.context.database.write() as session:
        await control.pause(session, caller.context.now(), caller.actor, rollout_id)
    return await _detail(caller, rollout_id)


@router.post("/{rollout_id}/resume")
async def resume(caller: CallerDep, rollout_id: RowId) -> RolloutDetail:
    """Go on; the failures so far are accepted and do not stop it again by themselves."""
    await _require(caller, "rollout.resume", rollout_id)
    async with caller.context.database.write() as session:
        await control.resume(session, caller.context.now(), caller.actor, rollout_id)
    return await _detail(caller, rollout_id)


@router.post("/{rollout_id}/abort")
async def abort(caller: CallerDep, rollout_id: RowId) -> RolloutDetail:
    """Take the offer back from every node of the rollout that is still under way."""
    scope = await caller.scope("rollout.read")
    async with caller.context.database.read() as session:
        touched = await effects.sites(session, rollout_id)
    mine = [site for site in touched if scope.covers(site)]
    if not mine:
        raise NotFound(f"there is no rollout {rollout_id}")
    for site in mine:
        await caller.require("rollout.abort", site)
    async with caller.context.database.write() as session:
        await control.abort(session, caller.context.now(), caller.actor, rollout_id, scope)
    return await _detail(caller, rollout_id)


@router.post("/{rollout_id}/rollback")
async def roll_back(caller: CallerDep, rollout_id: RowId) -> RolledBack:
    """Close the rollout and bring every node that it updated back to what it ran before."""
    await _require(caller, "rollout.rollback", rollout_id)
    database = caller.context.database
    async with database.write() as session:
        made, left = await rollback.roll_back(
            session, database, caller.context.now(), caller.actor, rollout_id
        )
    details = [await _detail(caller, each) for each in made]
    return RolledBack(rollouts=details, left=left)
