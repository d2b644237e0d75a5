"""The memory budget (DESIGN.md, "Memory is the scarce thing"), on the firmware's figures."""

import ast
import re

_KB = 1024
_FIGURES = re.compile(r"\{'[^}]*\}")
HEAP_FREE = 12 * _KB
IDF_FREE, IDF_LARGEST = 20 * _KB, 12 * _KB


def figures(text, before):
    """Return the last memory figures on a line that has `before`: {name: bytes}."""
    found = [line for line in text.splitlines() if before in line and "{" in line]
    assert found, f"no figures after {before!r}"
    return ast.literal_eval(_FIGURES.findall(found[-1])[-1])


def within_budget(found):
    """Assert the budget; a rig without an IDF heap has only the GC heap's."""
    assert found["heap_free"] >= HEAP_FREE, found
    within_idf_budget(found)


def within_idf_budget(found):
    """Assert what TLS and Wi-Fi are left, where there is an IDF heap."""
    assert found.get("idf_free", IDF_FREE) >= IDF_FREE, found
    assert found.get("idf_largest", IDF_LARGEST) >= IDF_LARGEST, found
