"""The timeline of one node: what was done to it, what its updates and its heartbeats told."""

import json

from sqlalchemy.ext.asyncio import AsyncSession

from fleet.access.scope import Scope
from fleet.audit import service as audit
from fleet.heartbeat import service as heartbeat
from fleet.rollouts import history
from fleet.rollouts.words import FINAL
from fleet.timeline import merge
from fleet.timeline.merge import Cursor, Entry

# The audit of a node that ended an update; its reports say the same, and how it came to that.
_TOLD = tuple(f"update.{word}" for word in FINAL)


async def page(
    session: AsyncSession,
    scope: Scope,
    device_id: str,
    *,
    refusals: bool,
    before: Cursor | None,
    limit: int,
) -> tuple[list[Entry], Cursor | None]:
    """Return a page, newest first, and where the following one begins.

    refusals: with the acts that were refused. Acts are those of the *scope*.
    """

    def bound(source: str) -> tuple[int, int] | None:
        return None if before is None else before.within(source)

    most = limit + 1
    acts = await audit.about(
        session,
        scope,
        device_id,
        refusals=refusals,
        told=_TOLD,
        before=bound(merge.ACT),
        limit=most,
    )
    reports = await history.reports(session, device_id, before=bound(merge.UPDATE), limit=most)
    events = await heartbeat.events(session, device_id, before=bound(merge.HEARTBEAT), limit=most)
    entries = [
        *(_act(row) for row in acts),
        *(_report(*row) for row in reports),
        *(_event(row) for row in events),
    ]
    return merge.page(entries, limit)


def _act(row: audit.Event) -> Entry:
    return Entry(row.at, merge.ACT, row.id, row.act, row.actor, row.outcome, row.detail)


def _report(row: history.Report, rollout: int, version: str) -> Entry:
    detail = {"rollout": rollout, "version": version, "details": json.loads(row.details)}
    return Entry(row.at, merge.UPDATE, row.id, row.state, None, None, detail)


def _event(row: heartbeat.NodeEvent) -> Entry:
    return Entry(row.at, merge.HEARTBEAT, row.id, row.kind, None, None, row.detail)
