"""The nodes of a syntax tree, fast: a release is compiled often, and walking was most of it."""

import ast


def nodes(tree: ast.AST) -> list[ast.AST]:
    """Return `tree` and all below it, in ast.walk's order, without the contexts of names."""
    found = [tree]
    for node in found:  # which grows
        for field in node._fields:
            if field == "ctx":
                continue
            value = getattr(node, field, None)
            if isinstance(value, ast.AST):
                found.append(value)
            elif isinstance(value, list):
                found.extend([each for each in value if isinstance(each, ast.AST)])
    return found
