"""`lamppost node`: what a technician types on the laptop beside the node."""

import json
from collections.abc import Mapping
from pathlib import Path

import click

from ota.build import bundle, filesystem, micropython
from ota.build.boards import BLOCK_BYTES, board
from ota.build.release import Header
from ota.field import (
    deploycli,
    diagnosecli,
    flashcli,
    inputs,
    listcli,
    logscli,
    provisioncli,
    shellcli,
    wipecli,
)
from ota.field import image as images
from ota.field.partitions import LAYOUTS, Layout

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.group()
def node() -> None:
    """Make a node, work on it over its cable, and erase it in the end.

    \b
    In order, for a board on the cable:
      lamppost node list --ask                  which port it is at
      lamppost device add ID                    make it known to the fleet server
      lamppost device claim ID > claim          a single-use claim token for this chip
      lamppost node image … -o flash.bin        the whole flash as one file
      lamppost node flash --image flash.bin …   put it on; the node enrols by itself

    \b
    Later:
      lamppost node provision …                 another place, network, server or claim
      lamppost node deploy --bundle …           a release over the cable, checked by the node
      lamppost node shell …                     its prompt
      lamppost node unlock …                    the same for mpremote, where the console is locked
      lamppost node wipe …                      erase it before it is thrown away
      lamppost node logs|diagnose|selftest …    what it says, what it is, whether it works
    """  # noqa: D301 - \b keeps click from joining lines


@node.command()
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
    required=True,
    help="The node's configuration (JSON, see firmware/config.schema.json).",
)
@click.option(
    "--claim",
    "claim_path",
    type=_FILE,
    required=True,
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
    required=True,
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
    config_path: Path,
    claim_path: Path,
    root_path: Path,
    ca_paths: tuple[Path, ...],
    runtime_path: Path | None,
    flash_size: str,
    out: Path,
    as_json: bool,
) -> None:
    """Write the whole flash of one node as a file, for esptool or an emulator.

    Everything is checked first: the release's hashes, the configuration field by field, that the
    runtime is whole, for the release's chip and new enough. The file holds the claim token and
    the Wi-Fi password, so only its owner may read it. The old content of a board is gone when it
    is written, its identity and unsent readings included.

    \b
    Example:
      lamppost node image --bundle lamppost-esp32-1.0.0.zip --config elm-street-4.json \\
        --claim claim --root HOME/keys/root.json --ca HOME/server/pki/ca.pem \\
        --runtime ESP32_GENERIC-20251209-v1.27.0.bin -o flash.bin
      esptool --port /dev/ttyUSB0 write-flash 0 flash.bin
    """  # noqa: D301 - \b keeps click from joining lines
    release = bundle.load(bundle_path)
    target = board(release.header.board)
    layout = LAYOUTS[flash_size]
    runtime, version = _runtime(runtime_path, release.header, layout)
    config, ignored = inputs.config(config_path)
    root, anchors = inputs.root(root_path), inputs.anchors(ca_paths)
    claim = inputs.claim(claim_path)
    vfs, data = images.factory_files(release, config, claim, root, anchors, layout)
    flash = images.flash_image(runtime, vfs, data, board=target, layout=layout)
    bundle.write(out, flash, private=True)
    for field in ignored:
        click.echo(f"note: configuration: {field} is unknown to this release, ignored", err=True)
    result = {
        "image": str(out),
        "bytes": len(flash),
        "board": target.name,
        "version": release.header.version,
        "runtime": version,
        "ignored": ignored,
        "flash": flash_size,
        "free_blocks": {
            "vfs": _free(layout["vfs"].size, vfs),
            "data": _free(layout["data"].size, data),
        },
    }
    click.echo(json.dumps(result) if as_json else _for_people(result))


def _runtime(path: Path | None, header: Header, layout: Layout) -> tuple[bytes | None, str | None]:
    """Return a runtime's bytes and MicroPython version, checked; (None, None) without one."""
    if path is None:
        return None, None
    data = inputs.read(path, "runtime")
    found = micropython.split(data, board(header.board))
    version = images.checked(found, layout).version
    inputs.check_runtime(header, version)
    return data, version


def _free(size: int, files: Mapping[str, bytes]) -> int:
    """Return the blocks that a partition of `size` bytes has left beside `files`."""
    return size // BLOCK_BYTES - filesystem.used(files, size)


def _for_people(result: dict[str, object]) -> str:
    free = result["free_blocks"]
    assert isinstance(free, dict)
    return "\n".join(
        (
            f"image    {result['image']}, {result['bytes']} bytes",
            f"release  {result['version']} for {result['board']}, in both slots",
            f"runtime  {_named(result['runtime'])}",
            f"free     {free['vfs']} blocks of 4 KiB in /, {free['data']} in /data",
        )
    )


def _named(version: object) -> str:
    """Return what to call a runtime: "" is one that does not say its version."""
    if version is None:
        return "none: for an emulated node"
    return f"MicroPython {version}" if version else "of unknown version"


for _command in (
    listcli.list_,
    flashcli.flash,
    provisioncli.provision,
    deploycli.deploy,
    shellcli.shell,
    shellcli.unlock,
    logscli.logs,
    diagnosecli.diagnose,
    diagnosecli.selftest,
    wipecli.wipe,
):
    node.add_command(_command)
