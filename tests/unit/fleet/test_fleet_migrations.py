"""The migrations lead to the tables that the code speaks of, and to the revision it asks for."""

import asyncio

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from fleet import migrate
from fleet.access.scope import EVERYWHERE
from fleet.db import Database
from fleet.migrations import HEAD
from fleet.rollouts import engine, reading, service
from fleet.tables import metadata


def test_the_revision_asked_for_is_the_newest():
    assert ScriptDirectory.from_config(migrate.config()).get_current_head() == HEAD


def test_the_migrated_schema_is_the_one_in_the_models(tmp_path):
    async def differences():
        database = Database(f"sqlite:///{tmp_path}/fleet.db")
        await migrate.migrate(database)
        await migrate.migrate(database)
        await database.check()
        async with database.engine.connect() as connection:
            found = await connection.run_sync(
                lambda sync: compare_metadata(MigrationContext.configure(sync), metadata)
            )
        await database.close()
        return found

    assert asyncio.run(differences()) == []


def test_versions_that_nodes_ran_before_are_sorted_with_the_rest(tmp_path):
    def move(sync, where):
        made = migrate.config()
        made.attributes["connection"] = sync
        (command.upgrade if where == "head" else command.downgrade)(made, where)

    async def moved():
        database = Database(f"sqlite:///{tmp_path}/fleet.db")
        await migrate.migrate(database)
        found = []
        async with database.engine.begin() as connection:
            await connection.run_sync(move, "0002")
            for number, version in enumerate(("1.10.0", "1.9.0", None, "1.10.0", "odd")):
                row = {"id": f"{number:016x}", "version": version}
                await connection.execute(
                    text("""INSERT INTO devices
                    (id, site, name, board, state, version, attributes, created_at)
                    VALUES (:id, 'a', 'a', 'esp32', 'active', :version, '{}', 1)"""),
                    row,
                )
            await connection.run_sync(move, "head")
            query = text("SELECT version FROM devices ORDER BY version_order, version")
            found = list((await connection.execute(query)).scalars())
        await database.close()
        return found

    assert asyncio.run(moved()) == [None, "odd", "1.9.0", "1.10.0", "1.10.0"]


FORMER = (
    """INSERT INTO devices (id, site, name, board, state, attributes, created_at)
    VALUES ('{0}', 'harbour', 'x', 'esp32', 'active', '{{}}', 1)""",
    """INSERT INTO releases (id, board, version, kind, listed, targets_version, floor, runtime,
    files, length, sha256, sha1, md5, created_at)
    VALUES (1, 'esp32', '1.0.0', 'lamppost', true, 1, '0.0.0', '1.27.0', 1, 1, '', '', '', 1)""",
    """INSERT INTO rollouts (id, version, state, created_at, created_by)
    VALUES (1, '1.0.0', 'active', 1000, 'somebody')""",
    """INSERT INTO actions (id, rollout_id, device_id, release_id, active, cancelling, state,
    changed_at) VALUES (1, 1, '{0}', 1, true, false, 'downloading', 1500),
    (2, 1, '{0}', 1, false, false, 'confirmed', 1400)""",
)


def test_a_rollout_from_before_there_were_plans_goes_on_to_its_end(database_url, tmp_path):
    device_id = "0" * 16

    async def upgraded():
        database = Database(database_url() or f"sqlite:///{tmp_path}/fleet.db")
        async with database.engine.begin() as connection:
            await connection.run_sync(lambda sync: _to(sync, "0001"))
            for statement in FORMER:
                await connection.execute(text(statement.format(device_id)))
        await migrate.migrate(database)
        assert await engine.tick(database, 2000) == 0
        async with database.write() as session:
            action = await service.active(session, device_id)
            assert (action.wave, action.started_at, action.state) == (1, 1500, "downloading")
            assert await service.report(
                session, database, 2000, action, state="failed", reason=None, details="[]"
            )
        assert await engine.tick(database, 2001) == 1
        async with database.read() as session:
            found = await reading.find(session, EVERYWHERE, 1)
        await database.close()
        return found

    rollout = asyncio.run(upgraded())
    assert (rollout.state, rollout.sizes) == ("finished", [2])


def _to(connection, revision):
    made = migrate.config()
    made.attributes["connection"] = connection
    command.upgrade(made, revision)
