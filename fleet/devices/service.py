"""Devices: added, found within a scope, seen."""

from typing import Any

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from fleet.access.scope import Scope
from fleet.audit import service as audit
from fleet.db import Database
from fleet.devices.models import Device
from fleet.devices.order import version_order

# The rows that other domains may hold: they reach them through here, not through the models.
__all__ = ["Device"]

SPEAKING = ("claimed", "active")


async def add(
    session: AsyncSession,
    database: Database,
    now: int,
    actor: str,
    *,
    device_id: str,
    site: str,
    name: str,
    board: str,
) -> bool:
    """Register a device; False when its id is taken."""
    statement = (
        database.insert(Device)
        .values(
            id=device_id,
            site=site,
            name=name,
            board=board,
            state="claimed",
            version=None,
            attributes={},
            created_at=now,
            seen_at=None,
        )
        .on_conflict_do_nothing()
        .returning(Device.id)
    )
    if await session.scalar(statement) is None:
        return False
    audit.record(session, now, actor, "device.add", device_id, site=site, board=board)
    return True


async def find(session: AsyncSession, scope: Scope, device_id: str) -> Device | None:
    """Return a device of the scope."""
    device = await session.get(Device, device_id)
    return device if device is not None and scope.covers(device.site) else None


async def site(session: AsyncSession, device_id: str) -> str | None:
    """Return a device's site: for records about it, whoever acts."""
    return await session.scalar(select(Device.site).where(Device.id == device_id))


async def may_enroll(session: AsyncSession, device_id: str) -> bool:
    """Say whether a device's state lets it have an identity; holds the row for the transaction."""
    query = select(Device.state).where(Device.id == device_id).with_for_update()
    return await session.scalar(query) in SPEAKING


async def activate(session: AsyncSession, device_id: str) -> None:
    """Note that a device has an identity now."""
    await session.execute(update(Device).where(Device.id == device_id).values(state="active"))


_MOVES = {
    "active": ("quarantined",),
    "quarantined": ("claimed", "active"),
    "retired": ("claimed", "active", "quarantined"),
}


async def move(session: AsyncSession, now: int, actor: str, device: Device, state: str) -> bool:
    """Move a device to another state; False if there is no way from where it is."""
    statement = (
        update(Device)
        .where(Device.id == device.id, Device.state.in_(_MOVES[state]))
        .values(state=state)
        .returning(Device.id)
    )
    if await session.scalar(statement) is None:
        return False
    audit.record(session, now, actor, "device.state", device.id, site=device.site, state=state)
    return True


async def seen(session: AsyncSession, device_id: str, now: int) -> None:
    """Note a contact."""
    await session.execute(update(Device).where(Device.id == device_id).values(seen_at=now))


async def version(session: AsyncSession, device_id: str) -> str | None:
    """Return the release that a device is known to run."""
    return await session.scalar(select(Device.version).where(Device.id == device_id))


async def running(session: AsyncSession, device_id: str, version: str) -> None:
    """Note which release a device says it runs."""
    await session.execute(update(Device).where(Device.id == device_id).values(**_version(version)))


def _version(version: str) -> dict[str, str | None]:
    return {"version": version, "version_order": version_order(version)}


async def describe(
    session: AsyncSession, device_id: str, attributes: dict[str, Any], version: str | None
) -> None:
    """Replace what a device says of itself; a version of None leaves the one that it ran."""
    known = {} if version is None else _version(version)
    statement = update(Device).where(Device.id == device_id)
    await session.execute(statement.values(attributes=attributes, **known))


async def attributes(session: AsyncSession, device_id: str) -> dict[str, Any]:
    """Return what a device says of itself; holds the row for the transaction."""
    query = select(Device.attributes).where(Device.id == device_id).with_for_update()
    return dict(await session.scalar(query) or {})
