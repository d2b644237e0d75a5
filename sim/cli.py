"""`lamppost demo`: what an emulated city shows."""

import signal
import sys
import tempfile
from pathlib import Path

import click

from sim.demo import telling
from sim.demo.cast import LEAST
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
@click.option("--seed", default=1, show_default=True, help="Whose weather, streets and bad luck.")
@click.option(
    "--nodes",
    type=click.IntRange(LEAST, 100),
    default=8,
    show_default=True,
    help="How many lamp posts; of eight, five measure air and three give light.",
)
def demo(once: bool, json_file: Path | None, seed: int, nodes: int) -> None:
    """Watch a small city: eight emulated nodes and a real server on this machine.

    They boot from flash images of their own, enrol, measure and report; take a signed release in
    waves; a broken one and one that crashes stop by themselves; two nodes go silent and catch up;
    a thief is refused; power and networks fail. Everything is counted. The exit status is 0 only
    if every check held. Nothing is left behind.
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
            held = telling.tell(
                Path(folder), nodes=nodes, seed=seed, json_file=json_file, once=once
            )
        except (SimError, OSError) as error:
            raise click.ClickException(str(error)) from error
        except KeyboardInterrupt:
            click.echo("stopped before the end; server and nodes are ended, nothing is left")
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
