"""The memory budget (README, "What a node has to spare"), on the firmware's figures.

It holds with TLS open and nothing else under way. The firmware also keeps the least of what it
sees every five seconds, which may fall into the midst of something: the verification of a
signature takes 6 KB of the GC heap for a moment, a pack of windows 4 KB, and packets that
nobody has read yet lie in the IDF heap, 1.5 KB each.
"""

import ast
import re
from statistics import median

_KB = 1024
_FIGURES = re.compile(r"\{'[^}]*\}")
HEAP_FREE = 12 * _KB
IDF_FREE, IDF_LARGEST = 20 * _KB, 12 * _KB
HEAP_FREE_LEAST = 6 * _KB  # the least that was seen amid a verification is 7.5 KB
IDF_FREE_LEAST = IDF_FREE - 4 * 1536
CHANCE_LEAST = 512
"""Bytes: a name interned or a module met for the first time late in a short series."""


def figures(text, before):
    """Return the last memory figures on a line that has `before`: {name: bytes}."""
    found = [line for line in text.splitlines() if before in line and "{" in line]
    assert found, f"no figures after {before!r}"
    return ast.literal_eval(_FIGURES.findall(found[-1])[-1])


def with_tls_at_rest(rig, node):
    """Return the memory with TLS open and no window on its way: the next one is far."""
    node.wait_text("acknowledged", 60 * rig.patience, node.console.length)
    mark = node.console.length
    node.wait_text("memory with TLS open", 40 * rig.patience, mark)
    return figures(node.console.since(mark), "memory with TLS open")


def within_budget(found):
    """Assert the budget; a rig without an IDF heap has only the GC heap's."""
    assert found["heap_free"] >= HEAP_FREE, found
    within_idf_budget(found)


def above_the_least(found):
    """Assert what must be free at any moment, whatever it falls into."""
    assert found["heap_free"] >= HEAP_FREE_LEAST, found
    assert found.get("idf_free", IDF_FREE) >= IDF_FREE_LEAST, found
    assert found.get("idf_largest", IDF_LARGEST) >= IDF_LARGEST, found


def within_idf_budget(found):
    """Assert what TLS and Wi-Fi are left, where there is an IDF heap."""
    assert found.get("idf_free", IDF_FREE) >= IDF_FREE, found
    assert found.get("idf_largest", IDF_LARGEST) >= IDF_LARGEST, found


def series(text, before):
    """Return the first memory figures of each line that has `before`, in order."""
    lines = (line for line in text.splitlines() if before in line)
    return [ast.literal_eval(found[0]) for line in lines if (found := _FIGURES.findall(line))]


def loss(values):
    """Return how far what is free has fallen, and how far it may have by chance; both in bytes.

    Fallen: the median of the first quarter minus that of the last one; a single dip, when a
    request happened to be under way, moves no median. By chance: the first quarter's own spread,
    which a leak hardly widens. So the longer the series, the smaller the leak that is seen.
    """
    quarter = len(values) // 4
    assert quarter >= 3, f"{len(values)} values are too few to see anything fall"
    first, last = values[:quarter], values[-quarter:]
    return median(first) - median(last), max(max(first) - min(first), CHANCE_LEAST)
