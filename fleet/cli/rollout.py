"""`lamppost rollout`: bring a release to nodes wave by wave, watch, stop and undo it."""

from functools import partial
from typing import Any

import click

from fleet import limits
from fleet.cli import progress
from fleet.cli.client import Client, with_client
from fleet.cli.common import DeviceId, Duration, json_option, print_json, print_table, when

rollout_id = click.argument("rollout_id", metavar="ID", type=click.IntRange(1))


class Waves(click.ParamType[list[dict[str, int]]]):
    """Waves, as 1,50%,rest: so many nodes more, up to so much of all, all that are left."""

    name = "waves"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> list[dict[str, int]]:
        """Return the API's list."""
        if isinstance(value, list):
            return value
        return [self._one(word.strip(), param, ctx) for word in str(value).split(",")]

    def _one(
        self, word: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> dict[str, int]:
        number = word.removesuffix("%")
        if word == "rest":
            return {"percent": 100}
        if not (number.isascii() and number.isdecimal()) or len(number) > 9:
            self.fail(f"{word!r} is no wave such as 1, 50% or rest", param, ctx)
        return {"percent" if word.endswith("%") else "count": int(number)}


class Percent(click.ParamType[int]):
    """A whole percentage, with or without its sign."""

    name = "percent"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the number."""
        number = str(value).removesuffix("%")
        if not (number.isascii() and number.isdecimal()) or int(number[:4]) > 100:
            self.fail(f"{value!r} is no percentage from 0% to 100%", param, ctx)
        return int(number)


@click.group()
def rollout() -> None:
    """Bring a release to nodes wave by wave, watch, stop and undo it.

    \b
      lamppost rollout create --version 1.1.0 --site harbour --waves 1,50%,rest --soak 1h
      lamppost rollout show 7 --watch
    """  # noqa: D301 - \b keeps click from joining lines


@rollout.command()
@click.option("--version", required=True, help="Release to bring.")
@click.option("--site", help="All enrolled nodes of this site, instead of named ones.")
@click.option("--board", help="Only this board; of named nodes it must be everybody's.")
@click.option("--waves", type=Waves(), help="As 1,50%,rest. Default: 1,10%,rest.")
@click.option("--soak", type=Duration(), help="Watch each wave for so long. Default: 1h.")
@click.option("--deadline", type=Duration(), help="Silence allowed to a node. Default: 1d.")
@click.option("--success", type=Percent(), help="A wave needs so many confirmed. Default: 90%.")
@click.option("--failure", type=Percent(), help="So many failed stop it. Default: 10%.")
@click.option("--min-sample", type=click.IntRange(1), help="Outcomes to judge by. Default: 1.")
@click.option("--in-flight", type=click.IntRange(1), help="Updates at a time. Default: 50.")
@click.option("--max-restarts", type=click.IntRange(0), help="Forgiven to a node. Default: 2.")
@click.argument("devices", metavar="[ID…]", type=DeviceId(), nargs=-1)
@json_option
@with_client
def create(
    client: Client,
    version: str,
    site: str | None,
    board: str | None,
    devices: tuple[str, ...],
    as_json: bool,
    **plan: Any,
) -> None:
    """Make a rollout for named nodes, in that order, or for a site's.

    A wave gives way to the next one when enough of its nodes confirmed the release and then ran
    it through the soak; failures stop the rollout until an operator decides.
    """
    if bool(devices) == bool(site):
        raise click.UsageError("name either nodes or --site")
    body: dict[str, Any] = {"version": version, "site": site, "board": board}
    body |= {name: plan.pop(option) for option, name in _PLAN.items()}
    if devices:
        body["devices"] = list(devices)
    given = {name: value for name, value in body.items() if value is not None}
    _print(client, client.call("POST", "/rollouts", json=given), as_json)


_PLAN = {
    "waves": "waves",
    "soak": "soak_s",
    "deadline": "deadline_s",
    "success": "success_percent",
    "failure": "failure_percent",
    "min_sample": "min_sample",
    "in_flight": "max_in_flight",
    "max_restarts": "max_restarts",
}


def _whole(client: Client, answer: dict[str, Any]) -> dict[str, Any]:
    """Return a rollout with all its nodes: the answer holds the first page of them."""
    actions, after = list(answer["actions"]), answer["next"]
    while after is not None:
        params = {"after": after, "limit": limits.PAGE}
        more = client.call("GET", f"/rollouts/{answer['id']}", params=params)
        actions += more["actions"]
        after = more["next"]
    return {**answer, "actions": actions, "next": None}


def _print(client: Client, answer: dict[str, Any], as_json: bool) -> None:
    whole = _whole(client, answer)
    if as_json:
        print_json(whole)
    else:
        progress.show(whole)


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
        ("id", "version", "state", "wave", "reason", "undoes", "created", "by"),
        [
            (
                row["id"],
                row["version"],
                row["state"],
                row["wave"],
                row["reason"],
                row["reverts"],
                when(row["created_at"]),
                row["created_by"],
            )
            for row in found
        ],
    )


@rollout.command()
@rollout_id
@click.option("--watch", is_flag=True, help="Show it live until it is over.")
@json_option
@with_client
def show(client: Client, rollout_id: int, watch: bool, as_json: bool) -> None:
    """Show a rollout's waves and each node's state and reason."""
    path = f"/rollouts/{rollout_id}"
    if watch:
        look = partial(client.call, "GET", path, params={"limit": 1})
        progress.watch(look, quiet=as_json)
    _print(client, client.call("GET", path), as_json)


@rollout.command()
@rollout_id
@json_option
@with_client
def pause(client: Client, rollout_id: int, as_json: bool) -> None:
    """Withhold the offers that no node has begun; updates under way go on."""
    _print(client, client.call("POST", f"/rollouts/{rollout_id}/pause"), as_json)


@rollout.command()
@rollout_id
@json_option
@with_client
def resume(client: Client, rollout_id: int, as_json: bool) -> None:
    """Go on, and accept the failures so far: they do not stop it again by themselves."""
    _print(client, client.call("POST", f"/rollouts/{rollout_id}/resume"), as_json)


@rollout.command()
@rollout_id
@json_option
@with_client
def abort(client: Client, rollout_id: int, as_json: bool) -> None:
    """Take the offer back from the nodes that are still under way."""
    _print(client, client.call("POST", f"/rollouts/{rollout_id}/abort"), as_json)


@rollout.command()
@rollout_id
@json_option
@with_client
def rollback(client: Client, rollout_id: int, as_json: bool) -> None:
    """Close a rollout and bring the nodes that it updated back to what each ran before."""
    answer = client.call("POST", f"/rollouts/{rollout_id}/rollback")
    whole = [_whole(client, each) for each in answer["rollouts"]]
    if as_json:
        print_json({**answer, "rollouts": whole})
        return
    for each in whole:
        progress.show(each)
    if answer["left"]:
        click.echo(f"left as they are: {', '.join(answer['left'])}", err=True)
    if not whole:
        click.echo("no node has to go back")
