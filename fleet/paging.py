"""Pages that begin where the one before ended, whatever was added meanwhile."""

from typing import Any

from sqlalchemy import tuple_

# (time, id): exclusive end of what comes next in an order of falling time, then falling id.
Before = tuple[int, int]


def newest_first(query: Any, at: Any, row_id: Any, before: Before | None) -> Any:
    """Return *query* in falling order of its columns *at* and *row_id*, from *before* on."""
    if before is not None:
        query = query.where(tuple_(at, row_id) < tuple_(*before))
    return query.order_by(at.desc(), row_id.desc())
