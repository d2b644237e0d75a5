"""The migrations lead to the tables that the code speaks of, and to the revision it asks for."""

import asyncio

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

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
