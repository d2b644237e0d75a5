"""`lamppost audit`: read the append-only record."""

import click

from fleet.cli.client import Client, with_client
from fleet.cli.common import json_option, print_json, print_table, when


@click.group()
def audit() -> None:
    """Read the append-only record of consequential acts."""


@audit.command("list")
@click.option("--limit", type=click.IntRange(1, 1000), default=100, show_default=True)
@click.option("--before", type=click.IntRange(1), help="Only events with a smaller id.")
@json_option
@with_client
def list_(client: Client, limit: int, before: int | None, as_json: bool) -> None:
    """List acts, newest first."""
    params = {"limit": limit, "before": before}
    found = client.call("GET", "/audit", params=params)["events"]
    if as_json:
        print_json(found)
        return
    print_table(
        ("id", "when", "actor", "act", "subject", "site", "outcome", "detail"),
        [
            (
                row["id"],
                when(row["at"]),
                row["actor"],
                row["act"],
                row["subject"],
                row["site"],
                row["outcome"],
                ", ".join(
                    f"{key}={value}" for key, value in row["detail"].items() if value is not None
                ),
            )
            for row in found
        ],
    )
