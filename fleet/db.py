"""The database: SQLite (WAL, synchronous=FULL) or PostgreSQL behind one interface.

Every write is one short transaction that has reached the disk when `Database.write` returns.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from pathlib import Path
from typing import Any

import asyncpg  # type: ignore[import-untyped]
from sqlalchemy import Connection, event, inspect, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    InterfaceError,
    OperationalError,
    SQLAlchemyError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.orm import DeclarativeBase

from fleet.errors import OperatorError
from fleet.migrations import HEAD

_DRIVERS = {
    "sqlite": "sqlite+aiosqlite",
    "sqlite+aiosqlite": "sqlite+aiosqlite",
    "postgres": "postgresql+asyncpg",
    "postgresql": "postgresql+asyncpg",
    "postgresql+asyncpg": "postgresql+asyncpg",
}
_BUSY_MS = 10_000
_CONNECT_S = 10


class Base(DeclarativeBase):
    """Root of all tables."""


def parse_url(text_url: str) -> URL:
    """Return the URL with its asynchronous driver. Raises OperatorError."""
    try:
        url = make_url(text_url)
    except (ArgumentError, ValueError):
        raise OperatorError("the database URL is malformed") from None
    driver = _DRIVERS.get(url.drivername)
    if driver is None:
        raise OperatorError(f"the database must be sqlite or postgresql, not {url.drivername}")
    if not url.database:
        raise OperatorError("the database URL names no database")
    return url.set(drivername=driver)


def _tune_sqlite(engine: AsyncEngine, *pragmas: str) -> None:
    @event.listens_for(engine.sync_engine, "connect")
    def _connect(connection: Any, _: Any) -> None:
        # The driver's own transaction handling would begin late and deferred: take it over.
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in (f"busy_timeout={_BUSY_MS}", *pragmas):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()


def _begin_at_once(engine: AsyncEngine) -> None:
    @event.listens_for(engine.sync_engine, "begin")
    def _begin(connection: Connection) -> None:
        # A deferred transaction that turns into a writer fails at once when another one wrote.
        connection.exec_driver_sql("BEGIN IMMEDIATE")


class Database:
    """Engines and sessions. *url*: `sqlite:///PATH` or `postgresql://…`; raises OperatorError.

    Reading and writing have connections of their own: those for reading cannot write, and save
    the round trips of a transaction (on SQLite each is a change of threads).
    """

    def __init__(self, url: str) -> None:
        self.url = parse_url(url)
        self.is_sqlite = self.url.drivername.startswith("sqlite")
        try:
            self.engine, self._reader = self._sqlite() if self.is_sqlite else self._postgresql()
        except (ArgumentError, TypeError, ValueError) as error:
            raise OperatorError("the database URL is malformed") from error
        # SQLite has one writer: queueing here is fair, its busy handler is not.
        self._turn = asyncio.Lock() if self.is_sqlite else nullcontext()

    def _sqlite(self) -> tuple[AsyncEngine, AsyncEngine]:
        writer = create_async_engine(self.url)
        _tune_sqlite(writer, "journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON")
        _begin_at_once(writer)
        reader = create_async_engine(
            self.url, isolation_level="AUTOCOMMIT", pool_reset_on_return=None
        )
        _tune_sqlite(reader, "query_only=ON")
        return writer, reader

    def _postgresql(self) -> tuple[AsyncEngine, AsyncEngine]:
        connect: dict[str, Any] = {"timeout": _CONNECT_S}
        writer = create_async_engine(self.url, pool_pre_ping=True, connect_args=connect)
        only_read = {**connect, "server_settings": {"default_transaction_read_only": "on"}}
        reader = create_async_engine(
            self.url,
            isolation_level="AUTOCOMMIT",
            pool_reset_on_return=None,
            connect_args=only_read,
        )
        return writer, reader

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncSession]:
        """Give a session for reading; each query sees what is committed when it runs."""
        async with AsyncSession(self._reader, expire_on_commit=False) as session:
            yield session

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncSession]:
        """Give a session in one write transaction: committed at the end, undone by an error."""
        async with (
            self._turn,
            AsyncSession(self.engine, expire_on_commit=False) as session,
            session.begin(),
        ):
            yield session

    def insert(self, table: Any) -> Any:
        """Return the engine's own INSERT, which knows `on_conflict_do_nothing`."""
        return sqlite.insert(table) if self.is_sqlite else postgresql.insert(table)

    async def check(self) -> None:
        """Raise OperatorError unless the database answers and its schema is ours."""
        missing = self.is_sqlite and not await asyncio.to_thread(
            Path(str(self.url.database)).exists
        )
        if missing:
            raise OperatorError("the database is not migrated: run `lamppost init` first")
        async with reach(self), self._reader.connect() as connection:
            current = await connection.run_sync(_revision)
        if current != HEAD:
            raise OperatorError(
                f"the database is at revision {current or 'none'}, this server needs {HEAD}: "
                "run `lamppost init` to migrate"
            )

    async def answers(self) -> bool:
        """Say whether the database can be read."""
        try:
            async with self._reader.connect() as connection:
                await connection.execute(text("SELECT 1"))
        except (SQLAlchemyError, asyncpg.PostgresError, OSError):
            return False
        return True

    async def close(self) -> None:
        """Let go of all connections."""
        await self._reader.dispose()
        await self.engine.dispose()


def passes(error: BaseException) -> bool:
    """Say whether a failure is overload or an absent database: the same call may succeed later.

    Classes of SQLSTATE (PostgreSQL's appendix A): 08 connection, 40 rolled back for another's
    sake, 53 out of resources, 57 the operator's intervention.
    """
    if isinstance(error, DBAPIError):
        state = str(getattr(error.orig, "sqlstate", None) or "")
        known = isinstance(error, (OperationalError, InterfaceError))
        return known or error.connection_invalidated or state[:2] in ("08", "40", "53", "57")
    # Where a connection cannot even be made the driver's own errors come unwrapped.
    return isinstance(error, (PoolTimeout, asyncpg.PostgresError, OSError))


@asynccontextmanager
async def reach(database: Database) -> AsyncIterator[None]:
    """Turn failures to reach the database into an OperatorError of one line."""
    where = database.url.render_as_string(hide_password=True)
    try:
        yield
    except (SQLAlchemyError, asyncpg.PostgresError, OSError) as error:
        cause = error.__cause__ or error
        reason = (str(cause).splitlines() or [type(cause).__name__])[0]
        raise OperatorError(f"cannot reach the database {where}: {reason}") from error


def _revision(connection: Connection) -> str | None:
    # What Alembic's own context would read, without the quarter of a second to import it.
    if not inspect(connection).has_table("alembic_version"):
        return None
    found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return None if found is None else str(found)
