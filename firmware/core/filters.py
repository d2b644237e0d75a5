"""Between a part and a window: what may count as a reading."""

from firmware.core.ranges import GATES


def accept(stream: str, value: float) -> bool:
    """Say whether `value` may count for `stream`: known stream, number, within its range gate."""
    gate = GATES.get(stream)
    # NaN compares false with everything, and so falls out here as well.
    return gate is not None and gate[0] <= value <= gate[1]
