"""`lamppost node wipe`: what a node knows is erased before it is thrown away."""

import contextlib
import json
from pathlib import Path

import click

from ota.build.errors import FieldError
from ota.field import lock, session
from ota.field import server as servers
from ota.field import wipe as wiping
from ota.field.cable import Cable


@click.command(short_help="Erase a node before it is thrown away.")
@session.PORT
@lock.KEY
@click.option(
    "--yes-wipe", "named", metavar="NAME", help="The node's name or id, for scripts: do not ask."
)
@click.option(
    "--keep-registered",
    is_flag=True,
    help="Do not tell the server: the node's certificate stays good there until you revoke it.",
)
@servers.options
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, for scripts.")
def wipe(
    *,
    port: str,
    key: lock.Technician | None,
    named: str | None,
    keep_registered: bool,
    url: str | None,
    token_file: Path | None,
    ca: Path | None,
    as_json: bool,
) -> None:
    """Erase all that the node at the cable knows, for ever: readings not yet sent as well.

    You confirm by typing the node's name. The server, asked with an administrator's token,
    retires the node: its certificates count no more, and the id never again. Then every block of
    `/`, `/data` and `nvs` is erased and read back, so that no copy of key, claim, Wi-Fi password
    or reading is left; MicroPython itself stays, and the lamp's pin floats: full light. A wipe
    that was cut off can be repeated. Works on boards and emulated nodes; on a board it has not
    been seen yet.

    \b
    Example:
      lamppost node wipe --port /dev/ttyUSB0
    """  # noqa: D301 - \b keeps click from joining lines
    asked = contextlib.nullcontext() if keep_registered else _server(url, token_file, ca)
    with asked as office, Cable(port, key) as cable:
        found = session.about(cable)
        _confirm(cable, found, named)
        with session.bar("erasing", quiet=as_json) as progress:
            result = wiping.wipe(cable, found, office, progress)
    if as_json:
        click.echo(json.dumps({"port": port, **vars(result)}))
        return
    click.echo(f"erased   {result.id} {result.name}: {result.blocks} blocks of 4 KiB, read back")
    known = "not told: `lamppost device state` retires it there" if keep_registered else "retired"
    click.echo(f"server   {known}")


def _server(url: str | None, token_file: Path | None, ca: Path | None) -> servers.Server:
    if not url:
        raise FieldError(
            "which server is to retire the node? Give --url or set LAMPPOST_URL, or say"
            " --keep-registered"
        )
    return servers.Server(url, servers.token(token_file), ca)


def _confirm(cable: Cable, found: session.About, named: str | None) -> None:
    """Go on when the node was named; else it starts anew as it was."""
    wanted = wiping.names(found)
    try:
        if named is None:
            named = str(click.prompt(f"Type {wanted[0]!r} to erase this node", err=True))
    except click.Abort:
        session.let_run(cable)
        raise
    if named not in wanted:
        session.let_run(cable)
        raise FieldError(f"this is {' or '.join(wanted)}, not {named}: nothing was erased")
