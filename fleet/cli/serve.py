"""`lamppost init` and `lamppost serve`."""

import asyncio
import logging
import sys
import time
from pathlib import Path
from typing import Any

import click

from fleet import limits
from fleet.cli.common import database_option, home_option, json_option, plainly, print_json
from fleet.settings import Address, Home, Settings, private


class _HostPort(click.ParamType[Address]):
    name = "host:port"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Address:
        try:
            return value if isinstance(value, Address) else Address.parse(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


@click.command()
@home_option
@database_option
@json_option
@plainly
def init(home: Path, database_url: str | None, as_json: bool) -> None:
    """Make LAMPPOST_HOME, its fleet CA and the database; or bring the database up to date.

    Safe to repeat: what is there stays. Signing keys for releases are made by `lamppost ota init`,
    better on another machine.
    """
    from fleet.identity import ca  # noqa: PLC0415 - time that `--help` need not wait for

    private()
    place = Home(home)
    place.make()
    # The database first: whoever finds a CA key finds everything.
    asyncio.run(_migrate(home, database_url))
    made = ca.create(place, int(time.time()))
    if as_json:
        print_json({"home": str(home), "ca": str(place.pki / "ca.der"), "made": made})
        return
    click.echo(f"{'made' if made else 'kept'} the fleet CA: {place.pki / 'ca.der'} (for nodes)")
    click.echo("the database is up to date")
    click.echo(f"next: lamppost token create --home {home} --role admin")


async def _check(home: Path, url: str | None) -> None:
    from fleet.cli.local import database  # noqa: PLC0415 - likewise

    found = database(home, url)
    try:
        await found.check()
    finally:
        await found.close()


async def _migrate(home: Path, url: str | None) -> None:
    from fleet.cli.local import database  # noqa: PLC0415 - likewise
    from fleet.migrate import migrate  # noqa: PLC0415 - likewise

    found = database(home, url)
    try:
        await migrate(found)
    finally:
        await found.close()


@click.command()
@home_option
@database_option
@click.option(
    "--listen",
    type=_HostPort(),
    default="0.0.0.0:8443",
    show_default=True,
    help="Device port (TLS).",
)
@click.option(
    "--operator",
    type=_HostPort(),
    default="127.0.0.1:8080",
    show_default=True,
    help="Operator port: plain HTTP on loopback, TLS elsewhere.",
)
@click.option(
    "--sntp",
    type=_HostPort(),
    default="0.0.0.0:1123",
    show_default=True,
    help="SNTP (UDP); the standard port 123 needs privileges.",
)
@click.option(
    "--name",
    "names",
    multiple=True,
    help="DNS name or address for the server certificate; may be repeated.",
)
@click.option(
    "--certificate-days",
    type=click.FloatRange(min=0, min_open=True, max=3660),
    default=limits.CERTIFICATE_DAYS,
    show_default=True,
    help="Life of a node's certificate.",
)
@click.option(
    "--poll-interval",
    type=click.IntRange(1, 86400),
    default=limits.POLL_S,
    show_default=True,
    help="Seconds that a node is told to sleep between polls, spread by a tenth.",
)
@click.option(
    "--tick",
    type=click.FloatRange(0.1, 3600),
    default=limits.TICK_S,
    show_default=True,
    help="Seconds between two looks at the rollouts that are under way.",
)
@click.option(
    "--ready-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the addresses in use here, as JSON, once all ports answer.",
)
@plainly
def serve(
    home: Path,
    database_url: str | None,
    listen: Address,
    operator: Address,
    sntp: Address,
    names: tuple[str, ...],
    certificate_days: float,
    poll_interval: int,
    tick: float,
    ready_file: Path | None,
) -> None:
    """Run the fleet server until SIGTERM or SIGINT. Port 0 lets the system choose.

    Nodes speak to the device port (enrolment, updates, telemetry, files); operators and their
    tools to the operator port (/api/v1, /openapi.json, /healthz).
    """
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s"
    )
    for chatty in ("uvicorn", "alembic"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    private()
    place = Home(home)
    settings = Settings(
        home=place,
        database_url=database_url or place.database_url,
        device=listen,
        operator=operator,
        sntp=sntp,
        names=names,
        certificate_days=certificate_days,
        poll_s=poll_interval,
        ready_file=ready_file,
        tick_s=tick,
    )
    place.require()
    asyncio.run(_check(home, database_url))
    from fleet import server  # noqa: PLC0415 - likewise

    asyncio.run(server.run(settings))
