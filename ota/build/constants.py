"""Constants cost a node nothing: the compiler writes the value wherever the name stands.

A name takes some 40 bytes of heap for ever, and there are more than a hundred; the sources need
no import that CPython lacks.

- A private one, `_X = 3`, becomes `_X = const(3)` (MicroPython, "Maximising MicroPython speed":
  The const() declaration).
- A module that holds constants only (ota.core.limits) is written into those that import it, and
  no slot holds it.
"""

import ast
import copy
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from ota.build.errors import BuildError
from ota.build.syntax import nodes

Shared = Mapping[str, Mapping[str, ast.expr]]  # by module, by name


def declare(tree: ast.Module) -> None:
    """Declare the constants of a file.

    A constant: a private module-level name, bound once in the whole file, to an integer, string
    or bytes literal or to arithmetic on integers.
    """
    bound = _bindings(tree)
    for node in tree.body:
        if (
            isinstance(node, ast.Assign)
            and isinstance(node.targets[0], ast.Name)
            and len(node.targets) == 1
            and bound[node.targets[0].id] == 1
            and _is_private(node.targets[0].id)
            and _is_constant(node.value)
        ):
            node.value = ast.Call(ast.Name("const", ast.Load()), [node.value], [])


def shared(file: Path, tree: ast.Module) -> dict[str, dict[str, ast.expr]]:
    """Return {module: {name: value}} of a module of public constants and nothing else, else {}."""
    found: dict[str, ast.expr] = {}
    for node in tree.body:
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            continue
        if not (
            isinstance(node, ast.Assign)
            and len(node.targets) == 1
            and isinstance(node.targets[0], ast.Name)
            and not node.targets[0].id.startswith("_")
            and _is_constant(node.value)
        ):
            return {}
        found[node.targets[0].id] = node.value
    return {module_name(file): found} if found else {}


def module_name(file: Path) -> str:
    """Return the dotted name of a file two folders deep: `ota.core.limits`."""
    return ".".join(file.with_suffix("").parts[-3:])


def fold(tree: ast.Module, path: str, known: Shared) -> None:
    """Put the values of `known` modules in the place of their names.

    BuildError when a file does anything else with such a module, or binds its name again.
    """
    folding = _Folding(known)
    folding.visit(tree)
    if not folding.modules and not folding.values:
        return
    bound = _bindings(tree)
    for name in (*folding.modules, *folding.values):
        if name in bound:
            raise BuildError(f"{path} binds {name}, which is a module of constants or of one")
    for node in nodes(tree):
        if isinstance(node, ast.Name) and node.id in folding.modules:
            raise BuildError(f"{path}: {node.id} has constants only: {node.id}.NAME")


class _Folding(ast.NodeTransformer):
    """Drops the imports of known modules and writes their values; imports come before use."""

    def __init__(self, known: Shared) -> None:
        self._known = known
        self.modules: dict[str, Mapping[str, ast.expr]] = {}
        self.values: dict[str, ast.expr] = {}

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.AST:
        left = []
        for alias in node.names:
            module = self._known.get(f"{node.module}.{alias.name}")
            value = self._known.get(node.module or "", {}).get(alias.name)
            if module is not None:
                self.modules[alias.asname or alias.name] = module
            elif value is not None:
                self.values[alias.asname or alias.name] = value
            else:
                left.append(alias)
        node.names = left
        return node if left else ast.Pass()

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        value = None
        if isinstance(node.value, ast.Name) and isinstance(node.ctx, ast.Load):
            value = self.modules.get(node.value.id, {}).get(node.attr)
        return self.generic_visit(node) if value is None else copy.deepcopy(value)

    def visit_Name(self, node: ast.Name) -> ast.AST:
        value = self.values.get(node.id) if isinstance(node.ctx, ast.Load) else None
        return node if value is None else copy.deepcopy(value)


def _bindings(tree: ast.Module) -> Counter[str]:
    """Count how often the file binds a name."""
    names = []
    for node in nodes(tree):
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            names.append(node.id)
        elif isinstance(node, ast.arg):
            names.append(node.arg)
        elif isinstance(node, ast.Global | ast.Nonlocal):
            names.extend(node.names)
        elif isinstance(node, ast.alias):
            names.append((node.asname or node.name).split(".")[0])
        elif isinstance(
            node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.ExceptHandler
        ):
            names.append(node.name or "")
    return Counter(names)


def _is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def _is_constant(value: ast.expr) -> bool:
    if isinstance(value, ast.Constant):
        return type(value.value) in (int, str, bytes)
    if isinstance(value, ast.UnaryOp):
        return _is_whole(value.operand)
    if isinstance(value, ast.BinOp):
        return _is_whole(value.left) and _is_whole(value.right)
    return False


def _is_whole(value: ast.expr) -> bool:
    if isinstance(value, ast.Constant):
        return type(value.value) is int
    return isinstance(value, ast.UnaryOp | ast.BinOp) and _is_constant(value)
