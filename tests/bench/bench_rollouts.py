"""What the rollout engine costs: a look and an act at 100, 1,000 and 10,000 nodes, on SQLite.

In this process, without HTTP: the limit is the bare query that reads the same rows.
"""

import asyncio
import tempfile
import time

from sqlalchemy import insert, select, text, update

from fleet.db import Database
from fleet.devices.models import Device
from fleet.migrate import migrate
from fleet.releases.models import Release
from fleet.rollouts import engine, making
from fleet.rollouts.models import Action

SIZES = (100, 1000, 10_000)
ROUNDS = 15
NOW = 1_760_000_000
CAP = 50
PLAN = {
    "waves": [{"count": 1}, {"percent": 100}],
    "success_percent": 90,
    "failure_percent": 10,
    "min_sample": 1,
    "soak_s": 3600,
    "deadline_s": 86400,
    "max_in_flight": CAP,
    "max_restarts": 2,
}
BARE = "SELECT state, count(*) FROM actions WHERE rollout_id = :rollout GROUP BY state"


def rows():
    """Measure one rollout, half of it confirmed, at each size."""
    for size in SIZES:
        with tempfile.TemporaryDirectory() as folder:
            bare, look, act = asyncio.run(measure(f"sqlite:///{folder}/fleet.db", size))
        for name, figure in (
            (f"a rollout tick that finds nothing to do, {size:,} nodes", look),
            (f"a rollout tick that starts {CAP} updates, committed, {size:,} nodes", act),
        ):
            yield {
                "name": name,
                "figure": figure * 1000,
                "unit": "ms",
                "limit": bare * 1000,
                "against": "the bare query that counts the same rows",
            }


async def measure(url, size):
    """Return the least seconds of the bare query, of a look, and of an act."""
    database = Database(url)
    await migrate(database)
    rollout = await filled(database, size)
    bare = await least(lambda: query(database, rollout))
    look = await least(lambda: engine.tick(database, NOW))
    act = await least(lambda: engine.tick(database, NOW), before=lambda: withdrawn(database))
    await database.close()
    return bare, look, act


async def filled(database, size):
    """Make devices and a rollout over them: half have confirmed, the cap is under way."""
    ids = [f"{number:06x}fffe{number:06x}" for number in range(size)]
    device = {"site": "bench", "board": "bench", "state": "active", "attributes": {},
              "created_at": NOW}  # fmt: skip
    release = {"board": "bench", "version": "1.1.0", "kind": "lamppost", "listed": True,
               "targets_version": 1, "floor": "0.0.0", "runtime": "1.27.0", "files": 1,
               "length": 1, "sha256": "", "sha1": "", "md5": "", "created_at": NOW}  # fmt: skip
    async with database.write() as session:
        await session.execute(
            insert(Device), [{"id": each, "name": each, **device} for each in ids]
        )
        await session.execute(insert(Release), [release])
    async with database.write() as session:
        targets = (await session.scalars(select(Device).order_by(Device.id))).all()
        rollout = await making.create(
            session, database, NOW, "bench", targets=targets, version="1.1.0", plan=PLAN
        )
        done = {"state": "confirmed", "active": False, "changed_at": NOW - PLAN["soak_s"]}
        half = Action.position < size // 2
        await session.execute(update(Action).where(half).values(**done))
    while await engine.tick(database, NOW):
        pass
    return rollout


async def query(database, rollout):
    """Count the rows with nothing around it."""
    async with database.read() as session:
        return (await session.execute(text(BARE), {"rollout": rollout})).all()


async def withdrawn(database):
    """Put what is under way back, so that the next tick has as much to start."""
    waiting = {"state": "pending", "active": False, "started_at": None}
    async with database.write() as session:
        await session.execute(update(Action).where(Action.active).values(**waiting))


async def least(act, before=None):
    """Return the least seconds that `act` takes."""
    found = []
    for _ in range(ROUNDS):
        if before is not None:
            await before()
        began = time.perf_counter()
        await act()
        found.append(time.perf_counter() - began)
    return min(found)
