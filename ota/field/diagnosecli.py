"""`lamppost node diagnose` and `selftest`: what a node is, and whether it works."""

import json
from dataclasses import asdict
from datetime import UTC, datetime

import click

from ota.field import diagnosetext, findings, lock, session
from ota.field import diagnosis as diagnosing
from ota.field import selftest as testing
from ota.field.cable import Cable

_restart = click.option(
    "--restart/--no-restart",
    default=True,
    show_default=True,
    help="Start the firmware anew afterwards; without, the node waits at its prompt.",
)
_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object, for scripts.")


@click.command(short_help="Tell what a node is, how it fares, what to do next.")
@session.PORT
@lock.KEY
@_restart
@_json
def diagnose(*, port: str, key: lock.Technician | None, restart: bool, as_json: bool) -> None:
    """Tell what the node at the cable is, how it fares, and what to do next.

    Its firmware is stopped for this (the lamp burns at full), its flash and its parts are read,
    nothing of it is changed, and it starts anew. Identity, release, both slots checked file by
    file against their manifests, boot record, resets and why, each part's raw and converted
    values, outbox, flash, heap, Wi-Fi, clock, certificates, update metadata, and who opens its
    console. Keys, passwords and claim tokens never leave the node. A board that is damaged,
    restarts all the time or is none of ours is told apart as far as it answers.

    The exit status is 1 when something is at fault, 0 for warnings and when all is well.

    \b
    Example:
      lamppost node diagnose --port /dev/ttyUSB0
      lamppost node diagnose --port /dev/pts/3 --json | jq .findings
    """  # noqa: D301 - \b keeps click from joining lines
    with Cable(port, key) as cable:
        report = diagnosing.diagnose(cable, restart=restart)
    found = findings.judge(report, datetime.now(UTC))
    if as_json:
        click.echo(json.dumps({**report, "findings": [asdict(each) for each in found]}))
    else:
        click.echo("\n".join(diagnosetext.lines(report, found)))
    if any(each.severity == findings.FAULT for each in found):
        raise SystemExit(1)


@click.command(short_help="Run the self-test of a node: a verdict for each part.")
@session.PORT
@lock.KEY
@_restart
@_json
def selftest(*, port: str, key: lock.Technician | None, restart: bool, as_json: bool) -> None:
    """Run the firmware's own self-test on the node at the cable: a verdict for each part.

    It is the test that every release has to pass on its trial, with the slot's own drivers: lamp,
    light task, parts, flash, heap, configuration. The node is stopped for it (the lamp burns at
    full) and starts anew; it works on an emulated node as on a board.

    The exit status is 1 when a part fails, 2 when the test could not be run.

    \b
    Example:
      lamppost node selftest --port /dev/ttyUSB0
    """  # noqa: D301 - \b keeps click from joining lines
    with Cable(port, key) as cable:
        result = testing.selftest(cable, restart=restart)
    if as_json:
        told = [each.told() for each in result.verdicts]
        click.echo(
            json.dumps(
                {
                    "port": port,
                    "version": result.version,
                    "passed": result.passed,
                    "verdicts": told,
                    "restarted": restart,
                }
            )
        )
    else:
        for line in diagnosetext.verdicts(result, restart=restart):
            click.echo(line)
    if not result.passed:
        raise SystemExit(1)
