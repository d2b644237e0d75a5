"""The engine and rollouts that cannot go on."""

import asyncio
import logging

from sqlalchemy import insert, select, update

from fleet.db import Database
from fleet.devices.models import Device
from fleet.migrate import migrate
from fleet.releases.models import Release
from fleet.rollouts import engine, making
from fleet.rollouts.models import Action, Rollout

IDS = [f"{number:016x}" for number in range(2)]
DEVICE = {"site": "harbour", "board": "esp32", "state": "active", "attributes": {},
          "created_at": 1}  # fmt: skip
RELEASE = {"version": "1.1.0", "board": "esp32", "kind": "lamppost", "listed": True,
           "targets_version": 1, "floor": "0.0.0", "runtime": "1.27.0", "files": 1, "length": 1,
           "sha256": "", "sha1": "", "md5": "", "created_at": 1}  # fmt: skip
PLAN = {"waves": [{"percent": 100}], "success_percent": 90, "failure_percent": 10,
        "min_sample": 1, "soak_s": 0, "deadline_s": 60, "max_in_flight": 5,
        "max_restarts": 2}  # fmt: skip


def test_a_rollout_that_cannot_go_on_does_not_keep_others_from_it(tmp_path, caplog):
    async def run():
        database = Database(f"sqlite:///{tmp_path}/fleet.db")
        await migrate(database)
        async with database.write() as session:
            await session.execute(insert(Device), [{"id": i, "name": i, **DEVICE} for i in IDS])
            await session.execute(insert(Release), [RELEASE])
            targets = (await session.scalars(select(Device).order_by(Device.id))).all()
            made = [
                await making.create(
                    session, database, 100, "x", targets=[target], version="1.1.0", plan=PLAN
                )
                for target in targets
            ]
            await session.execute(update(Rollout).where(Rollout.id == made[0]).values(plan={}))
            await session.execute(update(Action).values(state="confirmed", active=False))
        assert await engine.tick(database, 101) == 1
        async with database.read() as session:
            states = (await session.scalars(select(Rollout.state).order_by(Rollout.id))).all()
        await database.close()
        return made, states

    with caplog.at_level(logging.ERROR, "lamppost"):
        made, states = asyncio.run(run())
    assert states == ["active", "finished"]
    assert [record.message for record in caplog.records] == [f"rollout {made[0]} stands still"]
