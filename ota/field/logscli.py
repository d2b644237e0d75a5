"""`lamppost node logs`: what a running node says."""

import json
import sys

import click

from ota.field import logs as reading
from ota.field import session
from ota.field.faults import CableError


@click.command(short_help="Follow the console of a running node.")
@session.PORT
@click.option(
    "--level",
    type=click.Choice(reading.LEVELS),
    default="info",
    show_default=True,
    help="The least level to show; a traceback belongs to its error.",
)
@click.option(
    "--since-boot",
    is_flag=True,
    help="Show seconds since the node's start, as it counts them, in place of the time of day.",
)
@click.option("--follow", is_flag=True, help="Wait for a port that goes away to come back.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line, for scripts.")
def logs(*, port: str, level: str, since_boot: bool, follow: bool, as_json: bool) -> None:
    """Follow the console of a running node, without stopping it; ends on Ctrl-C.

    Nothing is sent and the port's control lines are not moved, so the node runs on. What it said
    before is not to be had on a serial port; `lamppost node diagnose` shows the errors that it
    kept. It works on an emulated node as on a board.

    \b
    Example:
      lamppost node logs --port /dev/ttyUSB0 --level warn
      lamppost node logs --port socket://localhost:5555 --json --follow
    """  # noqa: D301 - \b keeps click from joining lines
    least = reading.LEVELS.index(level)
    try:
        while True:
            try:
                for line in reading.follow(port):
                    if reading.LEVELS.index(line.level) >= least:
                        told = json.dumps(line.told()) if as_json else ""
                        click.echo(told or line.shown(since_boot=since_boot))
            except CableError as error:
                if not follow:
                    raise
                click.echo(f"{error.message}; waiting for it (Ctrl-C ends)", err=True)
                reading.await_port(port)
                click.echo(f"{port} is back", err=True)
    except KeyboardInterrupt:
        sys.exit(0)
