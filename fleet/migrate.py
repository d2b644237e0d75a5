"""Bringing the database's schema up to date; only `lamppost init` needs this."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection

from fleet.db import Database, reach


def config() -> Config:
    """Return Alembic's configuration: there is no ini file."""
    made = Config()
    made.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    made.set_main_option("path_separator", "os")
    return made


async def migrate(database: Database) -> None:
    """Run what is missing. Raises OperatorError when the database is not there."""
    async with reach(database), database.engine.begin() as connection:
        await connection.run_sync(_upgrade)


def _upgrade(connection: Connection) -> None:
    made = config()
    made.attributes["connection"] = connection
    command.upgrade(made, "head")
