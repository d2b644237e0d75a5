"""What `lamppost rollout` shows: its waves, its nodes, and both as they change."""

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from fleet.cli.common import print_table, terminal, when

_LOOK_S = 0.5
_BAR = 30  # characters
_CLOSED = ("aborted", "rolled_back")
_GOING = ("requested", "downloading", "verified", "staged", "booted")
_COLOURS = {"confirmed": "green", "pending": "dim", "unreached": "yellow", "cancelled": "dim"}


def counts(words: Mapping[str, int]) -> str:
    """Return how many nodes stand at each word, for people."""
    return ", ".join(f"{count} {word}" for word, count in sorted(words.items())) or "no nodes"


def title(answer: Mapping[str, Any]) -> str:
    """Return the rollout in one line."""
    line = f"rollout {answer['id']}: {answer['version']}, {answer['state']}"
    if answer["reverts"] is not None:
        line += f", undoes rollout {answer['reverts']}"
    return line if answer["reason"] is None else f"{line}: {answer['reason']}"


def show(answer: Mapping[str, Any]) -> None:
    """Print a rollout: its waves, then its nodes."""
    terminal().print(title(answer), soft_wrap=True)
    print_table(
        ("wave", "nodes", "state", ""),
        [
            (wave["number"], wave["planned"], wave["state"], counts(wave["counts"]))
            for wave in answer["waves"]
        ],
    )
    print_table(
        ("node", "wave", "state", "reason", "from", "restarts", "since"),
        [
            (
                row["device"],
                row["wave"],
                row["state"],
                row["reason"],
                row["from_version"],
                row["restarts"],
                when(row["changed_at"]),
            )
            for row in answer["actions"]
            if not row["superseded"]
        ],
    )


def over(answer: Mapping[str, Any]) -> bool:
    """Say whether the rollout has ended: what was taken back, or goes back, as well."""
    going = any(word in answer["counts"] for word in _GOING)
    return answer["state"] == "finished" or (answer["state"] in _CLOSED and not going)


def watch(look: Callable[[], dict[str, Any]], *, quiet: bool = False) -> None:
    """Show a rollout live until it is over; *quiet*: only wait."""
    console = terminal()
    if not quiet and console.is_terminal:
        with Live(console=console, auto_refresh=False) as live:
            for answer in _looks(look):
                live.update(_screen(answer), refresh=True)
        return
    said = ""
    for answer in _looks(look):
        line = f"{title(answer)} ({counts(answer['counts'])})"
        # A line for each change, where nothing can be drawn over.
        if line != said and not quiet:
            console.print(line, soft_wrap=True)
        said = line


def _looks(look: Callable[[], dict[str, Any]]) -> Iterator[dict[str, Any]]:
    while True:
        answer = look()
        yield answer
        if over(answer):
            return
        time.sleep(_LOOK_S)


def _screen(answer: Mapping[str, Any]) -> Group:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("wave", "nodes", "state", "", ""):
        table.add_column(column)
    for wave in answer["waves"]:
        table.add_row(
            str(wave["number"]),
            str(wave["planned"]),
            wave["state"],
            _bar(wave["counts"]),
            counts(wave["counts"]),
        )
    return Group(Text(title(answer), style="bold"), table)


def _bar(words: Mapping[str, int]) -> Text:
    """Draw how many nodes stand where: what failed first, what waits last."""
    total = sum(words.values()) or 1
    order = ("confirmed", *_GOING[::-1], "unreached", "cancelled", "pending")
    bar, drawn, reached = Text(), 0, 0
    for word in (*(word for word in words if word not in order), *order):
        reached += words.get(word, 0)
        width = reached * _BAR // total - drawn
        colour = "cyan" if word in _GOING else _COLOURS.get(word, "red")
        bar.append(("░" if word == "pending" else "█") * width, style=colour)
        drawn += width
    return bar
