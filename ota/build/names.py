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
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from ota.build import constants

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
            tree = _parsed(file)
            self.constants |= constants.shared(file, tree)
            self.passed |= _passed(tree)
            self._used.update(_names(tree))
            self._said |= _words(tree)

    def own(self, tree: ast.Module) -> set[str]:
        """Return what a file defines and no other file, text or keyword mentions."""
        return {
            name
            for name in _defined(tree)
            if self._used[name] <= 1 and name not in self._said | self.passed and len(name) > 3
        }


@cache
def installed() -> Vocabulary:
    """Return the vocabulary of the device code as it is installed."""
    from ota.build.sources import PACKAGES, package_folder  # noqa: PLC0415 - a cycle otherwise

    return Vocabulary(file for each in PACKAGES for file in package_folder(each).rglob("*.py"))


def shorten(source: bytes, file: Path, path: str, vocabulary: Vocabulary) -> bytes:
    """Return `source` with short names; as it is when it is no Python.

    `file`: where it lies, `path`: as in `firmware/main.py`; both tell its neighbours.
    """
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return source
    trees = [tree]
    if path.startswith(_SHARED):
        trees += [_parsed(each) for each in sorted(file.parent.glob("*.py"))]
    own = vocabulary.own(tree)
    private = dict(zip(sorted(_private(trees) | own), _short("_"), strict=False))
    kept = frozenset(vocabulary.passed | _passed(tree))
    used = _names(tree)
    free = [name for name in _letters() if name not in used]
    for node in ast.walk(tree):
        if isinstance(node, _Function):
            _rename_arguments(node, kept, free)
    for node in ast.walk(tree):
        _rename(node, private)
    return ast.unparse(ast.fix_missing_locations(tree)).encode()


def _letters() -> list[str]:
    return list(string.ascii_lowercase)


def _short(prefix: str) -> Iterator[str]:
    for first in ["", *string.ascii_lowercase]:
        for last in string.ascii_lowercase:
            yield prefix + first + last


@cache
def _parsed(file: Path) -> ast.Module:
    try:
        return ast.parse(file.read_bytes())
    except (SyntaxError, ValueError):
        return ast.Module([], [])  # the compiler says what is wrong


def _passed(tree: ast.Module) -> set[str]:
    return {node.arg for node in ast.walk(tree) if isinstance(node, ast.keyword) and node.arg}


def _names(tree: ast.Module) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(tree):
        found.update(part for name in _identifiers(node) for part in name.split("."))
        if isinstance(node, ast.arg):
            found.add(node.arg)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.update(node.module.split("."))
    return found


def _words(tree: ast.Module) -> set[str]:
    """Return the words in a file's texts, but for what only explains."""
    explains = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.update([] if id(node) in explains else re.findall(r"\w+", node.value))
    return found


def _defined(tree: ast.Module) -> set[str]:
    """Return the functions, attributes and module-level names that a file makes.

    Not its classes: an error is reported by the name of its class.
    """
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            found.add(node.attr)
    for node in tree.body:
        if isinstance(node, ast.Assign):
            found.update(name.id for name in node.targets if isinstance(name, ast.Name))
    return {name for name in found if name[0] != "_" and name not in _BUILT_IN}


def _private(trees: list[ast.Module]) -> set[str]:
    found: set[str] = set()
    for tree in trees:
        for node in ast.walk(tree):
            found.update(name for name in _identifiers(node) if _is_private(name))
    return found


def _is_private(name: str) -> bool:
    return len(name) > 1 and name[0] == "_" and name[1] != "_"


def _identifiers(node: ast.AST) -> list[str]:
    return [
        value
        for field in ("id", "attr", "name", "asname")
        if isinstance(value := getattr(node, field, None), str)
    ]


def _rename(node: ast.AST, short: dict[str, str]) -> None:
    """Give a node's identifiers their short names; what is imported keeps its own."""
    for field in ("id", "attr", "name", "arg"):
        value = getattr(node, field, None)
        if isinstance(value, str) and not isinstance(node, ast.alias | ast.keyword):
            setattr(node, field, short.get(value, value))


def _rename_arguments(function: _Function, kept: frozenset[str], free: list[str]) -> None:
    """Name the arguments by their place, but those that a nested scope binds or names anew."""
    arguments = [*function.args.posonlyargs, *function.args.args]
    body = function.body if isinstance(function.body, list) else [function.body]
    inner = [node for part in body for node in ast.walk(part)]
    taken = {node.arg for node in inner if isinstance(node, ast.arg)}
    for node in inner:
        if isinstance(node, ast.comprehension):
            taken |= {name.id for name in ast.walk(node.target) if isinstance(name, ast.Name)}
        elif isinstance(node, ast.Global | ast.Nonlocal):
            taken |= set(node.names)
        elif isinstance(node, ast.alias):
            taken.add((node.asname or node.name).split(".")[0])
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            taken.add(node.name)
            taken |= {
                name.id
                for name in ast.walk(node)
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
