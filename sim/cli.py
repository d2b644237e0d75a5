"""`lamppost demo`: what an emulated city shows."""

import signal
import sys
import tempfile
from pathlib import Path

import click

from sim import demo as demonstration
from sim.errors import SimError
from sim.runtime import NoRuntimeError, command


@click.command()
@click.option("--once", is_flag=True, help="End after the summary instead of staying up.")
@click.option(
    "--json",
    "json_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write checks and figures to this file.",
)
@click.option("--seed", default=1, show_default=True, help="Whose weather and air it is.")
def demo(once: bool, json_file: Path | None, seed: int) -> None:
    """Watch one emulated node do everything, step by step.

    It boots from its own flash image, makes its key, enrols, measures, takes a signed update,
    reverts a broken one, refuses a forged one and survives a power cut, against a real server on
    this machine. The exit status is 0 only if every check held. Nothing is left behind.
    """
    try:
        command()
    except NoRuntimeError as error:
        raise click.UsageError(str(error)) from error
    if json_file is not None:
        _may_write(json_file)
    for name in (signal.SIGTERM, signal.SIGHUP):  # as Ctrl-C: server and node end too
        signal.signal(name, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="lamppost-demo-") as folder:
        try:
            held = demonstration.tell(Path(folder), seed, json_file, once=once)
        except (SimError, OSError) as error:
            raise click.ClickException(str(error)) from error
        except KeyboardInterrupt:
            click.echo("stopped before the end; server and node are ended, nothing is left")
            held = False
    sys.exit(0 if held else 1)


def _may_write(path: Path) -> None:
    """Raise BadParameter now, not after the whole story, when a file cannot be written."""
    try:
        path.open("a").close()
    except OSError as error:
        raise click.BadParameter(
            f"cannot write {path}: {error.strerror}", param_hint="--json"
        ) from error
