"""`lamppost node image`: the whole flash of a node, or of all of a kind, as a file."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from ota.build import bundle, filesystem, micropython
from ota.build.boards import BLOCK_BYTES, board
from ota.build.errors import FieldError
from ota.build.release import Header
from ota.field import image as images
from ota.field import inputs
from ota.field.partitions import LAYOUTS, Layout

_LATER = "none: `lamppost node provision` gives it one"
_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command(short_help="Write the whole flash of a node as a file.")
@click.option(
    "--bundle",
    "bundle_path",
    type=_FILE,
    required=True,
    help="Factory release, from `lamppost ota build` or `publish`; both slots get it.",
)
@click.option(
    "--config",
    "config_path",
    type=_FILE,
    help="The node's configuration (JSON, see firmware/config.schema.json). Without it, --claim"
    " and --ca the node has no site yet: it waits for `lamppost node provision`.",
)
@click.option(
    "--claim",
    "claim_path",
    type=_FILE,
    help="File with the claim token. It opens one enrolment of one chip, soon: make it last.",
)
@click.option(
    "--root",
    "root_path",
    type=_FILE,
    required=True,
    help="TUF root metadata (HOME/keys/root.json): whose releases this node takes.",
)
@click.option(
    "--ca",
    "ca_paths",
    type=_FILE,
    multiple=True,
    help="CA certificate of the fleet (HOME/server/pki/ca.pem), PEM or DER; may be repeated.",
)
@click.option(
    "--runtime",
    "runtime_path",
    type=_FILE,
    help="Official MicroPython .bin for the board, whole, 1.27 or newer, from micropython.org."
    " Without it: file systems and partition table only, for an emulated node.",
)
@click.option(
    "--flash",
    "flash_size",
    type=click.Choice(list(LAYOUTS)),
    default="4MB",
    show_default=True,
    help="The board's flash. With 8MB there is room for two MicroPythons, and a new one comes over"
    " the air.",
)
@click.option("-o", "--out", type=_FILE, required=True, help="The flash image to write.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, for scripts.")
def image(
    *,
    bundle_path: Path,
    config_path: Path | None,
    claim_path: Path | None,
    root_path: Path,
    ca_paths: tuple[Path, ...],
    runtime_path: Path | None,
    flash_size: str,
    out: Path,
    as_json: bool,
) -> None:
    """Write the whole flash of a node as a file, for `lamppost node flash` or an emulator.

    Everything is checked first: the release's hashes, the configuration field by field, that the
    runtime is whole, for the release's chip and new enough. The old content of a board is gone
    when the file is written to it, its identity and unsent readings included.

    Without --config, --claim and --ca it is the same file for every board of a kind: the node
    starts, keeps its light on and waits for `lamppost node provision`. With them it is one
    node's, and holds its claim token and the Wi-Fi password: only its owner may read the file.

    \b
    Example:
      lamppost node image --bundle lamppost-esp32-1.0.0.zip \\
        --root HOME/keys/root.json \\
        --runtime ESP32_GENERIC-20251209-v1.27.0.bin -o flash.bin
    One node's, on top of that:
        --config elm-street-4.json --claim claim --ca HOME/server/pki/ca.pem
    """  # noqa: D301 - \b keeps click from joining lines
    release = bundle.load(bundle_path)
    layout = LAYOUTS[flash_size]
    runtime, version = _runtime(runtime_path, release.header, layout)
    site, ignored = _site(config_path, claim_path, ca_paths)
    vfs, data = images.factory_files(release, inputs.root(root_path), site, layout)
    target = board(release.header.board)
    flash = images.flash_image(runtime, vfs, data, board=target, layout=layout)
    bundle.write(out, flash, private=True)
    _tell(
        as_json,
        image=str(out),
        bytes=len(flash),
        board=target.name,
        version=release.header.version,
        runtime=version,
        provisioned=site is not None,
        ignored=ignored,
        flash=flash_size,
        free_blocks={"vfs": _free(layout, "vfs", vfs), "data": _free(layout, "data", data)},
    )


def _site(
    config: Path | None, claim: Path | None, ca: tuple[Path, ...]
) -> tuple[images.Site | None, list[str]]:
    """Return what makes a node one of a fleet, None without any; and what of it is unknown."""
    if not (config or claim or ca):
        return None, []
    if not (config and claim and ca):
        raise FieldError(
            "--config, --claim and --ca belong together: give all three, or none of them and"
            " `lamppost node provision` later"
        )
    packed, ignored = inputs.config(config)
    return images.Site(packed, inputs.claim(claim), tuple(inputs.anchors(ca))), ignored


def _runtime(path: Path | None, header: Header, layout: Layout) -> tuple[bytes | None, str | None]:
    """Return a runtime's bytes and MicroPython version, checked; (None, None) without one."""
    if path is None:
        return None, None
    data = inputs.read(path, "runtime")
    found = micropython.split(data, board(header.board))
    version = images.checked(found, layout).version
    inputs.check_runtime(header, version)
    return data, version


def _free(layout: Layout, label: str, files: Mapping[str, bytes]) -> int:
    """Return the blocks that a partition has left beside `files`."""
    size = layout[label].size
    return size // BLOCK_BYTES - filesystem.used(files, size)


def _tell(as_json: bool, **result: Any) -> None:
    for field in result["ignored"]:
        click.echo(f"note: configuration: {field} is unknown to this release, ignored", err=True)
    if as_json:
        click.echo(json.dumps(result))
        return
    free = result["free_blocks"]
    click.echo(f"image    {result['image']}, {result['bytes']} bytes")
    click.echo(f"release  {result['version']} for {result['board']}, in both slots")
    click.echo(f"runtime  {_named(result['runtime'])}")
    click.echo(f"site     {'in it' if result['provisioned'] else _LATER}")
    click.echo(f"free     {free['vfs']} blocks of 4 KiB in /, {free['data']} in /data")


def _named(version: object) -> str:
    """Return what to call a runtime: "" is one that does not say its version."""
    if version is None:
        return "none: for an emulated node"
    return f"MicroPython {version}" if version else "of unknown version"
