"""`lamppost token`: works on the server's own database, so that a first token can be made."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from fleet import limits
from fleet.access import service
from fleet.access.service import ROLES, Token
from fleet.cli.common import (
    CommandError,
    Duration,
    database_option,
    home_option,
    json_option,
    plainly,
    print_json,
    print_table,
    when,
)
from fleet.cli.local import database
from fleet.db import Database
from fleet.settings import private

_ACTOR = "local"
_T = TypeVar("_T")


def _on_database(home: Path, url: str | None, act: Callable[[Database], Awaitable[_T]]) -> _T:
    private()

    async def run() -> _T:
        found = database(home, url)
        try:
            await found.check()
            return await act(found)
        finally:
            await found.close()

    return asyncio.run(run())


def _public(token: Token) -> dict[str, Any]:
    return {
        "id": token.id,
        "name": token.name,
        "role": token.role,
        "sites": token.sites,
        "created_at": token.created_at,
        "expires_at": token.expires_at,
        "revoked_at": token.revoked_at,
    }


@click.group()
def token() -> None:
    """Make, list and revoke operators' tokens, on the server's machine."""


@token.command()
@home_option
@database_option
@click.option("--role", type=click.Choice(ROLES), required=True, help="What the token may do.")
@click.option(
    "--site", "sites", multiple=True, help="Only this site; may be repeated. Default: everywhere."
)
@click.option("--name", default="", help="Whose it is, for the list.")
@click.option(
    "--ttl",
    type=Duration(),
    default=f"{limits.TOKEN_S // 86400}d",
    show_default=True,
    help="How long it lives: 3600, 12h, 30d.",
)
@json_option
@plainly
def create(
    home: Path,
    database_url: str | None,
    role: str,
    sites: tuple[str, ...],
    name: str,
    ttl: int,
    as_json: bool,
) -> None:
    """Make a token and print it: it is shown this once and kept nowhere."""
    if not 1 <= ttl <= limits.TOKEN_MAX_S:
        raise CommandError(f"--ttl is 1 to {limits.TOKEN_MAX_S} seconds")

    async def act(found: Database) -> tuple[Token, str]:
        async with found.write() as session:
            return await service.create(
                session,
                int(time.time()),
                _ACTOR,
                name=name or role,
                role=role,
                sites=sites or None,
                ttl_s=ttl,
            )

    made, secret = _on_database(home, database_url, act)
    if as_json:
        print_json({**_public(made), "token": secret})
    else:
        click.echo(secret)
        click.echo(f"token {made.id}, {role}, until {when(made.expires_at)}", err=True)


@token.command("list")
@home_option
@database_option
@json_option
@plainly
def list_(home: Path, database_url: str | None, as_json: bool) -> None:
    """List tokens; their secrets are not kept."""

    async def act(found: Database) -> list[Token]:
        async with found.read() as session:
            return list(await service.list_all(session))

    rows = _on_database(home, database_url, act)
    if as_json:
        print_json([_public(row) for row in rows])
        return
    print_table(
        ("id", "name", "role", "sites", "expires", "revoked"),
        [
            (
                row.id,
                row.name,
                row.role,
                "everywhere" if row.sites is None else ", ".join(row.sites),
                when(row.expires_at),
                when(row.revoked_at),
            )
            for row in rows
        ],
    )


@token.command()
@home_option
@database_option
@click.argument("token_id", metavar="ID")
@plainly
def revoke(home: Path, database_url: str | None, token_id: str) -> None:
    """Revoke a token at once."""

    async def act(found: Database) -> bool:
        async with found.write() as session:
            return await service.revoke(session, int(time.time()), _ACTOR, token_id)

    if not _on_database(home, database_url, act):
        raise CommandError(f"there is no token {token_id} in force")
    click.echo(f"revoked {token_id}")
