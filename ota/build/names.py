"""Short names for what is private: a name costs a node some twenty bytes of heap for ever.

MicroPython interns the name of every attribute, function and argument, for good, even when the
module has been let go; a thousand of ours take a fifth of an ESP32's heap. Private names
(`_acknowledge`, `self._writer`) become `_a`, `_b`, … in each file, arguments `a`, `b`, … by their
place: files then share them. Public names, and arguments that anything passes by keyword, stay.

Private names of classes are shared by the files of a folder that inherit from one another.
"""

import ast
import string
from collections.abc import Iterator
from functools import cache
from pathlib import Path

_SHARED = "firmware/ports/"  # whose classes have bases in other files of the folder
_Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


def shorten(source: bytes, file: Path, path: str) -> bytes:
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
    private = dict(zip(sorted(_private(trees)), _short("_"), strict=False))
    kept = _keywords() | _passed(tree)
    free = [name for name in _letters() if name not in _names(tree)]
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
    return ast.parse(file.read_bytes())


@cache
def _keywords() -> frozenset[str]:
    """Return every name that device code passes by keyword, wherever it is installed."""
    from ota.build.sources import PACKAGES, package_folder  # noqa: PLC0415 - a cycle otherwise

    found: set[str] = set()
    for package in PACKAGES:
        for file in package_folder(package).rglob("*.py"):
            found |= _passed(_parsed(file))
    return frozenset(found)


def _passed(tree: ast.Module) -> set[str]:
    return {node.arg for node in ast.walk(tree) if isinstance(node, ast.keyword) and node.arg}


def _names(tree: ast.Module) -> set[str]:
    found = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    return found | {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}


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
