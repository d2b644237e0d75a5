"""`lamppost node flash`: a whole image onto a board."""

import json
from pathlib import Path

import click

from ota.build.errors import FieldError
from ota.field import flash as flashing
from ota.field import inputs, session


@click.command(short_help="Write a flash image onto a board.")
@session.PORT
@click.option(
    "--image",
    "path",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="The file from `lamppost node image --runtime …`.",
)
@click.option(
    "--baud",
    type=click.IntRange(9600, 3_000_000),
    default=460_800,
    show_default=True,
    help="Speed of the transfer; slower on a long or bad cable.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, for scripts.")
def flash(*, port: str, path: Path, baud: int, as_json: bool) -> None:
    """Write a whole flash onto the board at the cable: detect, erase, write, verify.

    The chip and the size of its flash are compared with the image first. All that was on the
    board is gone then, its identity and unsent readings included. A write that was cut off leaves
    a board without firmware, and can be repeated.

    It is done by `esptool`, which needs a chip's own bootloader: a board, or an ESP32 emulator
    that starts in download mode behind socket://. An emulated node is its flash file: there the
    image itself is what it runs. What esptool prints has been read in its source and is tested
    with a program that prints the same; on a board this command has not been seen yet.

    \b
    Example:
      lamppost node flash --port /dev/ttyUSB0 --image flash.bin
    """  # noqa: D301 - \b keeps click from joining lines
    image = inputs.read(path, "image")
    board = flashing.board_of(image)
    if "://" not in port and not Path(port).exists():
        raise FieldError(f"{port}: there is no such port; is the board plugged in?")
    chip = flashing.detect(port)
    flashing.check(chip, board, len(image), port)
    with session.bar("writing", quiet=as_json) as progress:
        flashing.write(
            port, path, board, baud, lambda percent: progress(round(percent * 10), 1000)
        )
    result = {
        "port": port,
        "id": chip.id,
        "mac": chip.mac,
        "chip": chip.name,
        "board": board.name,
        "bytes": len(image),
        "verified": True,
    }
    if as_json:
        click.echo(json.dumps(result))
        return
    click.echo(f"board    {chip.name}, MAC {chip.mac}: node {chip.id}")
    click.echo(f"written  {len(image)} bytes, verified; the node starts")
