"""`lamppost rollout`: offer a release to nodes, see what became of it."""

from typing import Any

import click

from fleet.cli.client import Client, with_client
from fleet.cli.common import DeviceId, json_option, print_json, print_table, when


@click.group()
def rollout() -> None:
    """Offer a release to nodes and see what became of it."""


def _print(answer: dict[str, Any]) -> None:
    counts = ", ".join(f"{count} {word}" for word, count in sorted(answer["counts"].items()))
    click.echo(f"rollout {answer['id']}: {answer['version']}, {answer['state']} ({counts})")
    print_table(
        ("node", "state", "reason", "since"),
        [
            (row["device"], row["state"], row["reason"], when(row["changed_at"]))
            for row in answer["actions"]
        ],
    )


@rollout.command()
@click.option("--version", required=True, help="Release to offer.")
@click.option("--board", help="Refuse unless every node is of this board.")
@click.argument("devices", metavar="ID…", type=DeviceId(), nargs=-1, required=True)
@json_option
@with_client
def create(
    client: Client, version: str, board: str | None, devices: tuple[str, ...], as_json: bool
) -> None:
    """Offer a release to the named nodes; each may have one update under way."""
    body: dict[str, Any] = {"version": version, "devices": list(devices)}
    if board is not None:
        body["board"] = board
    answer = client.call("POST", "/rollouts", json=body)
    if as_json:
        print_json(answer)
    else:
        _print(answer)


@rollout.command("list")
@json_option
@with_client
def list_(client: Client, as_json: bool) -> None:
    """List rollouts, newest first."""
    found = client.call("GET", "/rollouts")["rollouts"]
    if as_json:
        print_json(found)
        return
    print_table(
        ("id", "version", "state", "created", "by"),
        [
            (row["id"], row["version"], row["state"], when(row["created_at"]), row["created_by"])
            for row in found
        ],
    )


@rollout.command()
@click.argument("rollout_id", metavar="ID", type=click.IntRange(1))
@json_option
@with_client
def show(client: Client, rollout_id: int, as_json: bool) -> None:
    """Show each node's state and reason."""
    answer = client.call("GET", f"/rollouts/{rollout_id}")
    if as_json:
        print_json(answer)
    else:
        _print(answer)


@rollout.command()
@click.argument("rollout_id", metavar="ID", type=click.IntRange(1))
@json_option
@with_client
def abort(client: Client, rollout_id: int, as_json: bool) -> None:
    """Take the offer back from the nodes that are still under way."""
    answer = client.call("POST", f"/rollouts/{rollout_id}/abort")
    if as_json:
        print_json(answer)
    else:
        _print(answer)
