"""The operator API of a node's history."""

from typing import Annotated

from fastapi import APIRouter, Query

from fleet import limits
from fleet.access.guard import CallerDep
from fleet.devices import service as devices
from fleet.errors import NotFound
from fleet.schemas import DeviceId
from fleet.timeline import service
from fleet.timeline.merge import Cursor
from fleet.timeline.schemas import CursorText, EntryOut, Timeline

router = APIRouter(prefix="/devices", tags=["devices"])


@router.get("/{device_id}/timeline")
async def timeline(
    caller: CallerDep,
    device_id: DeviceId,
    before: Annotated[CursorText | None, Query(description="`next` of the page before")] = None,
    limit: Annotated[int, Query(ge=1, le=limits.PAGE)] = 100,
) -> Timeline:
    """List what happened to a device, newest first; refused acts for those who read the audit."""
    scope = await caller.scope("device.timeline")
    async with caller.context.database.read() as session:
        device = await devices.find(session, scope, device_id)
        if device is None:
            raise NotFound(f"there is no device {device_id}")
        entries, following = await service.page(
            session,
            scope,
            device_id,
            refusals=caller.may("audit.read", device.site),
            before=None if before is None else Cursor.parse(before),
            limit=limit,
        )
    shown = [EntryOut.model_validate(entry, from_attributes=True) for entry in entries]
    return Timeline(entries=shown, next=None if following is None else str(following))
