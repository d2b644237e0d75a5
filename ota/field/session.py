"""What commands do with a node at the cable: hear what it is, write its files, start it anew.

Programs of onboard/ do the node's part. They print lines of JSON behind an "@", a list whose first
word says what the line is; "fault" ends a program, with the reason.
"""

import contextlib
import hashlib
import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

import click

from firmware.core.names import device_id
from ota.build.boards import BLOCK_BYTES
from ota.build.errors import FieldError, printable
from ota.field.cable import Cable

_SILENCE_S = 30.0
_TEXTS = ("machine", "runtime", "board", "version", "name", "site")
_MAC_BYTES = 6
_IMPORT = re.compile(r"^from (\w+) import .*$", re.MULTILINE)
_PIECE_BYTES = 384
_INLINE_BYTES = 100  # what LittleFS keeps within the directory
_SPARE_BLOCKS = 3  # directories and a log that moves on

PORT: Callable[..., Any] = click.option(
    "--port",
    required=True,
    help="Where the node is: /dev/ttyUSB0, an emulated node's /dev/pts/N, socket://HOST:PORT or"
    " rfc2217://HOST:PORT.",
)

# Told how much of how much is done.
Progress = Callable[[int, int], None]
# The kinds of line of a program, and of what types the words are that follow.
Forms = Mapping[str, Sequence[type]]


@contextlib.contextmanager
def bar(label: str, *, quiet: bool) -> Iterator[Progress]:
    """Show a progress bar to whoever sits at a terminal; gives what moves it."""
    hidden = quiet or not sys.stderr.isatty()
    with click.progressbar(length=1, label=label, file=sys.stderr, hidden=hidden) as shown:

        def progress(done: int, total: int) -> None:
            shown.length = total
            shown.update(done - shown.pos)

        yield progress


class NodeError(FieldError):
    """The node cannot do what it was asked, or is not what the command is for."""


@dataclass(frozen=True)
class About:
    """What a node tells of itself; board, version are "" where no release of ours runs.

    machine: MicroPython's name of the board; files: size by path, of /etc; free: blocks of `/`;
    roots: key ids of root.json, the factory's and the newest that the node has verified;
    locked: whose keys open its console, none where it is open.
    """

    id: str
    machine: str
    runtime: str
    board: str
    version: str
    name: str
    site: str
    files: Mapping[str, int]
    free: int
    roots: Sequence[Sequence[str]]
    locked: Sequence[str]


def program(name: str) -> str:
    """Return the text of a program of onboard/, with what it imports from there in its place."""
    folder, within = resources.files("ota.field").joinpath("onboard"), {name}

    def text(module: str) -> str:
        return _IMPORT.sub(included, folder.joinpath(f"{module}.py").read_text("utf-8"))

    def included(line: re.Match[str]) -> str:
        module = line[1]
        if not folder.joinpath(f"{module}.py").is_file():
            return line[0]  # MicroPython's own
        if module in within:
            return ""
        within.add(module)
        return text(module)

    return text(name)


def words(line: str, forms: Forms | None = None) -> list[Any] | None:
    """Return what a line of a program of ours says; None for any other line, or of other form."""
    if not line.startswith("@["):
        return None
    try:
        found = json.loads(line[1:])
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, list) or not found or not isinstance(found[0], str):
        return None
    if forms is not None and [type(each) for each in found[1:]] != forms.get(found[0]):
        return None
    return found


def told(cable: Cable) -> list[list[Any]]:
    """Return what the program that runs on the node says until its end; NodeError on a fault."""
    found, rest = [], []
    for line in cable.lines(_SILENCE_S):
        said = words(line)
        if said is None:
            rest.append(line)
        elif said[0] == "fault":
            raise NodeError(f"{cable.port}: {' '.join(map(str, said[1:]))}")
        else:
            found.append(said)
    if not found:
        why = " / ".join(line for line in rest[-3:] if line.strip()) or "nothing"
        raise NodeError(f"{cable.port}: the node did not answer as it should: {why}")
    return found


def about(cable: Cable) -> About:
    """Stop what runs on the node, start it softly, and have it tell what it is."""
    cable.run(program("about"))
    said = told(cable)[-1]
    try:
        return _about(said[1])
    except (LookupError, TypeError, ValueError, OverflowError) as error:
        raise NodeError(f"{cable.port}: the node did not answer as it should: {error}") from error


def _about(told: Mapping[str, Any]) -> About:
    """Return what a node told, each member of its type."""
    texts = {name: printable(told[name]) for name in _TEXTS}
    mac = bytes.fromhex(told["id"])
    if len(mac) != _MAC_BYTES:
        raise ValueError(f"no MAC: {mac.hex()}")
    first, second = ([str(key) for key in keys] for keys in told["roots"])
    return About(
        id=device_id(mac),
        **texts,
        files={path: int(size) for path, size in dict(told["files"]).items()},
        free=int(told["free"]),
        roots=(first, second),
        locked=[printable(name) for name in told["locked"]],
    )


def require_ours(cable: Cable, found: About) -> None:
    """Raise NodeError when no release of ours is on the node."""
    if not found.board:
        raise NodeError(
            f"{cable.port}: another firmware is on the board (MicroPython {found.runtime} on"
            f" {found.machine}), or both slots are damaged: put ours on first, with"
            " `lamppost node image` and `lamppost node flash`"
        )


def put(
    cable: Cable,
    found: About,
    files: Mapping[str, bytes],
    remove: Sequence[str],
    progress: Progress,
) -> None:
    """Write files of the node and remove others, all or none; to be called after `about`.

    Each is written under a new name and read back; once all are whole they are renamed, in the
    order given. NodeError, CableError: as far as that order had come, or nothing, has changed.
    """
    large = [len(data) for data in files.values() if len(data) > _INLINE_BYTES]
    needed = sum(-(-size // BLOCK_BYTES) for size in large) + _SPARE_BLOCKS
    if found.free < needed:
        raise NodeError(
            f"{cable.port}: {needed} blocks are needed and {found.free} are free on the node's"
            " `/`: remove what does not belong there (`mpremote fs ls`), or write its whole flash"
            " anew (`lamppost node flash`)"
        )
    cable.run(program("write"), fresh=False)
    told(cable)
    total, done = sum(map(len, files.values())), 0
    for path, data in files.items():
        for at in range(0, len(data), _PIECE_BYTES):
            piece = data[at : at + _PIECE_BYTES]
            _call(cable, f"attempt(add, {path!r}, {at}, {piece.hex()!r})")
            done += len(piece)
            progress(done, total)
    sums = [(path, hashlib.sha256(data).hexdigest()) for path, data in files.items()]
    _call(cable, f"attempt(finish, {sums!r}, {list(remove)!r})")


def restart(cable: Cable, *, fresh: bool = False) -> None:
    """Have the node start anew by a reset that was planned; the cable then hears its console.

    fresh: what runs on the node is not known.
    """
    cable.run(program("restart"), fresh=fresh)
    for line in cable.lines(_SILENCE_S):
        if words(line) == ["restart"]:
            return


def let_run(cable: Cable) -> None:
    """Have the firmware run again, whatever went wrong: else its watchdog does, in ten minutes."""
    with contextlib.suppress(FieldError):
        restart(cable)


def _call(cable: Cable, statement: str) -> None:
    cable.run(statement, fresh=False)
    told(cable)
