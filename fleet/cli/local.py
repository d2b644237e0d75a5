"""What the commands on the server's own machine need; operators' commands start without it."""

from pathlib import Path

from fleet.db import Database
from fleet.settings import Home


def database(home: Path, url: str | None) -> Database:
    """Return the database that the options name. Raises OperatorError."""
    return Database(url or Home(home).database_url)
