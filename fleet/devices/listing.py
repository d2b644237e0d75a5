"""Devices with their last heartbeats: filtered, sorted and paged in one query.

A page ends with a cursor of the last row's id and sort value; the next one begins behind both. A
row whose value moves meanwhile is listed where it stands then; all others come exactly once.
"""

import base64
import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from fleet.access.scope import Scope
from fleet.devices.errors import BadCursor
from fleet.devices.models import Device
from fleet.heartbeat.service import Heartbeat

# The unknown sorts below all that is known. Where a column may be null its index is of no use:
# a fleet of a hundred thousand is sorted in memory.
_TEXTS: dict[str, Any] = {
    "id": Device.id,
    "name": func.lower(Device.name),
    "site": Device.site,
    "version": func.coalesce(Device.version_order, ""),
}
_NUMBERS: dict[str, Any] = {
    "seen": func.coalesce(Device.seen_at, -1),
    "restarts": func.coalesce(Heartbeat.restarts, -1),
    "outbox": func.coalesce(Heartbeat.outbox, -1),
}
_SORTS = {**_TEXTS, **_NUMBERS}
_INTEGER = re.compile("-?[0-9]{1,18}")


@dataclass(frozen=True)
class Filter:
    """Which devices; None is any. silent_since: without contact since then, unix seconds."""

    site: str | None = None
    state: str | None = None
    board: str | None = None
    version: str | None = None
    silent_since: int | None = None


@dataclass(frozen=True)
class Page:
    """(device, its last heartbeat) in order; after: cursor of the following page, if any."""

    rows: Sequence[tuple[Device, Heartbeat | None]]
    after: str | None


async def page(
    session: AsyncSession,
    scope: Scope,
    wanted: Filter,
    *,
    sort: str = "id",
    descending: bool = False,
    after: str | None = None,
    limit: int,
) -> Page:
    """Return devices of the scope. Raises BadCursor when *after* is none of this sort."""
    by = _SORTS[sort]
    query: Any = select(Device, Heartbeat, by)
    query = query.outerjoin(Heartbeat, Heartbeat.device_id == Device.id)
    query = _filtered(query, scope, wanted)
    order = tuple_(by, Device.id)
    if after is not None:
        bound = tuple_(*_decode(after, sort))
        query = query.where(order < bound if descending else order > bound)
    keys = (by.desc(), Device.id.desc()) if descending else (by, Device.id)
    found = (await session.execute(query.order_by(*keys).limit(limit))).all()
    cursor = _encode(found[-1][0].id, found[-1][2], sort) if len(found) == limit else None
    return Page([(row[0], row[1]) for row in found], cursor)


def _filtered(query: Any, scope: Scope, wanted: Filter) -> Any:
    if not scope.everywhere:
        query = query.where(Device.site.in_(scope.sites))
    for name in ("site", "state", "board", "version"):
        value = getattr(wanted, name)
        if value is not None:
            query = query.where(getattr(Device, name) == value)
    if wanted.silent_since is not None:
        # A node that never came is silent since it was registered.
        contact = func.coalesce(Device.seen_at, Device.created_at)
        query = query.where(contact <= wanted.silent_since)
    return query


def _encode(device_id: str, value: str | int, sort: str) -> str:
    if sort == "id":
        return device_id
    if isinstance(value, int):
        return f"{device_id}.{value}"
    return f"{device_id}.{base64.urlsafe_b64encode(value.encode()).decode().rstrip('=')}"


def _decode(cursor: str, sort: str) -> tuple[str | int, str]:
    device_id, _, text = cursor.partition(".")
    if sort == "id":
        return device_id, device_id
    if sort in _NUMBERS:
        if not _INTEGER.fullmatch(text):
            raise BadCursor(f"after is no cursor of sort={sort}")
        return int(text), device_id
    try:
        value = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise BadCursor(f"after is no cursor of sort={sort}") from None
    if "\0" in value:  # PostgreSQL has no text with it
        raise BadCursor(f"after is no cursor of sort={sort}")
    return value, device_id
