"""What the releases of this suite change."""


def narrower(text: str) -> str:
    """Narrow the range of PM2.5: one line of a small file, and a node works as before."""
    return text.replace('"pm25": (0, 1000)', '"pm25": (0, 900)')


ONE_LINE = {"core/ranges.py": narrower}
