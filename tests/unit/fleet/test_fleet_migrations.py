"""The migrations lead to the tables that the code speaks of, and to the revision it asks for."""

import asyncio

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from fleet import migrate
from fleet.db import Database
from fleet.migrations import HEAD
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
