"""What the operator API shows of a rollout, put together from a few queries."""

from sqlalchemy.ext.asyncio import AsyncSession

from fleet.access.scope import Scope
from fleet.errors import NotFound
from fleet.rollouts import policy, reading, tally
from fleet.rollouts.models import Action, Rollout
from fleet.rollouts.schemas import ActionOut, Plan, ReportOut, RolloutDetail, RolloutOut, WaveOut


async def detail(
    session: AsyncSession, scope: Scope, now: int, rollout_id: int, *, after: int, limit: int
) -> RolloutDetail:
    """Return a rollout with one page of its updates. Raises NotFound."""
    rollout = await reading.find(session, scope, rollout_id)
    if rollout is None:
        raise NotFound(f"there is no rollout {rollout_id}")
    status = tally.status(rollout, await tally.rows(session, rollout, now))
    mine = await tally.rows(session, rollout, now, scope)
    page = await reading.actions(session, scope, rollout_id, after=after, limit=limit)
    words: dict[int, list[ReportOut]] = {action.id: [] for action in page}
    for report in await reading.reports(session, list(words)):
        words[report.action_id].append(ReportOut(at=report.at, state=report.state))
    return RolloutDetail(
        **RolloutOut.model_validate(rollout, from_attributes=True).model_dump(),
        plan=Plan.model_validate(rollout.plan),
        wave_started_at=rollout.wave_started_at,
        settled_at=rollout.settled_at,
        waves=_waves(rollout, scope, status, mine),
        counts=tally.words(mine),
        actions=[_action(action, words[action.id]) for action in page],
        next=page[-1].id if len(page) == limit else None,
    )


def _waves(
    rollout: Rollout, scope: Scope, status: policy.Status, mine: list[tally.Row]
) -> list[WaveOut]:
    plan = tally.plan_of(rollout)
    found = []
    for number, size in enumerate(rollout.sizes, 1):
        counts = tally.words(row for row in mine if row.wave == number)
        found.append(
            WaveOut(
                number=number,
                # How many nodes others have in it is theirs to know.
                planned=size if scope.everywhere else sum(counts.values()),
                state=policy.wave_state(plan, status, number),
                counts=counts,
            )
        )
    return found


def _action(action: Action, reports: list[ReportOut]) -> ActionOut:
    return ActionOut(
        id=action.id,
        device=action.device_id,
        wave=action.wave,
        state=action.state,
        reason=action.reason,
        active=action.active,
        cancelling=action.cancelling,
        started_at=action.started_at,
        offered_at=action.offered_at,
        changed_at=action.changed_at,
        from_version=action.from_version,
        restarts=action.restarts,
        moves=action.moves,
        superseded=action.superseded,
        reports=reports,
    )
