"""What the subcommands share: options, one-line errors, tables for people, JSON for scripts."""

import json
import re
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from typing import Any, Literal, TypeVar

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from fleet.errors import FleetError

_F = TypeVar("_F", bound=Callable[..., Any])
_PIPE_COLUMNS = 10_000  # nobody looks there: nothing is folded
_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class CommandError(click.ClickException):
    """What the operator can mend: one line, exit status 2."""

    exit_code = 2


def plainly(function: _F) -> _F:
    """Turn the server's own errors into one line and exit status 2."""

    @wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except FleetError as error:
            raise CommandError(str(error)) from error

    return wrapped  # type: ignore[return-value]


class Duration(click.ParamType[int]):
    """Seconds, or a number with s, m, h or d."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return seconds."""
        if isinstance(value, int):
            return value
        text = str(value)
        unit = _UNITS_S.get(text[-1:])
        digits = text[:-1] if unit is not None else text
        if not digits.isdecimal() or len(digits) > 9:
            self.fail(f"{text!r} is no duration such as 90, 30m, 12h or 30d", param, ctx)
        return int(digits) * (unit or 1)


class DeviceId(click.ParamType[str]):
    """A node's id: its MAC address as EUI-64, 16 hexadecimal digits, in either case."""

    name = "id"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the id in lower case."""
        text = str(value).lower()
        if not re.fullmatch("[0-9a-f]{16}", text):
            self.fail(
                f"{value!r} is no node's id: 16 hexadecimal digits, such as 240ac4fffe123456 "
                "for the MAC address 24:0a:c4:12:34:56",
                param,
                ctx,
            )
        return text


home_option = click.option(
    "--home",
    type=click.Path(file_okay=False, path_type=Path),
    envvar="LAMPPOST_HOME",
    default=Path("lamppost-home"),
    show_default=True,
    help="LAMPPOST_HOME: folder of the server's database, keys and files.",
)
database_option = click.option(
    "--database-url",
    envvar="LAMPPOST_DATABASE_URL",
    help="postgresql://… for a city; default: SQLite in the home.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")


def print_json(value: Any) -> None:
    """Print one JSON document on stdout."""
    click.echo(json.dumps(value, indent=2))


def terminal() -> Console:
    """Return what people look at; in a pipe it is as wide as it needs to be."""
    console = Console(highlight=False, markup=False)
    if not console.is_terminal:
        console.width = _PIPE_COLUMNS
    return console


def print_table(
    columns: Sequence[str], rows: Iterable[Sequence[Any]], *, numbers: Collection[str] = ()
) -> None:
    """Print a table for people; cells may be rich's own texts. *numbers* stand to the right."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in columns:
        side: Literal["left", "right"] = "right" if column in numbers else "left"
        table.add_column(column, justify=side, overflow="fold")
    for row in rows:
        table.add_row(*("–" if cell is None else _cell(cell) for cell in row))
    terminal().print(table)


def _cell(value: Any) -> Text:
    return value if isinstance(value, Text) else Text(str(value))


def when(unix_s: int | None) -> str | None:
    """Return a time for people, in UTC."""
    if unix_s is None:
        return None
    return datetime.fromtimestamp(unix_s, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
