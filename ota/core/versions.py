"""Semantic versions 2.0.0: parse and compare (sections 2, 9, 10 and 11)."""

from ota.core.errors import BadFormat
from ota.core.limits import VERSION_CHARS

_DIGITS = "0123456789"
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-"


def key(text: object) -> tuple[object, ...]:
    """Return a tuple that sorts as the version's precedence says; BadFormat if it is no version.

    Build metadata is checked and then left out, since it has no precedence (section 10).
    """
    if type(text) is not str or not 0 < len(text) <= VERSION_CHARS:
        raise BadFormat("version: 1 to %d characters expected" % VERSION_CHARS)
    rest, plus, build = _cut(text, "+")
    core, minus, release = _cut(rest, "-")
    if plus:
        for part in build.split("."):
            _identifier(part, text)
    numbers = core.split(".")
    if len(numbers) != 3:
        raise _bad(text)
    result: list[object] = [_number(part, text) for part in numbers]
    if not minus:
        return tuple(result + [1, ()])  # noqa: RUF005 - MicroPython unpacks only in calls
    identifiers: list[tuple[int, int, str]] = []
    for part in release.split("."):
        _identifier(part, text)
        numeric = not part.strip(_DIGITS)
        identifiers.append((0, _number(part, text), "") if numeric else (1, 0, part))
    return tuple(result + [0, tuple(identifiers)])  # noqa: RUF005


def _cut(text: str, mark: str) -> tuple[str, bool, str]:
    at = text.find(mark)
    return (text, False, "") if at < 0 else (text[:at], True, text[at + 1 :])


def _number(part: str, text: str) -> int:
    if not part or part.strip(_DIGITS) or len(part) > 9 or (part[0] == "0" and part != "0"):
        raise _bad(text)
    return int(part)


def _identifier(part: str, text: str) -> None:
    if not part or part.strip(_DIGITS + _LETTERS):
        raise _bad(text)


def _bad(text: str) -> BadFormat:
    return BadFormat("version: %r is not semantic" % text)
