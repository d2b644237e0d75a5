"""`lamppost node list`: ports, and what stands behind them."""

import json
from dataclasses import asdict

import click

from ota.field import lock, ports


@click.command("list", short_help="Show ports and what stands behind them.")
@click.option(
    "--port",
    "more",
    multiple=True,
    help="Another one to show: an emulated node's /dev/pts/N, socket://HOST:PORT,"
    " rfc2217://HOST:PORT; may be repeated.",
)
@click.option(
    "--ask",
    is_flag=True,
    help="Ask each for its board, release and id. It stops what runs there (a lamp goes to full);"
    " the node then starts anew.",
)
@lock.KEY
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array, for scripts.")
def list_(*, more: tuple[str, ...], ask: bool, key: lock.Technician | None, as_json: bool) -> None:
    """List serial ports with what USB says of them or, with --ask, the nodes themselves.

    Without --ask no port is opened. Works with boards and emulated nodes (--port).

    \b
    Example:
      lamppost node list --ask
      lamppost node list --ask --port /dev/pts/3
    """  # noqa: D301 - \b keeps click from joining lines
    found = ports.listed(more)
    for port in found:
        if ask:
            ports.ask(port, key)
    if as_json:
        click.echo(json.dumps([asdict(port) for port in found]))
        return
    for port in found:
        click.echo(f"{port.port:<22}{_words(port)}")
    if not found:
        click.echo("no serial port: is the board plugged in, and does its cable carry data?")


def _words(port: ports.Found) -> str:
    if port.fault is not None:
        return f"{port.description}: {port.fault}"
    if port.about is None:
        return f"{port.description}{f', {port.usb}' if port.usb else ''}"
    node = port.about
    if not node.board:
        return f"{node.machine}, MicroPython {node.runtime}, no release of ours"
    name = f"{node.name} at {node.site}" if node.name else "not provisioned"
    return f"{node.id} {node.board} {node.version} (MicroPython {node.runtime}), {name}"
