"""`lamppost node shell`: the node's own prompt, and the firmware again afterwards."""

import contextlib
import subprocess
import sys
from collections.abc import Iterator

import click

from ota.build.errors import FieldError
from ota.field import programs, session
from ota.field.bridge import Bridge
from ota.field.cable import Cable, CableError


@click.command(short_help="Open the node's MicroPython prompt.")
@session.PORT
def shell(*, port: str) -> None:
    """Open the prompt of the node at the cable, with `mpremote`.

    Ctrl-C stops the firmware: the lamp goes to full, and the node restarts by itself after ten
    minutes. Ctrl-] or Ctrl-x leaves; a node that was stopped then starts anew at once, one that
    was only watched runs on. Works on boards and emulated nodes.

    \b
    Example:
      lamppost node shell --port /dev/ttyUSB0
    """  # noqa: D301 - \b keeps click from joining lines
    if not sys.stdin.isatty():
        raise FieldError(
            "a shell needs a terminal; for scripts there is `mpremote connect PORT exec CODE`"
        )
    Cable(port).close()  # says in one line why it cannot be opened
    with _device(port) as device:
        status = subprocess.run(
            [programs.find("mpremote"), "connect", device, "repl"], check=False
        ).returncode
    try:
        with Cable(port) as cable:
            stopped = cable.at_prompt()
            if stopped:
                session.restart(cable, fresh=True)
    except CableError as error:
        raise CableError(
            f"{error.message}: if you stopped it, the node starts by itself within ten minutes"
        ) from error
    click.echo("the node starts anew" if stopped else "the node was not stopped", err=True)
    if status:
        raise FieldError(f"mpremote ended with status {status}")


@contextlib.contextmanager
def _device(port: str) -> Iterator[str]:
    if "://" not in port:
        yield port
        return
    with Bridge(port) as bridge:
        yield bridge.path
