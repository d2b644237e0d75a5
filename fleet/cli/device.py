"""`lamppost device`: register, claim, list, read and revoke nodes."""

import csv
import sys
import time
from typing import Any

import click

from fleet.cli import history, nodes
from fleet.cli.client import Client, with_client
from fleet.cli.common import (
    DeviceId,
    Duration,
    json_option,
    print_json,
    print_table,
    terminal,
    when,
)
from ota.boards import BOARDS

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


def _print_list(found: list[dict[str, Any]]) -> None:
    now, console = int(time.time()), terminal()
    if found:
        rows = [nodes.row(one, now) for one in found]
        width = nodes.fitting(rows, console.width)
        cut = (row[:width] for row in rows)
        print_table(nodes.COLUMNS[:width], cut, numbers=nodes.NUMBERS)
    console.print(nodes.summary(found, now), style="dim")


def _print_one(found: dict[str, Any]) -> None:
    now, console = int(time.time()), terminal()
    console.print(nodes.head(found, now))
    console.print()
    for name, value in nodes.facts(found, now):
        console.print(f"{name:<10}", nodes.cell(value), sep="  ")
    console.print("\ntimeline, newest first", style="bold")
    for entry in found["timeline"]:
        console.print(history.line(entry))


@device.command()
@click.argument("device_id", metavar="ID", type=DeviceId())
@click.option("--site", required=True, help="Site that it stands at.")
@click.option("--name", help="What people call it. Default: its id.")
@click.option(
    "--board",
    type=click.Choice(list(BOARDS)),
    default="esp32",
    show_default=True,
    help="Board of its releases.",
)
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
@click.option(
    "--state",
    type=click.Choice(["claimed", "active", "quarantined", "retired"]),
    help="Only nodes in this state.",
)
@click.option("--board", help="Only this board.")
@click.option("--version", help="Only nodes that run this release.")
@click.option(
    "--silent",
    "silent_s",
    metavar="TIME",
    type=Duration(),
    help="Only nodes not heard of for that long, as 1h.",
)
@click.option(
    "--sort",
    type=click.Choice(["id", "name", "site", "version", "seen", "restarts", "outbox"]),
    default="id",
    show_default=True,
    help="The unknown comes first.",
)
@click.option("--descending", is_flag=True, help="Sort the other way round.")
@json_option
@with_client
def list_(client: Client, as_json: bool, **wanted: Any) -> None:
    """List nodes with what they last said of themselves.

    \b
    Who is in trouble:
      lamppost device list --silent 1h
      lamppost device list --sort restarts --descending
    """  # noqa: D301 - \b keeps click from joining lines
    found = list(client.pages("/devices", "devices", {**wanted, "limit": 1000}))
    if as_json:
        print_json(found)
    else:
        _print_list(found)


@device.command()
@click.argument("device_id", metavar="ID", type=DeviceId())
@click.option(
    "--events",
    type=click.IntRange(1, 1000),
    default=30,
    show_default=True,
    help="How much of its timeline.",
)
@json_option
@with_client
def show(client: Client, device_id: str, events: int, as_json: bool) -> None:
    """Show one node: what it is, what it last said of itself, and what happened to it."""
    found = client.call("GET", f"/devices/{device_id}")
    timeline = client.call("GET", f"/devices/{device_id}/timeline", params={"limit": events})
    found["timeline"] = timeline["entries"]
    if as_json:
        print_json(found)
    else:
        _print_one(found)


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
