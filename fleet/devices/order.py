"""PURE: a version as text that a database sorts by precedence (semver.org §11)."""

import re

_CORE = re.compile(r"([0-9]{1,9})\.([0-9]{1,9})\.([0-9]{1,9})(-[^+]*)?")


def version_order(version: str) -> str | None:
    """Return text that sorts as the version does, or None where there are no three numbers.

    A release comes after its pre-releases; these sort among each other as text.
    """
    match = _CORE.match(version)
    if match is None:
        return None
    numbers = "".join(f"{int(number):09}" for number in match.groups()[:3])
    return numbers + ("1" if match[4] is None else f"0{match[4]}")
