"""Which nodes a rollout is for."""

from collections.abc import Iterable, Sequence

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from fleet import limits
from fleet.access.scope import Scope
from fleet.devices import service as devices
from fleet.devices.service import Device
from fleet.rollouts.errors import WrongDevices

_ENROLLED = "active"


async def named(session: AsyncSession, scope: Scope, ids: Iterable[str]) -> list[Device]:
    """Return these devices of the scope, in the order of their names. Raises WrongDevices."""
    order = list(dict.fromkeys(ids))
    rows = (await session.scalars(select(Device).where(Device.id.in_(order)))).all()
    found = {device.id: device for device in rows if scope.covers(device.site)}
    missing = [device_id for device_id in order if device_id not in found]
    if missing:
        raise WrongDevices("some devices do not exist", devices=missing)
    return [found[device_id] for device_id in order]


async def at(
    session: AsyncSession, scope: Scope, site: str, board: str | None
) -> Sequence[Device]:
    """Return the enrolled devices of a site, by id. Raises WrongDevices when there are none."""
    query = select(Device).where(Device.site == site, Device.state == _ENROLLED)
    if board is not None:
        query = query.where(Device.board == board)
    query = query.order_by(Device.id).limit(limits.ROLLOUT_DEVICES + 1)
    found = (await session.scalars(query)).all() if scope.covers(site) else []
    if not found:
        raise WrongDevices(f"there is no enrolled device of that kind at site {site}", devices=[])
    if len(found) > limits.ROLLOUT_DEVICES:
        raise WrongDevices(f"site {site} has more than {limits.ROLLOUT_DEVICES}", devices=[])
    return found


def check(targets: Iterable[Device], board: str | None) -> None:
    """Raise WrongDevices unless all may be updated and are of *board*, when it is given."""
    foreign = [device.id for device in targets if board not in (None, device.board)]
    if foreign:
        raise WrongDevices(f"some devices are no {board}", devices=foreign)
    silent = [device.id for device in targets if device.state not in devices.SPEAKING]
    if silent:
        raise WrongDevices("some devices may not be updated in their state", devices=silent)
