"""PURE: entries of several sources as one series, newest first, cut into pages that hold together.

Entries of the same second are ordered by their source, then by their row: a page's cursor names
all three of its last entry, and says for each source where to go on.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from fleet.paging import Before

# Sent: append-only. The later source comes first within a second.
ACT, UPDATE, HEARTBEAT = "act", "update", "heartbeat"
_SOURCES = (ACT, UPDATE, HEARTBEAT)


@dataclass(frozen=True)
class Entry:
    """One thing that happened. at: unix seconds. row: its number in its source."""

    at: int
    source: str
    row: int
    what: str
    actor: str | None
    outcome: str | None
    detail: dict[str, Any]


@dataclass(frozen=True)
class Cursor:
    """Where a page ended."""

    at: int
    source: int
    row: int

    @classmethod
    def parse(cls, text: str) -> "Cursor":
        """Read what `str` wrote; its form was checked (fleet/timeline/schemas.py)."""
        return cls(*map(int, text.split(".")))

    def __str__(self) -> str:
        return f"{self.at}.{self.source}.{self.row}"

    def within(self, source: str) -> Before:
        """Return the exclusive end of what one source may still bring."""
        rank = _SOURCES.index(source)
        if rank == self.source:
            return self.at, self.row
        return (self.at + 1, 0) if rank < self.source else (self.at, 0)


def page(entries: Iterable[Entry], limit: int) -> tuple[list[Entry], Cursor | None]:
    """Return the newest *limit* entries and the cursor of the following page, if any.

    Each source must have brought its newest ones, one more than *limit* where it has them.
    """
    ordered = sorted(entries, key=_key, reverse=True)
    shown = ordered[:limit]
    return shown, Cursor(*_key(shown[-1])) if len(ordered) > limit else None


def _key(entry: Entry) -> tuple[int, int, int]:
    return entry.at, _SOURCES.index(entry.source), entry.row
