"""One row of the table of benchmarks (see run.py)."""


def row(name, figure, unit, limit, against):
    """Give one row: a figure, and a limit of the same unit measured in the same run."""
    return {"name": name, "figure": figure, "unit": unit, "limit": limit, "against": against}
