"""The operator API of the audit: reading only."""

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel

from fleet import limits
from fleet.access.guard import CallerDep
from fleet.audit import service
from fleet.schemas import RowId

router = APIRouter(prefix="/audit", tags=["audit"])


class EventOut(BaseModel):
    """One act: who, what, to what, and whether it was let. `at`: unix seconds."""

    id: int
    at: int
    actor: str
    act: str
    subject: str
    site: str | None
    outcome: str
    detail: dict[str, Any]


class Events(BaseModel):
    """One page, newest first; `next` is the `before` of the following one, null at the end."""

    events: list[EventOut]
    next: int | None


@router.get("")
async def page(
    caller: CallerDep,
    before: Annotated[RowId | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=limits.PAGE)] = 100,
) -> Events:
    """List acts, newest first."""
    scope = await caller.scope("audit.read")
    async with caller.context.database.read() as session:
        found = await service.page(session, scope, before=before, limit=limit)
    following = found[-1].id if len(found) == limit else None
    events = [EventOut.model_validate(event, from_attributes=True) for event in found]
    return Events(events=events, next=following)
