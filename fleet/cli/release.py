"""`lamppost release`: list releases, upload signed bundles."""

from pathlib import Path

import click

from fleet.cli.client import Client, with_client
from fleet.cli.common import CommandError, json_option, print_json, print_table, when


@click.group()
def release() -> None:
    """List releases and upload signed bundles (`lamppost ota publish` signs them)."""


@release.command("list")
@json_option
@with_client
def list_(client: Client, as_json: bool) -> None:
    """List releases, newest first."""
    found = client.call("GET", "/releases")["releases"]
    if as_json:
        print_json(found)
        return
    print_table(
        ("version", "board", "installable", "files", "floor", "needs", "uploaded"),
        [
            (
                row["version"],
                row["board"],
                "yes" if row["listed"] else "no",
                row["files"],
                row["floor"],
                row["runtime"],
                when(row["created_at"]),
            )
            for row in found
        ],
    )


@release.command()
@click.argument("bundle", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@json_option
@with_client
def upload(client: Client, bundle: Path, as_json: bool) -> None:
    """Hand a signed bundle to the server; it reaches no node before a rollout."""
    try:
        data = bundle.read_bytes()
    except OSError as error:
        raise CommandError(f"{bundle} cannot be read: {error.strerror}") from error
    answer = client.call("POST", "/releases", content=data, content_type="application/zip")
    if as_json:
        print_json(answer)
    else:
        click.echo(f"uploaded {answer['version']} for {answer['board']}")
