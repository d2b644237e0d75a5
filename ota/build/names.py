"""Short names for what is private: a name costs a node some twenty bytes of heap for ever.

MicroPython interns the name of every attribute, function and argument, for good, even when the
module has been let go; a thousand of ours take a fifth of an ESP32's heap. Private names
(`_acknowledge`, `self._writer`) become `_a`, `_b`, … in each file, arguments `a`, `b`, … by their
place: files then share them. So does what a single file defines and nobody else mentions; other
public names, and arguments that anything passes by keyword, stay.

Private names of classes are shared by the files of a folder that inherit from one another.
"""

import ast
import asyncio
import builtins
import re
import socket
import string
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path

from ota.build import constants
from ota.build.syntax import nodes

_SHARED = "firmware/ports/"  # whose classes have bases in other files of the folder
# Names that mean something to others: what built-in objects, and MicroPython's own, are asked for.
_BUILT_IN = {
    name
    for thing in (builtins, str, bytes, bytearray, dict, list, set, asyncio, socket, socket.socket)
    for name in dir(thing)
}
_Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


class Vocabulary:
    """The names of all files that run together: `files` lie in a slot, or are installed."""

    def __init__(self, files: Iterable[Path]) -> None:
        self.passed: set[str] = set()
        self._used: Counter[str] = Counter()
        self._said: set[str] = set()
        self.constants: dict[str, dict[str, ast.expr]] = {}
        for file in files:
            tree, all_nodes = _parsed(file)
            self.constants |= constants.shared(file, tree)
            self.passed |= _passed(all_nodes)
            self._used.update(_names(all_nodes))
            self._said |= _words(all_nodes)

    def own(self, tree: ast.Module, all_nodes: Sequence[ast.AST]) -> set[str]:
        """Return what a file defines and no other file, text or keyword mentions."""
        return {
            name
            for name in _defined(tree, all_nodes)
            if self._used[name] <= 1 and name not in self._said | self.passed and len(name) > 3
        }


@cache
def installed() -> Vocabulary:
    """Return the vocabulary of the device code as it is installed."""
    from ota.build.sources import PACKAGES, package_folder  # noqa: PLC0415 - a cycle otherwise

    return Vocabulary(file for each in PACKAGES for file in package_folder(each).rglob("*.py"))


def shorten(tree: ast.Module, file: Path, path: str, vocabulary: Vocabulary) -> None:
    """Give what is private in a file its short names.

    `file`: where it lies, `path`: as in `firmware/main.py`; both tell its neighbours.
    """
    all_nodes = nodes(tree)
    private = _private(all_nodes) | vocabulary.own(tree, all_nodes)
    if path.startswith(_SHARED):
        for neighbour in file.parent.glob("*.py"):
            private |= _private(_parsed(neighbour)[1])
    kept = frozenset(vocabulary.passed | _passed(all_nodes))
    used = _names(all_nodes)
    free = [name for name in _letters() if name not in used]
    for node in all_nodes:
        if isinstance(node, _Function):
            _rename_arguments(node, kept, free)
    short = dict(zip(sorted(private), _short("_"), strict=False))
    for node in all_nodes:
        _rename(node, short)


def _letters() -> list[str]:
    return list(string.ascii_lowercase)


def _short(prefix: str) -> Iterator[str]:
    for first in ["", *string.ascii_lowercase]:
        for last in string.ascii_lowercase:
            yield prefix + first + last


@cache
def _parsed(file: Path) -> tuple[ast.Module, list[ast.AST]]:
    try:
        tree = ast.parse(file.read_bytes())
    except (SyntaxError, ValueError):
        tree = ast.Module([], [])  # the compiler says what is wrong
    return tree, nodes(tree)


def _passed(all_nodes: Iterable[ast.AST]) -> set[str]:
    return {node.arg for node in all_nodes if isinstance(node, ast.keyword) and node.arg}


def _names(all_nodes: Iterable[ast.AST]) -> set[str]:
    found: set[str] = set()
    for node in all_nodes:
        for name in _identifiers(node):
            found.update(name.split("."))
        if isinstance(node, ast.arg):
            found.add(node.arg)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.update(node.module.split("."))
    return found


def _words(all_nodes: Sequence[ast.AST]) -> set[str]:
    """Return the words in a file's texts, but for what only explains."""
    explains = {
        id(node.value)
        for node in all_nodes
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    found: set[str] = set()
    for node in all_nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.update([] if id(node) in explains else re.findall(r"\w+", node.value))
    return found


def _defined(tree: ast.Module, all_nodes: Iterable[ast.AST]) -> set[str]:
    """Return the functions, attributes and module-level names that a file makes.

    Not its classes: an error is reported by the name of its class.
    """
    found: set[str] = set()
    for node in all_nodes:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            found.add(node.attr)
    for node in tree.body:
        if isinstance(node, ast.Assign):
            found.update(name.id for name in node.targets if isinstance(name, ast.Name))
    return {name for name in found if name[0] != "_" and name not in _BUILT_IN}


def _private(all_nodes: Iterable[ast.AST]) -> set[str]:
    return {name for node in all_nodes for name in _identifiers(node) if _is_private(name)}


def _is_private(name: str) -> bool:
    return len(name) > 1 and name[0] == "_" and name[1] != "_"


def _identifiers(node: ast.AST) -> list[str]:
    return [
        value
        for field in _both(node._fields, ("id", "attr", "name", "asname"))
        if isinstance(value := getattr(node, field), str)
    ]


@cache
def _both(fields: tuple[str, ...], wanted: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(field for field in wanted if field in fields)


def _rename(node: ast.AST, short: dict[str, str]) -> None:
    """Give a node's identifiers their short names; what is imported keeps its own."""
    for field in _both(node._fields, ("id", "attr", "name", "arg")):
        value = getattr(node, field)
        if value in short and not isinstance(node, ast.alias | ast.keyword):
            setattr(node, field, short[value])


def _rename_arguments(function: _Function, kept: frozenset[str], free: list[str]) -> None:
    """Name the arguments by their place, but those that a nested scope binds or names anew."""
    arguments = [*function.args.posonlyargs, *function.args.args]
    body = function.body if isinstance(function.body, list) else [function.body]
    inner = [node for part in body for node in nodes(part)]
    taken = {node.arg for node in inner if isinstance(node, ast.arg)}
    for node in inner:
        if isinstance(node, ast.comprehension):
            taken |= {name.id for name in nodes(node.target) if isinstance(name, ast.Name)}
        elif isinstance(node, ast.Global | ast.Nonlocal):
            taken |= set(node.names)
        elif isinstance(node, ast.alias):
            taken.add((node.asname or node.name).split(".")[0])
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            taken.add(node.name)
            taken |= {
                name.id
                for name in nodes(node)
                if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store)
            }
    used = {node.id for node in inner if isinstance(node, ast.Name)}  # an outer one's, renamed
    places = zip(arguments, [name for name in free if name not in used], strict=False)
    short = {
        argument.arg: name
        for argument, name in places
        if argument.arg not in kept | taken | {"self"} and name not in taken
    }
    for argument in arguments:
        argument.arg = short.get(argument.arg, argument.arg)
    for node in inner:
        if isinstance(node, ast.Name):
            node.id = short.get(node.id, node.id)
        elif isinstance(node, ast.ExceptHandler) and node.name:
            node.name = short.get(node.name, node.name)
