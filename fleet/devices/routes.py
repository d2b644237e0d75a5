"""The operator API of devices."""

from typing import Annotated

from fastapi import APIRouter, Query

from fleet.access.guard import Caller, CallerDep
from fleet.devices import listing, service
from fleet.devices.schemas import (
    ClaimOut,
    DeviceOut,
    Devices,
    Listing,
    NewClaim,
    NewDevice,
    NewState,
    Revocation,
    Revoked,
)
from fleet.devices.service import Device
from fleet.errors import Conflict, NotFound
from fleet.heartbeat import service as heartbeat
from fleet.heartbeat.schemas import HeartbeatOut
from fleet.heartbeat.service import Heartbeat
from fleet.identity import service as identity
from fleet.schemas import DeviceId

router = APIRouter(prefix="/devices", tags=["devices"])


def _out(device: Device, beat: Heartbeat | None = None) -> DeviceOut:
    told = None if beat is None else HeartbeatOut.model_validate(beat, from_attributes=True)
    known = {name: getattr(device, name) for name in DeviceOut.model_fields if name != "heartbeat"}
    return DeviceOut(heartbeat=told, **known)


async def find(caller: Caller, device_id: str) -> Device:
    """Return a device that the caller may read. Raises NotFound."""
    scope = await caller.scope("device.read")
    async with caller.context.database.read() as session:
        device = await service.find(session, scope, device_id)
    if device is None:
        raise NotFound(f"there is no device {device_id}")
    return device


@router.post("", status_code=201)
async def add(caller: CallerDep, new: NewDevice) -> DeviceOut:
    """Register a device, before it is claimed."""
    await caller.require("device.add", new.site, new.id)
    database = caller.context.database
    async with database.write() as session:
        added = await service.add(
            session,
            database,
            caller.context.now(),
            caller.actor,
            device_id=new.id,
            site=new.site,
            name=new.name,
            board=new.board,
        )
    if not added:
        raise Conflict(f"device {new.id} is registered already", slug="device-exists")
    return _out(await find(caller, new.id))


@router.get("")
async def page(
    caller: CallerDep,
    wanted: Annotated[Listing, Query()],
) -> Devices:
    """List devices with their last heartbeats."""
    scope = await caller.scope("device.read")
    silent_since = None
    if wanted.silent_s is not None:
        silent_since = caller.context.now() - wanted.silent_s
    async with caller.context.database.read() as session:
        found = await listing.page(
            session,
            scope,
            listing.Filter(wanted.site, wanted.state, wanted.board, wanted.version, silent_since),
            sort=wanted.sort,
            descending=wanted.descending,
            after=wanted.after,
            limit=wanted.limit,
        )
    return Devices(devices=[_out(*row) for row in found.rows], next=found.after)


@router.get("/{device_id}")
async def show(caller: CallerDep, device_id: DeviceId) -> DeviceOut:
    """Show one device with its last heartbeat."""
    return await _shown(caller, device_id)


async def _shown(caller: Caller, device_id: str) -> DeviceOut:
    device = await find(caller, device_id)
    async with caller.context.database.read() as session:
        return _out(device, await heartbeat.last(session, device_id))


@router.post("/{device_id}/claims", status_code=201)
async def claim(caller: CallerDep, device_id: DeviceId, new: NewClaim | None = None) -> ClaimOut:
    """Make a single-use claim token for a device; it is shown this once."""
    device = await find(caller, device_id)
    await caller.require("device.claim", device.site, device_id)
    if device.state not in service.SPEAKING:
        raise Conflict(f"the device is {device.state}", slug="device-refused")
    async with caller.context.database.write() as session:
        token, expires = await identity.add_claim(
            session,
            caller.context.now(),
            caller.actor,
            device_id,
            device.site,
            (new or NewClaim()).ttl_s,
        )
    return ClaimOut(token=token, expires=expires)


@router.post("/{device_id}/revoke")
async def revoke(caller: CallerDep, device_id: DeviceId, why: Revocation | None = None) -> Revoked:
    """Revoke all certificates and open claims of a device, at once."""
    device = await find(caller, device_id)
    await caller.require("device.revoke", device.site, device_id)
    reason = (why or Revocation()).reason
    async with caller.context.database.write() as session:
        count = await identity.revoke(
            session, caller.context.now(), caller.actor, device_id, device.site, reason
        )
    return Revoked(certificates=count)


@router.post("/{device_id}/state")
async def move(caller: CallerDep, device_id: DeviceId, new: NewState) -> DeviceOut:
    """Quarantine a device, let it back, or retire it: retired also revokes, and is for ever."""
    device = await find(caller, device_id)
    await caller.require("device.state", device.site, device_id)
    now = caller.context.now()
    async with caller.context.database.write() as session:
        if not await service.move(session, now, caller.actor, device, new.state):
            raise Conflict(f"a {device.state} device cannot become {new.state}")
        if new.state == "retired":
            await identity.revoke(session, now, caller.actor, device_id, device.site, "retired")
    return await _shown(caller, device_id)
