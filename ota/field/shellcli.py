"""`lamppost node shell`: the node's own prompt, and the firmware again afterwards."""

import contextlib
import subprocess
import sys
from collections.abc import Iterator

import click

from ota.build.errors import FieldError
from ota.field import lock, programs, session
from ota.field.bridge import Bridge
from ota.field.cable import Cable
from ota.field.faults import CableError


@click.command(short_help="Open a node's MicroPython prompt.")
@session.PORT
@lock.KEY
def shell(*, port: str, key: lock.Technician | None) -> None:
    """Open the prompt of the node at the cable, with `mpremote`.

    Ctrl-C stops the firmware: the lamp goes to full, and the node restarts by itself after ten
    minutes. Ctrl-] or Ctrl-x leaves; a node that was stopped then starts anew at once, one that
    was only watched runs on. A console that is locked needs a technician's key, and with it the
    firmware stops at once. Works on boards and emulated nodes.

    \b
    Example:
      lamppost node shell --port /dev/ttyUSB0
    """  # noqa: D301 - \b keeps click from joining lines
    if not sys.stdin.isatty():
        raise FieldError(
            "a shell needs a terminal; for scripts there is `mpremote connect PORT exec CODE`"
        )
    with Cable(port, key) as cable:  # says in one line why it cannot be opened
        _tell(port, cable.unlock())
    with _device(port) as device:
        status = subprocess.run(
            [programs.find("mpremote"), "connect", device, "repl"], check=False
        ).returncode
    try:
        with Cable(port, key) as cable:
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


@click.command(short_help="Open a locked console with a technician's key.")
@session.PORT
@lock.KEY
def unlock(*, port: str, key: lock.Technician | None) -> None:
    """Open the console of the node at the cable, for mpremote and other programs.

    Its firmware stops (the lamp goes to full) and its prompt is there until the node starts anew,
    by itself after ten minutes; then the console is locked again. The other commands open it by
    themselves, given the same key.

    \b
    Example:
      lamppost node unlock --port /dev/ttyUSB0 --key anna.pem
      mpremote connect /dev/ttyUSB0 resume fs ls
    """  # noqa: D301 - \b keeps click from joining lines
    with Cable(port, key) as cable:
        name = cable.unlock()
        _tell(port, name)
        if name is None:
            at = "its prompt is there" if cable.at_prompt() else "Ctrl-C stops what runs, if any"
            click.echo(f"{port}: no lock answers: {at}", err=True)


def _tell(port: str, name: str | None) -> None:
    if name is not None:
        click.echo(f"{port}: the console is open to {name}; the firmware has stopped", err=True)


@contextlib.contextmanager
def _device(port: str) -> Iterator[str]:
    if "://" not in port:
        yield port
        return
    with Bridge(port) as bridge:
        yield bridge.path
