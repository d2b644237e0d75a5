"""A run of an emulated fleet, from a command's order to its last figures."""

import dataclasses
import json
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import click

from ota.build import bundle
from ota.build.release import Header, Release, build
from ota.build.sources import collect
from sim import fleet, runtime
from sim.api import Api
from sim.errors import SimError
from sim.fleet import Figures, Fleet
from sim.live import Live
from sim.nodeconfig import Pace

_VERSION = "0.0.1"  # below whatever a server has to offer
_MIN_LEVEL = 30


class RunError(click.ClickException):
    """What the operator can mend: one line, exit status 2."""

    exit_code = 2


@dataclass(frozen=True)
class Order:
    """What to run where; `bundle`: the first release, None for this installation's firmware."""

    count: int
    server: str
    token: str
    ca: Path | None
    bundle: Path | None
    seed: int
    pace: Pace
    duration_s: int | None
    json_file: Path | None


def run(order: Order) -> None:
    """Run a fleet until its time is over or Ctrl-C; RunError says in one line why it cannot."""
    try:
        runtime.command()
        if order.json_file:
            order.json_file.open("a").close()  # now, not after the whole run
        with (
            tempfile.TemporaryDirectory(prefix="lamppost-sim-") as folder,
            Api(order.server, order.token, order.ca) as api,
        ):
            given = fleet.provision(api, order.server)
            release = bundle.load(order.bundle) if order.bundle else installed()
            with Fleet(api, given, Path(folder), seed=order.seed, pace=order.pace) as made:
                _tell(made, order, release)
    except (SimError, runtime.NoRuntimeError, OSError) as error:
        raise RunError(str(error)) from error


def _tell(made: Fleet, order: Order, release: Release) -> None:
    live = Live()
    try:
        with live.shown():
            made.populate(order.count, release, live.making)
            for last in made.run(order.duration_s):
                live.figures(last)
    except KeyboardInterrupt:
        live.say("ending all nodes")
        last = made.figures()
    live.end(last)
    if order.json_file:
        order.json_file.write_text(json.dumps(summary(made, last), indent=2) + "\n")


def summary(made: Fleet, last: Figures) -> dict[str, object]:
    """Return what --json writes: the last figures, and those of the whole run."""
    return {
        **dataclasses.asdict(last),
        "enrolled_after_s": made.enrolled_after_s,
        "cores_since_enrolled": made.cores_since_enrolled,
        "memory_peak_bytes": made.memory_peak_bytes,
        "districts": {
            name: {"received_bytes": each.received, "sent_bytes": each.sent}
            for name, each in made.districts.items()
        },
    }


def installed() -> Release:
    """Build the firmware of this installation."""
    header = Header(_VERSION, "esp32", "0.0.0", "1.27.0", int(time.time()), _MIN_LEVEL)
    return build(header, collect(None))
