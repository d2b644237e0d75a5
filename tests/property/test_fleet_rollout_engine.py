"""The engine over random fleets, on a real database: what the policy's model promises holds there.

One rollout and what undoes it; time is the test's own.
"""

import asyncio
import shutil
import tempfile
from functools import cache
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from sqlalchemy import func, insert, select

from fleet.access.scope import EVERYWHERE
from fleet.db import Database
from fleet.devices.models import Device
from fleet.migrate import migrate
from fleet.releases.models import Release
from fleet.rollouts import control, engine, making, rollback, service
from fleet.rollouts.models import Action, Rollout

NOW = 1_760_000_000
NODES = 8
IDS = [f"{number:016x}" for number in range(NODES + 2)]
DEVICE = {"site": "harbour", "board": "esp32", "state": "active", "attributes": {},
          "version": "1.0.0", "created_at": NOW}  # fmt: skip
RELEASE = {"board": "esp32", "kind": "lamppost", "listed": True, "targets_version": 1,
           "floor": "0.0.0", "runtime": "1.27.0", "files": 1, "length": 1, "sha256": "",
           "sha1": "", "md5": "", "created_at": NOW}  # fmt: skip
BAD = ["failed", "rolled_back", "expired"]
plans = st.fixed_dictionaries(
    {
        "waves": st.sampled_from(
            [
                [{"percent": 100}],
                [{"count": 1}, {"percent": 100}],
                [{"count": 1}, {"percent": 50}, {"percent": 100}],
            ]
        ),
        "success_percent": st.sampled_from([0, 60, 90]),
        "failure_percent": st.sampled_from([0, 34, 100]),
        "min_sample": st.sampled_from([1, 2]),
        "soak_s": st.sampled_from([0, 20]),
        "deadline_s": st.integers(5, 60),
        "max_in_flight": st.integers(1, 4),
        "max_restarts": st.integers(0, 1),
    }
)


@cache
def template():
    """Return a migrated database with devices and releases, made once."""
    path = Path(tempfile.mkdtemp(prefix="lp-engine-")) / "fleet.db"

    async def make():
        database = Database(f"sqlite:///{path}")
        await migrate(database)
        async with database.write() as session:
            await session.execute(insert(Device), [{"id": i, "name": i, **DEVICE} for i in IDS])
            releases = [{"version": version, **RELEASE} for version in ("1.0.0", "1.1.0")]
            await session.execute(insert(Release), releases)
        await database.close()

    asyncio.run(make())
    return path


class Fleet(RuleBasedStateMachine):
    """Nodes and operators in any order; the engine looks in between."""

    @initialize(plan=plans, total=st.integers(1, NODES))
    def begin(self, plan, total):
        self.folder = tempfile.mkdtemp(prefix="lp-engine-")
        shutil.copy(template(), self.folder)
        self.database = Database(f"sqlite:///{self.folder}/fleet.db")
        self.loop = asyncio.Runner()
        self.now, self.targets, self.restarts = NOW, IDS[:total], dict.fromkeys(IDS, 0)
        self.cap = plan["max_in_flight"]
        self.id = self.write(self._create, plan)

    async def _create(self, session, plan):
        query = select(Device).where(Device.id.in_(self.targets)).order_by(Device.id)
        targets = (await session.scalars(query)).all()
        return await making.create(
            session, self.database, self.now, "x", targets=targets, version="1.1.0", plan=plan
        )

    def write(self, act, *arguments):
        async def run():
            async with self.database.write() as session:
                return await act(session, *arguments)

        return self.loop.run(run())

    def rows(self, query):
        async def run():
            async with self.database.read() as session:
                return (await session.execute(query)).all()

        return self.loop.run(run())

    @property
    def state(self):
        return self.rows(select(Rollout.state).where(Rollout.id == self.id))[0][0]

    def tick(self):
        self.loop.run(engine.tick(self.database, self.now))

    @rule(seconds=st.integers(0, 70))
    def time_passes(self, seconds):
        self.now += seconds
        self.tick()

    @rule(index=st.integers(0, NODES), words=st.lists(
        st.sampled_from(["downloading", "staged", "booted", "confirmed", "confirmed", *BAD]),
        min_size=1, max_size=3))  # fmt: skip
    def a_node_polls_and_says(self, index, words):
        device_id = self.targets[index % len(self.targets)]
        self.write(self._poll, device_id, words)
        self.tick()

    async def _poll(self, session, device_id, words):
        standing = await service.standing(session, device_id)
        assert standing is not None
        action = standing.action
        if standing.offered and not action.cancelling:
            assert await service.offered(session, action.id, self.now)
        if await service.missed(session, standing):
            await service.catch_up(session, self.database, self.now, action)
        if not standing.offered:
            return
        for word in words:
            said = {"state": word, "reason": None, "details": "[]"}
            await service.report(session, self.database, self.now, action, **said)

    @rule(index=st.integers(0, NODES))
    def a_node_restarts(self, index):
        device_id = self.targets[index % len(self.targets)]
        self.restarts[device_id] += 1
        self.write(service.restarted, device_id, self.restarts[device_id])
        self.tick()

    @rule(act=st.sampled_from(["pause", "resume", "resume", "abort", "rollback"]))
    def an_operator_steers(self, act):
        if act == "abort" and self.now > NOW + 60:
            self.write(control.abort, self.now, "x", self.id, EVERYWHERE)
        elif act == "rollback" and self.now > NOW + 60 and self.state != "rolled_back":
            self.write(lambda session: rollback.roll_back(
                session, self.database, self.now, "x", self.id))  # fmt: skip
        elif act in ("pause", "resume") and self.state in ("active", "paused"):
            self.write(getattr(control, act), self.now, "x", self.id)

    @invariant()
    def rules_hold(self):
        going = self.rows(select(Action.rollout_id, func.count()).where(Action.active)
                          .group_by(Action.rollout_id))  # fmt: skip
        assert all(count <= self.cap for _, count in going)
        started = Action.state.not_in(("pending", "cancelled"))
        early = select(Action.id).join(Rollout).where(Action.wave > Rollout.wave, started)
        touched = self.rows(early)
        assert touched == []
        counting = self.rows(select(Action.device_id).where(
            Action.rollout_id == self.id, Action.superseded.is_(False)))  # fmt: skip
        assert sorted(row[0] for row in counting) == sorted(self.targets)
        others = self.rows(select(Action.id).where(Action.device_id.not_in(self.targets)))
        assert others == []

    def teardown(self):
        """It always ends: whoever is under way falls silent, an operator accepts everything."""
        if not hasattr(self, "loop"):
            return
        try:
            for _ in range(20 + 4 * NODES * NODES):
                open_ones = self.rows(select(Rollout.id, Rollout.state).where(
                    Rollout.state.in_(("active", "paused"))))  # fmt: skip
                left = self.rows(
                    select(Action.id).where(Action.active | (Action.state == "pending"))
                )
                if not open_ones and not left:
                    break
                for rollout_id, state in open_ones:
                    if state == "paused":
                        self.write(control.resume, self.now, "x", rollout_id)
                self.now += 100
                self.tick()
            assert (open_ones, left) == ([], [])
        finally:
            self.loop.run(self.database.close())
            self.loop.close()
            shutil.rmtree(self.folder)


# Each life of a fleet is a database of its own, with every commit on the disk.
Fleet.TestCase.settings = settings(max_examples=12, stateful_step_count=20, deadline=None)
test_the_engine_over_any_fleet = pytest.mark.timeout(300)(Fleet.TestCase)
