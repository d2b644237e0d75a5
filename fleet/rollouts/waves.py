"""PURE: which wave takes how many nodes."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

Step = Mapping[str, Any]


def sizes(steps: Sequence[Step], total: int) -> list[int]:
    """Return how many of *total* nodes each wave adds, as far as there are any left.

    A step is {"count": n}, so many nodes more, or {"percent": p}: until p percent of all are
    reached. Percents round down, but no wave is skipped while there are nodes: a plan for ten
    thousand, used on eight, still begins with one.
    """
    found: list[int] = []
    reached = 0
    for step in steps:
        if reached == total:
            break
        wanted = reached + step["count"] if "count" in step else total * step["percent"] // 100
        size = max(1, min(wanted, total) - reached)
        found.append(size)
        reached += size
    return found


def growing(steps: Sequence[Step]) -> bool:
    """Say whether each percentage is above the ones before: it counts all nodes so far."""
    percents = [step["percent"] for step in steps if "percent" in step]
    return all(low < high for low, high in pairwise(percents))
