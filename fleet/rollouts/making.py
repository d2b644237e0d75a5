"""Making rollouts: who is in which wave, and which release each gets."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from fleet.audit import service as audit
from fleet.db import Database
from fleet.devices.service import Device
from fleet.releases import service as releases
from fleet.rollouts import engine, waves
from fleet.rollouts.errors import InFlight, NoRelease, WrongPlan
from fleet.rollouts.models import Action, Rollout
from fleet.rollouts.words import ACTIVE, PENDING


async def create(
    session: AsyncSession,
    database: Database,
    now: int,
    actor: str,
    *,
    targets: Sequence[Device],
    version: str,
    plan: dict[str, Any],
) -> int:
    """Make a rollout of *version*, start its first wave, and return its id.

    Raises WrongPlan, NoRelease or InFlight; then nothing is changed.
    """
    sizes = waves.sizes(plan["waves"], len(targets))
    if sum(sizes) < len(targets):
        left = len(targets) - sum(sizes)
        raise WrongPlan(f"the waves leave {left} of {len(targets)} devices out: end with 100 %")
    ids = await in_force(session, {device.board for device in targets}, version)
    rollout = Rollout(
        version=version,
        state=ACTIVE,
        created_at=now,
        created_by=actor,
        plan=plan,
        sizes=sizes,
        wave_started_at=now,
    )
    session.add(rollout)
    await session.flush()
    rows = _rows(now, rollout, targets, ids)
    taken = await insert(session, database, rollout.id, rows)
    busy = await _busy(session, rollout.id, rows, taken)
    if busy:
        raise InFlight("some devices have an update under way", devices=busy)
    told = {"rollout": rollout.id, "version": version}
    all_of_them = [(device.id, device.site) for device in targets]
    await audit.record_each(session, now, actor, "rollout.create", all_of_them, **told)
    await engine.step(session, now, rollout)
    return rollout.id


def _rows(
    now: int, rollout: Rollout, targets: Sequence[Device], releases_by_board: Mapping[str, int]
) -> list[dict[str, Any]]:
    numbers = [wave for wave, size in enumerate(rollout.sizes, 1) for _ in range(size)]
    return [
        {
            **waiting(now, rollout.id, device.id, releases_by_board[device.board]),
            "position": position,
            "wave": wave,
        }
        for position, (device, wave) in enumerate(zip(targets, numbers, strict=True))
    ]


def waiting(now: int, rollout_id: int, device_id: str, release_id: int) -> dict[str, Any]:
    """Return the row of an update that the engine has still to start."""
    return {
        "rollout_id": rollout_id,
        "device_id": device_id,
        "release_id": release_id,
        "active": False,
        "cancelling": False,
        "state": PENDING,
        "changed_at": now,
    }


async def insert(
    session: AsyncSession, database: Database, rollout_id: int, rows: Iterable[dict[str, Any]]
) -> set[str]:
    """Add a rollout's updates; return the devices that had none waiting and got theirs."""
    # One order for all, so that two rollouts over the same devices do not lock crosswise. The
    # partial unique index decides who is free: whoever is not comes back missing.
    ordered = sorted(rows, key=lambda row: str(row["device_id"]))
    await session.execute(database.insert(Action.__table__).on_conflict_do_nothing(), ordered)
    mine = select(Action.device_id).where(Action.rollout_id == rollout_id)
    return set((await session.scalars(mine)).all())


async def _busy(
    session: AsyncSession, rollout_id: int, rows: Sequence[dict[str, Any]], taken: set[str]
) -> list[str]:
    """Return the devices that another rollout has in hand, in their order."""
    # After the insertion: what another rollout started while this waited for it is seen now.
    mine = select(Action.device_id).where(Action.rollout_id == rollout_id)
    query = select(Action.device_id).where(Action.active, Action.device_id.in_(mine))
    going = set((await session.scalars(query)).all())
    ids = [str(row["device_id"]) for row in rows]
    return sorted(device_id for device_id in ids if device_id not in taken or device_id in going)


async def in_force(session: AsyncSession, boards: set[str], version: str) -> dict[str, int]:
    """Return the release ids of a version, by board. Raises NoRelease."""
    ids = {}
    for board in sorted(boards):
        release = await releases.find(session, board, version)
        if release is None or not release.listed:
            raise NoRelease(f"there is no release {version} for board {board} in force")
        ids[board] = release.id
    return ids
