"""`lamppost ota`: what a release manager types; here, the group and `build`."""

import json
import re
import sys
from datetime import UTC, datetime
from pathlib import Path

import click

from ota.build import (
    bundle,
    carried,
    exportcli,
    keycli,
    micropython,
    options,
    provenance,
    publishcli,
    signcli,
)
from ota.build.boards import BOARDS
from ota.build.errors import BuildError, FieldError
from ota.build.release import Header, Release
from ota.build.release import build as build_release
from ota.build.sources import OPTIONAL, Source, collect
from ota.core import versions
from ota.core.errors import BadFormat


@click.group()
def ota() -> None:
    """Make releases: compile, sign, hand over to the fleet server.

    \b
    Once, on the release manager's machine:
      lamppost ota init --home HOME
    For every release:
      lamppost ota build --version 1.1.0
      lamppost ota publish lamppost-esp32-1.1.0.zip --home HOME --url http://127.0.0.1:8080

    \b
    At any time:
      lamppost ota status --home HOME      who signed, what expires when, what to do next
      lamppost ota bundle-export --version 1.1.0    one file, for nodes without a network

    HOME/keys holds the keys that make a release genuine. They never go to the server: copy only
    HOME/server there. Keep HOME/keys offline, with a backup; whoever has it and its passphrase
    can put software on every node, and without it no node can be updated again. So a city shares
    the root among several people (`lamppost ota init --help`), and changes keys without touching
    a node (`lamppost ota rotate --help`).
    """  # noqa: D301 - \b keeps click from joining lines


def _when(_context: click.Context, _option: click.Parameter, value: str | None) -> int:
    """Return unix seconds of an ISO date (UTC unless it says otherwise) or of a number."""
    if value is None:
        return int(datetime.now(UTC).timestamp())
    if value.isdecimal():
        return int(value)
    try:
        moment = datetime.fromisoformat(value)
    except ValueError as error:
        raise BuildError(f"--date {value}: expected 2026-01-31 or unix seconds") from error
    return int(moment.replace(tzinfo=moment.tzinfo or UTC).timestamp())


def _version(_context: click.Context, option: click.Parameter, value: str) -> str:
    try:
        versions.key(value)
    except BadFormat as error:
        raise BuildError(f"--{option.name} {value}: expected a version such as 1.2.0") from error
    return value


def _source(_context: click.Context, _option: click.Parameter, value: str | None) -> str | None:
    if value is not None and not re.fullmatch("[a-z+]+:[^@]+@[0-9a-f]{40}", value):
        raise BuildError(f"--source {value}: expected git+https://host/path@<40 hex digits>")
    return value


