"""Telemetry: packs from nodes on the device port, pages for operators."""

import logging
from typing import Annotated

from fastapi import APIRouter, Query, Request

from fleet import bodies, context, limits
from fleet.access.guard import CallerDep
from fleet.devices import service as devices
from fleet.errors import NotFound
from fleet.identity.peer import NodeDep, refusal, require_self
from fleet.schemas import DeviceId
from fleet.telemetry import pack, service
from fleet.telemetry.errors import ForeignPack
from fleet.telemetry.schemas import (
    CursorText,
    ObservationOut,
    Observations,
    Receipt,
    Rejected,
    StreamName,
)

log = logging.getLogger("lamppost")
device_router = APIRouter(prefix="/telemetry/v1", tags=["telemetry"])
router = APIRouter(prefix="/devices", tags=["observations"])
_PACK = {
    "requestBody": {
        "required": True,
        "content": {
            pack.JSON: {"schema": {"type": "array", "items": {"type": "object"}}},
            pack.CBOR: {"schema": {"type": "string", "format": "binary"}},
        },
    }
}


@device_router.post("/{device_id}", openapi_extra=_PACK)
async def ingest(request: Request, node: NodeDep, device_id: DeviceId) -> Receipt:
    """Store a node's SenML pack, each window once, and answer after the commit."""
    await require_self(request, node, device_id)
    media_type = bodies.media_type(request, pack.JSON, pack.CBOR)
    body = await bodies.read(request, limits.TELEMETRY_BYTES)
    found = context.of(request)
    now = found.now()
    try:
        read = pack.read(body, media_type, device_id, now)
    except ForeignPack:
        act = "telemetry.other-node"
        await refusal(found, node.actor, act, device_id, node.site)
        raise
    stored = 0
    if read.rows or node.overdue:
        async with found.database.write() as session:
            if read.rows:
                stored = await service.store(session, found.database, read.rows)
            if node.overdue:
                await devices.seen(session, device_id, now)
    repeated = len(read.rows) - stored
    if repeated:
        log.info("%s sent %d records again", device_id, repeated)
    rejected = [Rejected(index=index, reason=reason) for index, reason in read.rejected]
    return Receipt(stored=stored, duplicates=repeated, rejected=rejected)


@router.get("/{device_id}/observations")
async def observations(
    caller: CallerDep,
    device_id: DeviceId,
    stream: Annotated[StreamName | None, Query()] = None,
    since: Annotated[int | None, Query(ge=0, le=2**40, description="unix s, inclusive")] = None,
    until: Annotated[int | None, Query(ge=0, le=2**40, description="unix s, exclusive")] = None,
    after: Annotated[CursorText | None, Query(description="`next` of the page before")] = None,
    limit: Annotated[int, Query(ge=1, le=limits.PAGE)] = limits.PAGE,
) -> Observations:
    """Read a device's observations back, by time."""
    scope = await caller.scope("device.read")
    async with caller.context.database.read() as session:
        if await devices.find(session, scope, device_id) is None:
            raise NotFound(f"there is no device {device_id}")
        found = await service.page(
            session,
            device_id,
            stream=stream,
            since=since,
            until=until,
            after=_cursor(after),
            limit=limit,
        )
    rows = [ObservationOut.model_validate(row, from_attributes=True) for row in found]
    following = None
    if len(rows) == limit:
        last = rows[-1]
        following = f"{last.time}.{last.stream}.{last.box}.{last.seq}"
    return Observations(observations=rows, next=following)


def _cursor(text: str | None) -> service.Cursor | None:
    if text is None:
        return None
    time, stream, box, seq = text.split(".")
    return int(time), stream, box, int(seq)
