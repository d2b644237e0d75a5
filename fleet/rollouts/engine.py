"""The engine: what the policy decides is done, in every server process, again and again.

There is no lease (fleet/decisions/0008): whoever acts on a rollout holds its row for the length
of one transaction, and who finds it held passes on. A process that is killed lets go with it.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import select, union
from sqlalchemy.ext.asyncio import AsyncSession

from fleet.db import Database, passes
from fleet.rollouts import effects, policy, tally
from fleet.rollouts.models import Action, Rollout
from fleet.rollouts.words import OPEN, PENDING

_ROUNDS = 100  # of one step: each wave takes three, and a plan has at most twenty
log = logging.getLogger("lamppost")


@dataclass
class Ticker:
    """The periodic task of a server process; an absent database is said once, not every tick."""

    database: Database
    now: Callable[[], int]
    away: bool = False

    async def __call__(self) -> None:
        """Look at the rollouts once."""
        try:
            await tick(self.database, self.now())
        except Exception as error:
            if not passes(error):
                raise
            if not self.away:
                log.error("rollouts stand still: %s", type(error).__name__)  # noqa: TRY400
            self.away = True
        else:
            if self.away:
                log.info("rollouts go on")
            self.away = False


async def step(session: AsyncSession, now: int, rollout: Rollout) -> None:
    """Do all there is to do with a rollout whose row the session holds."""
    plan = tally.plan_of(rollout)
    for _ in range(_ROUNDS):
        status = tally.status(rollout, await tally.rows(session, rollout, now))
        changed = [
            await effects.apply(session, now, rollout, effect)
            for effect in policy.decide(plan, status, now)
        ]
        if not any(changed):
            return


async def tick(database: Database, now: int) -> int:
    """Look at every rollout that is under way, act where needed; return how many were acted on.

    Looking costs no lock and no transaction; what it saw is decided anew under the lock.
    """
    async with database.read() as session:
        going = await _going(session)
        if not going:
            return 0
        counted = await tally.all_rows(session, [each.id for each in going], now)
    acted = 0
    for rollout in going:
        try:
            if _due(rollout, counted[rollout.id], now):
                acted += await _act(database, now, rollout.id)
        except Exception as error:
            if passes(error):
                raise
            # One rollout that cannot go on must not keep the others from it.
            log.exception("rollout %s stands still", rollout.id)
    return acted


async def _going(session: AsyncSession) -> list[Rollout]:
    going = union(
        select(Rollout.id).where(Rollout.state.in_(OPEN)),
        select(Action.rollout_id).where(Action.active | (Action.state == PENDING)),
    )
    query = select(Rollout).where(Rollout.id.in_(going)).order_by(Rollout.id)
    return list((await session.scalars(query)).all())


def _due(rollout: Rollout, counted: list[tally.Row], now: int) -> bool:
    status = tally.status(rollout, counted)
    return bool(policy.decide(tally.plan_of(rollout), status, now))


async def _act(database: Database, now: int, rollout_id: int) -> bool:
    async with database.write() as session:
        held = await session.get(Rollout, rollout_id, with_for_update={"skip_locked": True})
        if held is None:
            return False
        await step(session, now, held)
    return True
