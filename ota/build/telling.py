"""What the commands of `lamppost ota` print: for people, or one JSON object for scripts."""

import json
from pathlib import Path
from typing import Any

import click

from ota.build import draft, repository, state


def drafted(place: repository.Home, made: draft.Draft, as_json: bool) -> None:
    """Tell how a draft in HOME stands, and what is next."""
    drafted_at(place.draft, made, as_json)


def drafted_at(path: Path, made: draft.Draft, as_json: bool, *, brief: bool = False) -> None:
    """Tell how a draft stands; `brief`: only who has signed it and who must."""
    found = state.describe(made, path)
    told = ["", *state.need_words(found)] if brief else state.draft_words(found)
    lines = [*told, *(f"next       {step}" for step in state.steps(found))]
    show(as_json, {"draft": found, "next": state.steps(found)}, lines)


def adopted(place: repository.Home, made: draft.Draft, carried: Path, as_json: bool) -> None:
    """Tell that a root is in force here."""
    first = made.before is None
    result = {
        "root": made.version,
        "file": str(carried),
        "for_nodes": str(place.keys / "root.json"),
        "server": str(place.metadata) if first else None,
    }
    step = (
        f"copy {place.folder / 'server'} to the server"
        if first
        else f"lamppost ota publish {carried} --url URL"
    )
    show(
        as_json,
        result,
        [
            f"root {made.version} is signed by enough keys and in force here",
            f"for nodes  {result['for_nodes']} (new ones; the others walk on to it)",
            f"next       {step}",
        ],
    )


def signed_bundle(result: dict[str, Any], as_json: bool) -> None:
    """Tell who has signed a bundle."""
    left = (
        f"; {result['missing']} more of {', '.join(result['open'])}" if result["missing"] else ""
    )
    signed = ", ".join(result["signed"]) or "nobody"
    step = "carry it to them" if result["missing"] else "lamppost ota publish BUNDLE --signed"
    show(
        as_json,
        result,
        [
            f"release    {result['version']} for {result['board']}: {result['file']}",
            f"targets    needs {result['threshold']}, signed by {signed}{left}",
            f"next       {step}",
        ],
    )


def show(as_json: bool, value: Any, lines: list[str]) -> None:
    """Print a value as JSON, or lines."""
    click.echo(json.dumps(value) if as_json else "\n".join(lines))
