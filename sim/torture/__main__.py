"""`python -m sim.torture`: cuts the power at every flash operation of an update."""

import signal
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import BrokenExecutor
from pathlib import Path

import click

from sim.errors import SimError
from sim.runtime import NoRuntimeError, command
from sim.torture import damage, lives, states
from sim.torture.content import PHASES
from sim.torture.runs import RUNS, Bench, Recording, Run
from sim.torture.states import Depth
from sim.torture.telling import Figures, Teller
from sim.torture.tortured import FAILURES

_OWN = {"enrolment", "renewal", "revert", "micropython"}  # parts that have a run of their own
_OTHERS = 12  # failures of each other kind are so much rarer than cuts of the power
_LIKE_OTHERS = 8  # lives of a run that has most of its changes in common with another


@click.command()
@click.option(
    "--part",
    "parts",
    default="all",
    show_default=True,
    help=f"Only states of these, by comma: {', '.join(PHASES)}.",
)
@click.option("--seed", default=1, show_default=True, help="Whose tears, second cuts and damage.")
@click.option("--workers", default=2, show_default=True, type=click.IntRange(1, 64))
@click.option(
    "--every", default=1, show_default=True, type=click.IntRange(1), help="One in so many states."
)
@click.option(
    "--lives",
    "life_every",
    default=1,
    show_default=True,
    type=click.IntRange(0),
    help="Have a node live through the whole update for one in so many changes; 0: none.",
)
@click.option(
    "--damage",
    "blow_count",
    default=1000,
    show_default=True,
    type=click.IntRange(0),
    help="Blocks to damage; 0: none.",
)
@click.option(
    "--json",
    "json_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the figures to this file.",
)
def main(
    parts: str,
    seed: int,
    workers: int,
    every: int,
    life_every: int,
    blow_count: int,
    json_file: Path | None,
) -> None:
    """Cut the power at every flash operation of an update, and look what comes back.

    Nodes update before a real server, and each change of their flash is recorded. The states that
    the power may leave (between two changes, and within each: torn writes, half-erased blocks) are
    made from the record; equal ones count once. Each is read as the boot code reads it, and the
    firmware is started from it in a VM; in a share of these starts the power goes again, at each
    change that the recovery makes. Then nodes live through whole updates, a cut or another failure
    in each. Last, single blocks are damaged. The exit status is 0 only if nothing was bricked.
    """
    phases = frozenset(PHASES if parts == "all" else parts.split(","))
    if unknown := phases - frozenset(PHASES):
        raise click.BadParameter(
            f"no such part: {', '.join(sorted(unknown))}", param_hint="--part"
        )
    try:
        command()
    except NoRuntimeError as error:
        raise click.UsageError(str(error)) from error
    for name in (signal.SIGTERM, signal.SIGHUP):  # as Ctrl-C: server and nodes end too
        signal.signal(name, signal.default_int_handler)
    depth = Depth(phases=phases, every=every, seed=seed)
    figures, teller = Figures(), Teller()
    with tempfile.TemporaryDirectory(prefix="lamppost-torture-") as folder:
        try:
            _torture(Path(folder), depth, (workers, life_every, blow_count), figures, teller)
        except SimError as error:
            raise click.ClickException(str(error)) from error
        except (KeyboardInterrupt, BrokenExecutor):  # by Ctrl-C, or a worker was killed
            teller.say("stopped before the end; so far:")
            figures.whole = False
    teller.summary(figures, json_file)
    sys.exit(0 if figures.whole and not figures.bricked else 1)


def _torture(
    folder: Path, depth: Depth, counts: tuple[int, int, int], figures: Figures, teller: Teller
) -> None:
    workers, life_every, blow_count = counts
    runs = wanted(depth.phases)
    bench = Bench(folder / "city", seed=depth.seed)
    try:
        teller.say("a server, its releases, and a recorded run of each kind (a minute)")
        bench.found(runs)
        recordings = [bench.record(run) for run in runs]
        with teller.bar("states") as bar:
            for done, total, tally in states.go_through(recordings, depth, workers, folder):
                figures.states.add(tally)
                bar.at(done, total, f"states {figures.states.states}")
        if life_every:
            _live(bench, recordings, (life_every, 4 * workers, depth.seed), figures, teller)
    finally:
        bench.close()
    if blow_count:
        blows = damage.blows(recordings, blow_count, depth.seed)
        with teller.bar("damaged blocks") as bar:
            for done, total, toll in damage.strike(recordings, blows, workers, folder):
                figures.toll.add(toll)
                bar.at(done, total, f"damaged blocks {figures.toll.tried}")


def _live(
    bench: Bench,
    recordings: Sequence[Recording],
    counts: tuple[int, int, int],
    figures: Figures,
    teller: Teller,
) -> None:
    every, nodes, seed = counts
    for recording in recordings:
        run = recording.run
        if not run.enrolled:
            continue  # a claim is used once: a life that lost it has to wait for a technician
        rare = _LIKE_OTHERS if run.name == "micropython" else 1
        phases = [figures.states.phases[run.name, i] for i in range(len(recording.changes))]
        fates = []
        for failure in FAILURES:
            step = rare * (every if failure == "power" else every * _OTHERS)
            fates += lives.fates(run, phases, step, seed, failure)
        if run.version:
            fates += lives.starved(run, rare * (every + 1))
        made = [bench.node(f"{run.name}-{i}", run) for i in range(min(nodes, len(fates)))]
        images = {node.id: node.flash.path.read_bytes() for node in made}
        street = lives.Street(bench, made, images)
        with teller.bar(f"lives: {run.name}") as bar:
            for done, life in enumerate(street.live(fates), 1):
                figures.lives.append(life)
                bar.at(done, len(fates))
        for node in made:
            node.close()


def wanted(phases: frozenset[str]) -> tuple[Run, ...]:
    """Return the runs in which these phases come."""
    return tuple(
        run
        for run in RUNS
        if (phases & {run.name} if run.name in _OWN else run.version and phases - _OWN)
    )


if __name__ == "__main__":
    main()
