"""`lamppost device`: register, claim, list, read and revoke nodes."""

import csv
import sys
from typing import Any

import click

from fleet.cli.client import Client, with_client
from fleet.cli.common import (
    DeviceId,
    Duration,
    json_option,
    print_json,
    print_table,
    when,
)

_COLUMNS = (
    "time",
    "stream",
    "unit",
    "value",
    "minimum",
    "maximum",
    "count",
    "expected",
    "length",
    "box",
    "seq",
)


@click.group()
def device() -> None:
    """Register, claim, list, read and revoke nodes.

    \b
    A new node:
      lamppost device add aabbccfffeddeeff --site harbour --name "Pier 3" --board esp32
      lamppost device claim aabbccfffeddeeff > claim      # for `lamppost node image --claim`
    """  # noqa: D301 - \b keeps click from joining lines


def _print(device: dict[str, Any]) -> None:
    for key in ("id", "name", "site", "board", "state", "version"):
        click.echo(f"{key:<10} {'–' if device[key] is None else device[key]}")
    click.echo(f"{'added':<10} {when(device['created_at'])}")
    click.echo(f"{'seen':<10} {when(device['seen_at']) or 'never'}")
    for key, value in sorted(device["attributes"].items()):
        click.echo(f"{key:<10} {value}")


@device.command()
@click.argument("device_id", metavar="ID", type=DeviceId())
@click.option("--site", required=True, help="Site that it stands at.")
@click.option("--name", help="What people call it. Default: its id.")
@click.option("--board", default="esp32", show_default=True, help="Board of its releases.")
@json_option
@with_client
def add(
    client: Client, device_id: str, site: str, name: str | None, board: str, as_json: bool
) -> None:
    """Register a node: ID is its MAC address as EUI-64, 16 hexadecimal digits."""
    body = {"id": device_id, "site": site, "name": name or device_id, "board": board}
    answer = client.call("POST", "/devices", json=body)
    if as_json:
        print_json(answer)
    else:
        click.echo(f"added {answer['id']} at {answer['site']}")


@device.command()
@click.argument("device_id", metavar="ID", type=DeviceId())
@click.option("--ttl", type=Duration(), default="1d", show_default=True, help="How long it lives.")
@json_option
@with_client
def claim(client: Client, device_id: str, ttl: int, as_json: bool) -> None:
    """Make a claim token with which the node enrols, once; it is shown this once."""
    answer = client.call("POST", f"/devices/{device_id}/claims", json={"ttl_s": ttl})
    if as_json:
        print_json(answer)
    else:
        click.echo(answer["token"])
        click.echo(f"single use, until {when(answer['expires'])}", err=True)


@device.command("list")
@click.option("--site", help="Only this site.")
@json_option
@with_client
def list_(client: Client, site: str | None, as_json: bool) -> None:
    """List nodes."""
    found = list(client.pages("/devices", "devices", {"site": site, "limit": 1000}))
    if as_json:
        print_json(found)
        return
    print_table(
        ("id", "name", "site", "board", "state", "version", "seen"),
        [
            (
                row["id"],
                row["name"],
                row["site"],
                row["board"],
                row["state"],
                row["version"],
                when(row["seen_at"]),
            )
            for row in found
        ],
    )


@device.command()
@click.argument("device_id", metavar="ID", type=DeviceId())
@json_option
@with_client
def show(client: Client, device_id: str, as_json: bool) -> None:
    """Show one node."""
    answer = client.call("GET", f"/devices/{device_id}")
    if as_json:
        print_json(answer)
    else:
        _print(answer)


@device.command()
@click.argument("device_id", metavar="ID", type=DeviceId())
@click.option("--stream", help="Only this stream, as pm25.")
@click.option("--since", type=int, help="Unix seconds, inclusive.")
@click.option("--until", type=int, help="Unix seconds, exclusive.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV (RFC 4180); a gap is empty.")
@json_option
@with_client
def readings(
    client: Client,
    device_id: str,
    stream: str | None,
    since: int | None,
    until: int | None,
    as_csv: bool,
    as_json: bool,
) -> None:
    """Print what a node measured, by the end of each window."""
    if as_csv and as_json:
        raise click.UsageError("either --csv or --json")
    params = {"stream": stream, "since": since, "until": until}
    rows = client.pages(f"/devices/{device_id}/observations", "observations", params)
    if as_csv:
        writer = csv.writer(sys.stdout, lineterminator="\r\n")
        writer.writerow(_COLUMNS)
        for row in rows:
            writer.writerow(["" if row[name] is None else row[name] for name in _COLUMNS])
    elif as_json:
        print_json(list(rows))
    else:
        print_table(
            ("window's end", "stream", "mean", "min", "max", "unit", "samples"),
            [
                (
                    when(row["time"]),
                    row["stream"],
                    "gap" if row["value"] is None else row["value"],
                    row["minimum"],
                    row["maximum"],
                    row["unit"],
                    f"{row['count']}/{row['expected']}",
                )
                for row in rows
            ],
        )


@device.command()
@click.argument("device_id", metavar="ID", type=DeviceId())
@click.option(
    "--reason",
    type=click.Choice(["key_compromise", "lost", "retired", "unspecified"]),
    default="unspecified",
    show_default=True,
    help="Why, for the audit.",
)
@json_option
@with_client
def revoke(client: Client, device_id: str, reason: str, as_json: bool) -> None:
    """Revoke all certificates and open claims of a node, at once."""
    answer = client.call("POST", f"/devices/{device_id}/revoke", json={"reason": reason})
    if as_json:
        print_json(answer)
    else:
        click.echo(f"revoked {answer['certificates']} certificate(s) of {device_id}")


@device.command()
@click.argument("device_id", metavar="ID", type=DeviceId())
@click.argument("state", type=click.Choice(["active", "quarantined", "retired"]))
@json_option
@with_client
def state(client: Client, device_id: str, state: str, as_json: bool) -> None:
    """Quarantine a node, let it back, or retire it for ever."""
    answer = client.call("POST", f"/devices/{device_id}/state", json={"state": state})
    if as_json:
        print_json(answer)
    else:
        click.echo(f"{device_id} is {answer['state']}")
