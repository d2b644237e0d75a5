"""Private constants, as MicroPython's compiler wants them: `_X = 3` becomes `_X = const(3)`.

The compiler then writes the value wherever the name stands and drops the name (MicroPython,
"Maximising MicroPython speed": The const() declaration). A name costs a node some 40 bytes of
heap for ever, and there are more than a hundred; the sources need no import that CPython lacks.
"""

import ast


def declare(source: bytes) -> bytes:
    """Return `source` with its constants declared; lines and all other text stay as they are.

    A constant: a private module-level name, bound once in the whole file, to an integer, string
    or bytes literal or to arithmetic on integers. Source that is no Python comes back as it is:
    the compiler says what is wrong.
    """
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return source
    bound = _bindings(tree)
    lines = source.splitlines(keepends=True)
    for node in tree.body:
        if (
            isinstance(node, ast.Assign)
            and isinstance(node.targets[0], ast.Name)
            and len(node.targets) == 1
            and bound.count(node.targets[0].id) == 1
            and _is_private(node.targets[0].id)
            and _is_constant(node.value)
        ):
            _wrap(lines, node)
    return b"".join(lines)


def _bindings(tree: ast.Module) -> list[str]:
    """Return every name that the file binds, as often as it does."""
    names = []
    for node in ast.walk(tree):
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
    return names


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


def _wrap(lines: list[bytes], node: ast.Assign) -> None:
    """Put the value of a one-line assignment into const()."""
    value = node.value
    start, end = value.col_offset, value.end_col_offset
    if node.lineno != node.end_lineno or end is None:
        return
    line = lines[node.lineno - 1]
    if line[:start].endswith(b"= ") and line[end : end + 1] != b")":
        lines[node.lineno - 1] = line[:start] + b"const(" + line[start:end] + b")" + line[end:]
