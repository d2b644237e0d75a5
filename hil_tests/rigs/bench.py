"""The bench file: which boards stand here, what hangs on them, and what switches them.

TOML, a table `[board.NAME]` each; hil_tests/bench.toml shows every key. Nothing is guessed: a
key that is missing, of another kind or not known is a BenchError with file, board and key.
"""

import json
import os
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from hil_tests.rigs.power import Power, Relay, Uhubctl, Unswitched
from hil_tests.rigs.rig import BenchError
from ota.boards import BOARDS, Board

T = TypeVar("T")

FILE = Path(__file__).parent.parent / "bench.toml"
_BAUDS = range(9600, 3_000_001)
_PORTS, _CHANNELS = range(1, 10), range(1, 9)
_PATIENCE_MAX = 1000


class Secret(str):
    """A text that does not show in errors and reports."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'…'"


@dataclass(frozen=True)
class Place:
    """One board and what is around it; `wifi`: as in a node's configuration."""

    name: str
    board: Board
    port: str
    baud: int
    image: Path
    host: str
    wifi: Mapping[str, str]
    config: Mapping[str, Any]
    power: Power
    patience: float


class _Table:
    """A table of the file, read key by key."""

    def __init__(self, where: str, found: object) -> None:
        self._where = where
        if not isinstance(found, dict):
            raise BenchError(f"{where}: expected a table, not {found!r}")
        self._left = dict(found)

    def take(self, key: str, kind: type[T], default: T | None = None) -> T:
        """Return the value of a key; without a default there must be one."""
        found = self._left.pop(key, default)
        if found is None:
            raise self.wrong(key, "is missing")
        known = (int, float) if kind is float else kind
        if not isinstance(found, known) or isinstance(found, bool):
            raise self.wrong(key, f"expected {_KINDS[kind]}, not {found!r}")
        if found == "":
            raise self.wrong(key, "is empty")
        return found

    def number(self, key: str, allowed: range, default: int | None = None) -> int:
        """Return an integer within a range."""
        found = self.take(key, int, default)
        if found not in allowed:
            raise self.wrong(key, f"{found} is not in {allowed.start} … {allowed.stop - 1}")
        return found

    def table(self, key: str) -> "_Table":
        """Return a table within it."""
        return _Table(f"{self._where}: {key}", self.take(key, dict))

    def __contains__(self, key: str) -> bool:
        return key in self._left

    def end(self) -> None:
        """Raise for the first key that nobody has asked for."""
        for key in self._left:
            raise self.wrong(key, "no such key")

    def wrong(self, key: str, why: str) -> BenchError:
        """Return the error for a key."""
        return BenchError(f"{self._where}: {key}: {why}")


_KINDS = {str: "a text", int: "a whole number", float: "a number", dict: "a table"}


def places(path: Path) -> dict[str, Place]:
    """Return the boards of a bench file by name."""
    try:
        found = tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise BenchError(f"{path}: {reason}") from error
    top = _Table(str(path), found)
    boards = top.take("board", dict, {})
    top.end()
    return {name: _place(path, name, found) for name, found in boards.items()}


def chosen(found: Mapping[str, Place], name: str | None, path: Path) -> Place | None:
    """Return the board of that name, or the only one; None when none stands there."""
    if name is None and len(found) > 1:
        raise BenchError(f"{path}: several boards: name one by --board: {', '.join(found)}")
    if name is not None and name not in found:
        raise BenchError(f"{path}: no board {name!r}: {', '.join(found) or 'none'} there")
    return found[name] if name else next(iter(found.values()), None)


def _place(path: Path, name: str, found: object) -> Place:
    table = _Table(f"{path}: board {name}", found)
    chip = table.take("chip", str)
    if chip not in BOARDS:
        raise table.wrong("chip", f"{chip!r} is none of {', '.join(BOARDS)}")
    image = path.parent / table.take("image", str)
    if not image.is_file():
        raise table.wrong("image", f"{image}: no such file")
    made = Place(
        name=name,
        board=BOARDS[chip],
        port=table.take("port", str),
        baud=table.number("baud", _BAUDS, 460_800),
        image=image,
        host=table.take("host", str),
        wifi=_wifi(table.table("wifi")),
        config=_config(table),
        power=_power(table.table("power")),
        patience=_patience(table),
    )
    table.end()
    return made


def _patience(table: _Table) -> float:
    found = table.take("patience", float, 5.0)
    if not 0 < found <= _PATIENCE_MAX:
        raise table.wrong("patience", f"{found} is not more than 0 and at most {_PATIENCE_MAX}")
    return found


def _wifi(table: _Table) -> dict[str, str]:
    ssid, password = table.take("ssid", str), ""
    if "password_env" in table:
        variable = table.take("password_env", str)
        if variable not in os.environ:
            raise table.wrong("password_env", f"the environment has no {variable}")
        password = Secret(os.environ[variable])
    table.end()
    return {"ssid": ssid, "password": password}


def _config(table: _Table) -> dict[str, Any]:
    config = table.take("config", dict)
    for key in ("parts", "streams"):
        if not isinstance(config.get(key), dict):
            raise table.wrong(f"config.{key}", "expected a table: what hangs on the board")
    for key in ("wifi", "server", "time_servers"):
        if key in config:
            raise table.wrong(f"config.{key}", "made from wifi and host: not written here")
    try:
        json.dumps(config, allow_nan=False)
    except (TypeError, ValueError) as error:  # a date, for one
        raise table.wrong("config", f"{error}") from error
    return config


def _power(table: _Table) -> Power:
    kind = table.take("kind", str)
    if kind not in _POWERS:
        raise table.wrong("kind", f"{kind!r} is none of {', '.join(_POWERS)}")
    made = _POWERS[kind](table)
    table.end()
    return made


_POWERS: dict[str, Callable[[_Table], Power]] = {
    "uhubctl": lambda table: Uhubctl(table.take("location", str), table.number("port", _PORTS)),
    "relay": lambda table: Relay(table.take("port", str), table.number("channel", _CHANNELS, 1)),
    "none": lambda _: Unswitched(),
}