@ota.command(short_help="Compile a release into a bundle.")
@click.option("--version", required=True, callback=_version, help="Semantic version, as 1.2.0.")
@click.option("--board", type=click.Choice(list(BOARDS)), default="esp32", show_default=True)
@click.option(
    "--overlay",
    type=click.Path(path_type=Path),
    help="Folder of changed files, laid over firmware/: DIR/tasks/light.py replaces"
    " firmware/tasks/light.py, a new path adds a file.",
)
@click.option(
    "--date",
    "built",
    callback=_when,
    envvar="SOURCE_DATE_EPOCH",
    help="Build time: ISO (UTC) or unix seconds; also SOURCE_DATE_EPOCH. A node's clock never"
    " starts before it. [default: now]",
)
@click.option(
    "--floor",
    default="0.0.0",
    show_default=True,
    callback=_version,
    help="Security floor: a node that has seen this release installs nothing below it, ever.",
)
@click.option(
    "--runtime",
    default="1.27.0",
    show_default=True,
    callback=_version,
    help="Least MicroPython version this release runs on.",
)
@click.option(
    "--micropython",
    "image",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Official MicroPython .bin for the board, whole, from micropython.org, to go along. Nodes"
    " with two app partitions (8 MB of flash) try it together with the release, and go back with"
    " it; others take the release if --runtime allows.",
)
@click.option(
    "--min-level",
    type=click.IntRange(0, 100),
    default=30,
    show_default=True,
    help="Least lamp level at night in %; no command from the server goes below it.",
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(),
    help="Folder for the bundle. [default: here]",
)
@click.option(
    "--with",
    "parts",
    type=click.Choice(sorted(OPTIONAL)),
    multiple=True,
    help="Have nodes also speak this scheme of keys or hashes; repeatable. Our own repositories"
    " need none: P-256, RSA-PSS and SHA-256 are always there.",
)
@click.option(
    "--source",
    callback=_source,
    metavar="URI@COMMIT",
    help="Where the sources come from, for the provenance: git+https://host/path@<40 hex digits>.",
)
@click.option(
    "--builder",
    metavar="URI",
    default=provenance.DESK,
    show_default=True,
    help="Who builds, for the provenance: the URI of your build service.",
)
@options.JSON
def build(
    *,
    version: str,
    board: str,
    overlay: Path | None,
    built: int,
    floor: str,
    runtime: str,
    image: Path | None,
    min_level: int,
    out: Path,
    parts: tuple[str, ...],
    source: str | None,
    builder: str,
    as_json: bool,
) -> None:
    """Compile this installation's firmware into lamppost-BOARD-VERSION.zip.

    The bundle is not signed yet: `lamppost ota publish` does that. The same sources, version and
    date give the same bundle to the byte, wherever it is built. A release that would not fit the
    flash twice, beside readings waiting for the network, is refused.

    The bundle also holds what the release is made of (sbom.cdx.json, CycloneDX) and where it comes
    from (provenance.json, SLSA). Signing the release signs both.
    """
    if versions.key(version) < versions.key(floor):
        raise BuildError(f"--floor {floor} lies above --version {version}")
    brought = _carried(image, board, runtime)
    brings = brought.version if brought else ""
    header = Header(version, board, floor, runtime, built, min_level, brings)
    origin = provenance.Origin(source, builder)
    release = _compile(header, collect(overlay, parts), origin, brought)
    path = out / bundle.name(header)
    data = bundle.pack(release)
    bundle.write(path, data)
    figures = release.figures()
    if as_json:
        result = {"bundle": str(path), **vars(header), **figures, "zip": len(data)}
        click.echo(json.dumps(result))
        return
    click.echo(f"bundle    {path}")
    click.echo(f"files     {figures['files']}")
    click.echo(f".mpy      {figures['bytes']} bytes, {figures['deflated']} deflated")
    click.echo(f"manifest  {figures['manifest']} bytes")
    if brought:
        blocks = len(brought.blocks)
        click.echo(
            f"brings    MicroPython {brings}, {figures['runtime']} bytes in {blocks} blocks"
        )
    click.echo(f"a slot    {figures['blocks']} blocks of 4 KiB, of {figures['blocks_max']}")


def _carried(path: Path | None, board: str, runtime: str) -> carried.Carried | None:
    """Return the MicroPython to bring, of an official .bin; BuildError if it cannot be."""
    if path is None:
        return None
    try:
        found = micropython.split(bundle.read(path), BOARDS[board])
        return carried.carry(found.app, _new_enough(found.version, runtime))
    except FieldError as error:
        raise BuildError(f"--micropython {path}: {error.message}") from error


def _new_enough(version: str, runtime: str) -> str:
    if not version:
        raise BuildError("it does not say which MicroPython it is")
    if versions.key(version) < versions.key(runtime):
        raise BuildError(f"it is MicroPython {version}, --runtime asks for {runtime}")
    return version


def _compile(
    header: Header,
    sources: list[Source],
    origin: provenance.Origin,
    brought: carried.Carried | None,
) -> Release:
    hidden = not sys.stderr.isatty()
    bar = click.progressbar(length=len(sources), label="compiling", file=sys.stderr, hidden=hidden)
    with bar:
        return build_release(header, sources, lambda _: bar.update(1), origin, brought)


for _command in (
    *keycli.COMMANDS,
    *signcli.COMMANDS,
    publishcli.publish,
    exportcli.export,
):
    ota.add_command(_command)
