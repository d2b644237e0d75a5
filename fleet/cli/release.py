"""`lamppost release`: list releases, upload signed bundles, show what a release is made of."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from fleet.cli.client import Client, with_client
from fleet.cli.common import CommandError, json_option, print_json, print_table, when
from ota.boards import BOARDS


@click.group()
def release() -> None:
    """List releases and upload signed bundles (`lamppost ota publish` signs them)."""


@release.command("list")
@json_option
@with_client
def list_(client: Client, as_json: bool) -> None:
    """List releases, newest first.

    needs, brings: the least MicroPython that a release runs on, and the one that comes with it.
    """
    found = client.call("GET", "/releases")["releases"]
    if as_json:
        print_json(found)
        return
    print_table(
        ("version", "board", "installable", "files", "floor", "needs", "brings", "uploaded"),
        [
            (
                row["version"],
                row["board"],
                "yes" if row["listed"] else "no",
                row["files"],
                row["floor"],
                row["runtime"],
                row["micropython"] or "-",
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


@release.command()
@json_option
@with_client
def keys(client: Client, as_json: bool) -> None:
    """Show whose keys count for this server's nodes, what expires when, and what is wrong."""
    found = client.call("GET", "/releases/metadata")
    if as_json:
        print_json(found)
        return
    print_table(
        ("role", "version", "expires", "must sign", "keys"),
        [
            (
                name,
                role["version"],
                when(role["expires"]),
                f"{role['threshold']} of {len(role['keys'])}",
                ", ".join(holder or keyid[:8] for keyid, holder in role["keys"].items()),
            )
            for name, role in found["roles"].items()
        ],
    )
    for alarm in found["alarms"]:
        click.echo(f"alarm: {alarm}")


def _evidence(function: Callable[..., None]) -> Callable[..., None]:
    """Give a command the release to speak of, and a file for the document as it was signed."""
    out = click.option(
        "-o",
        "--out",
        type=click.Path(dir_okay=False, path_type=Path),
        help="Write the document here, byte for byte as it was signed.",
    )
    board = click.option(
        "--board", type=click.Choice(list(BOARDS)), default="esp32", show_default=True
    )
    return click.argument("version")(board(out(json_option(with_client(function)))))


@release.command()
@_evidence
def sbom(client: Client, version: str, board: str, out: Path | None, as_json: bool) -> None:
    """Show what a release is made of: every file with its hash, the runtime, third parties' parts.

    The document is CycloneDX JSON. Its SHA-256 stands in the release's manifest, which the city's
    targets keys have signed.
    """
    document = _document(client, f"/releases/{board}/{version}/sbom", out)
    if as_json:
        print_json(document)
        return
    print_table(("part", "version", "licence", "SHA-256"), _parts(document["components"]))


@release.command()
@_evidence
def provenance(client: Client, version: str, board: str, out: Path | None, as_json: bool) -> None:
    """Show where a release comes from: sources by hash, compiler, parameters, builder.

    The document is an in-toto statement with SLSA provenance. Whoever builds the same sources at
    the same version and date gets the same files, to the byte.
    """
    document = _document(client, f"/releases/{board}/{version}/provenance", out)
    if as_json:
        print_json(document)
        return
    predicate = document["predicate"]
    click.echo(f"files    {len(document['subject'])}")
    click.echo(f"builder  {predicate['runDetails']['builder']['id']}")
    print_table(
        ("made from", "digest"),
        [
            (row.get("name", row.get("uri")), ", ".join(row.get("digest", {}).values()) or None)
            for row in predicate["buildDefinition"]["resolvedDependencies"]
        ],
    )


def _document(client: Client, path: str, out: Path | None) -> Any:
    data = client.fetch(path)
    if out is not None:
        try:
            out.write_bytes(data)
        except OSError as error:
            raise CommandError(f"{out} cannot be written: {error.strerror}") from error
    return json.loads(data)


def _parts(components: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = []
    for part in components:
        licences = [
            entry.get("expression") or entry["license"].get("id") for entry in part["licenses"]
        ]
        digest = next((entry["content"] for entry in part.get("hashes", [])), None)
        rows.append((part["name"], part.get("version"), ", ".join(licences), digest))
        rows += _parts(part.get("components", []))
    return rows
