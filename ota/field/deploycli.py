"""`lamppost node deploy`: a release onto a node over its cable."""

import json
from pathlib import Path

import click

from ota.build import offline
from ota.field import deploy as deploying
from ota.field import lock, session
from ota.field.cable import Cable


@click.command(short_help="Install a release on a node, without a network.")
@session.PORT
@lock.KEY
@click.option(
    "--bundle",
    "path",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="The file from `lamppost ota bundle-export`.",
)
@click.option(
    "--wait",
    "wait_s",
    type=click.IntRange(0, 3600),
    default=180,
    show_default=True,
    help="Watch the trial for so many seconds; 0: leave when it begins.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, for scripts.")
def deploy(
    *, port: str, key: lock.Technician | None, path: Path, wait_s: int, as_json: bool
) -> None:
    """Install a release on the node at the cable, without a network.

    The node itself verifies everything, as it does over the air: signatures by its own root,
    expiry, its board, the security floor, installs a day. It is stopped for this (the lamp burns
    at full), fetches only the files that it lacks, and starts its trial. Whatever goes wrong, it
    runs on with the release that it had, and the same command can be given again; files that went
    over whole are not sent twice.

    As after an update over the air the release is kept once the node has reached its server, for
    which it has 30 minutes with power; its server then hears of it.

    \b
    Example:
      lamppost ota bundle-export --version 1.2.0
      lamppost node deploy --port /dev/ttyUSB0 \\
        --bundle lamppost-esp32-1.2.0.offline.zip
    """  # noqa: D301 - \b keeps click from joining lines
    bundle = offline.load(path)
    with Cable(port, key) as cable, session.bar("installing", quiet=as_json) as progress:
        result = deploying.deploy(cable, bundle, progress, wait_s)
    if as_json:
        click.echo(json.dumps({"port": port, **vars(result)}))
        return
    click.echo(f"installed  {result.version} over {result.before} ({result.board})")
    click.echo(f"sent       {result.sent} bytes")
    click.echo(f"trial      {result.outcome}")
