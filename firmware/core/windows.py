"""One stream over one interval: count, mean, least and greatest value, completeness.

A mean stands only on three quarters of the samples that were due (75 % data capture, as EU and UK
air-quality reporting ask for); below that the window is a gap and is shown as one.
"""


def end_of(now_s: int, length_s: int) -> int:
    """Return when the window that `now_s` falls into ends: a multiple of its length."""
    return now_s - now_s % length_s + length_s


class Window:
    """Samples of one stream, of which `expected` are due; holds no more than four numbers."""

    def __init__(self, expected: int) -> None:
        self.expected = expected
        self.reset()

    def reset(self) -> None:
        """Begin anew."""
        self.count = 0
        self.least = self.greatest = self._first = None
        self._sum = 0

    def add(self, value: float) -> None:
        """Count one accepted reading."""
        if self._first is None:
            self._first = value
        # Deviations from the first sample are summed, not samples: 32-bit floats would lose
        # hundredths of a pascal in a sum of a hundred pressures, and nothing in this one.
        self._sum += value - self._first
        self.count += 1
        if self.least is None or value < self.least:
            self.least = value
        if self.greatest is None or value > self.greatest:
            self.greatest = value

    def mean(self) -> float | None:
        """Return the arithmetic mean, or None without samples."""
        if self._first is None or self.least is None or self.greatest is None:
            return None
        mean = self._first + self._sum / self.count
        # Rounding must not carry the mean past its own samples.
        return min(max(mean, self.least), self.greatest)

    def is_complete(self) -> bool:
        """Say whether three quarters of the expected samples are there."""
        return self.count > 0 and self.count * 4 >= self.expected * 3
