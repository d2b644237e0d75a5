"""What a node installed by cable, and no rollout asked for (DDI: installedBase)."""

from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from fleet import limits
from fleet.audit import service as audit
from fleet.db import Database
from fleet.devices import service as devices
from fleet.devices.order import version_order
from fleet.rollouts import service
from fleet.rollouts.errors import TooOften
from fleet.rollouts.models import Action, Rollout
from fleet.rollouts.words import CANCELLED, OFFLINE, PENDING, SILENT, UNREACHED

ACT = "device.installed_offline"


async def installed(
    session: AsyncSession,
    database: Database,
    now: int,
    device_id: str,
    *,
    name: str,
    version: str,
) -> None:
    """Write down what a node says was installed by cable; older offers to it are over.

    An update to the same release or a later one stays offered. No roll-back and no second try of
    an earlier update touches the node any more. Raises TooOften: a day has so many of these.
    """
    since = now - limits.OFFLINE_S
    if await audit.count(session, device_id, ACT, since) >= limits.OFFLINE_INSTALLS:
        raise TooOften("so many releases are not installed by cable in a day")
    before = await devices.version(session, device_id)
    await _close(session, database, now, device_id, version)
    await devices.running(session, device_id, version)
    audit.record(
        session,
        now,
        f"node:{device_id}",
        ACT,
        device_id,
        site=await devices.site(session, device_id),
        name=name,
        version=version,
        before=before,
    )


async def _close(
    session: AsyncSession, database: Database, now: int, device_id: str, version: str
) -> None:
    """End what would lead the node back from this version, or be taken for what it runs."""
    query = (
        select(Action, Rollout.version)
        .join(Rollout, Rollout.id == Action.rollout_id)
        .where(Action.device_id == device_id)
        .where(Action.active | (Action.state == PENDING) | _may_return())
        .order_by(Action.id)
    )
    for action, offered in (await session.execute(query)).all():
        if offered == version:
            continue
        if not (action.active or action.state == PENDING):
            action.reason = OFFLINE
        elif (version_order(offered) or "") < (version_order(version) or ""):
            if action.active:
                await service.report(
                    session,
                    database,
                    now,
                    action,
                    state=CANCELLED,
                    reason=OFFLINE,
                    details="[]",
                )
            else:
                action.state, action.reason, action.changed_at = CANCELLED, OFFLINE, now


def _may_return() -> Any:
    """Select what a roll-back would undo, or an end of the silence begin anew."""
    silent = (Action.state == "failed") & (Action.reason == SILENT)
    return (Action.state.in_(("confirmed", UNREACHED)) | silent) & (
        func.coalesce(Action.reason, "") != OFFLINE
    )
