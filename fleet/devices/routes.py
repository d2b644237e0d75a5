"""The operator API of devices."""

from typing import Annotated

from fastapi import APIRouter, Query

from fleet import limits
from fleet.access.guard import Caller, CallerDep
from fleet.devices import service
from fleet.devices.schemas import (
    ClaimOut,
    DeviceOut,
    Devices,
    NewClaim,
    NewDevice,
    NewState,
    Revocation,
    Revoked,
)
from fleet.devices.service import Device
from fleet.errors import Conflict, NotFound
from fleet.identity import service as identity
from fleet.schemas import DeviceId, SiteName

router = APIRouter(prefix="/devices", tags=["devices"])


def _out(device: Device) -> DeviceOut:
    return DeviceOut.model_validate(device, from_attributes=True)


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
    site: Annotated[SiteName | None, Query()] = None,
    after: Annotated[DeviceId | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=limits.PAGE)] = 100,
) -> Devices:
    """List devices by id."""
    scope = await caller.scope("device.read")
    async with caller.context.database.read() as session:
        found = await service.page(session, scope, after=after, limit=limit, site=site)
    following = found[-1].id if len(found) == limit else None
    return Devices(devices=[_out(device) for device in found], next=following)


@router.get("/{device_id}")
async def show(caller: CallerDep, device_id: DeviceId) -> DeviceOut:
    """Show one device."""
    return _out(await find(caller, device_id))


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
    return _out(await find(caller, device_id))
