"""`lamppost sim`: emulated nodes before any fleet server."""

import signal
from pathlib import Path

import click

from fleet.cli.client import read_token
from fleet.cli.common import Duration
from sim import running
from sim.nodeconfig import Pace
from sim.running import Order

_FILE = click.Path(dir_okay=False, path_type=Path)
_SAMPLE_S = 10
_SAMPLES = 4  # at least so many in a window
_FRAME_S = 2.3


@click.group()
def sim() -> None:
    """Emulate nodes: the real firmware in MicroPython VMs, with parts, flash and network."""


@sim.command()
@click.option(
    "--nodes",
    "count",
    default=8,
    show_default=True,
    type=click.IntRange(1, 1000),
    help="How many; of eight, five measure air and three light the street.",
)
@click.option(
    "--server",
    envvar="LAMPPOST_URL",
    default="http://127.0.0.1:8080",
    show_default=True,
    help="The fleet server's operator port, as URL; also LAMPPOST_URL.",
)
@click.option(
    "--token-file", type=_FILE, help="File with the token; or the token in LAMPPOST_TOKEN."
)
@click.option(
    "--ca",
    envvar="LAMPPOST_CA",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="PEM of the CA behind an https server; also LAMPPOST_CA.",
)
@click.option(
    "--bundle",
    "bundle_path",
    type=_FILE,
    help="Their first release. Default: the firmware of this installation, as 0.0.1.",
)
@click.option("--seed", default=1, show_default=True, help="Whose weather and addresses.")
@click.option(
    "--window",
    "window_s",
    type=Duration(),
    default="10m",
    show_default=True,
    help="Length of a window of measurements.",
)
@click.option(
    "--poll",
    "poll_s",
    type=Duration(),
    default="5m",
    show_default=True,
    help="Time between two polls, unless the server says otherwise.",
)
@click.option(
    "--duration", "duration_s", type=Duration(), help="End after this time; else with Ctrl-C."
)
@click.option("--json", "json_file", type=_FILE, help="Write the last figures to this file.")
def run(
    *,
    count: int,
    server: str,
    token_file: Path | None,
    ca: Path | None,
    bundle_path: Path | None,
    seed: int,
    window_s: int,
    poll_s: int,
    duration_s: int | None,
    json_file: Path | None,
) -> None:
    """Run an emulated fleet against any fleet server.

    Nodes are registered, claimed, given flash and started, a few at a time; a line tells how they
    are. The same seed makes the same nodes: on the next run they enrol anew. Ctrl-C ends all.

    \b
    Example:
      lamppost sim run --nodes 100 --server http://127.0.0.1:8080 --token-file token
    """  # noqa: D301 - \b keeps click from joining lines
    for name in (signal.SIGTERM, signal.SIGHUP):  # as Ctrl-C: every process ends
        signal.signal(name, signal.default_int_handler)
    running.run(
        Order(
            count=count,
            server=server,
            token=read_token(token_file),
            ca=ca,
            bundle=bundle_path,
            seed=seed,
            pace=Pace(window_s, poll_s, max(1, min(_SAMPLE_S, window_s // _SAMPLES)), _FRAME_S),
            duration_s=duration_s,
            json_file=json_file,
        )
    )
