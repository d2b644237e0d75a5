"""PURE: a node's attributes read as a heartbeat. Nonsense is set apart by name, never raised."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice

from fleet import limits
from fleet.heartbeat.words import CAUSES, CLOCK, COUNT, ERRORS, NUMBERS, STARTS

_INTEGER = re.compile("-?[0-9]{1,10}")
_CLOCK = re.compile("[a-z][a-z0-9_]{0,15}")
_ERROR = re.compile(re.escape(ERRORS) + "[a-z][a-z0-9_.]{0,31}")
_START_KEYS = frozenset(STARTS + cause for cause in CAUSES)


@dataclass(frozen=True)
class Said:
    """One heartbeat as far as it makes sense.

    numbers: by the names of `words.NUMBERS`. starts: by cause. errors: counts by name. refused:
    by their keys the values, shortened, that make no sense.
    """

    numbers: dict[str, int] = field(default_factory=dict)
    starts: dict[str, int] = field(default_factory=dict)
    errors: dict[str, int] = field(default_factory=dict)
    clock: str | None = None
    refused: dict[str, str] = field(default_factory=dict)

    def __bool__(self) -> bool:
        """Say whether it is one at all: other DDI clients only describe their hardware."""
        return bool(self.numbers or self.starts or self.errors or self.clock or self.refused)


def is_ours(key: str) -> bool:
    """Say whether an attribute belongs to the heartbeat; all others are kept as they are."""
    return key in NUMBERS or key in _START_KEYS or key == CLOCK or key.startswith(ERRORS)


def read(data: Mapping[str, str]) -> Said:
    """Return the heartbeat in a configData's *data*."""
    ours = {key: text for key, text in data.items() if is_ours(key)}
    found = {
        key: number for key, text in ours.items() if (number := _number(key, text)) is not None
    }
    numbers = {key: number for key, number in found.items() if key in NUMBERS}
    starts = {key: number for key, number in found.items() if key in _START_KEYS}
    named = ((key, number) for key, number in found.items() if _ERROR.fullmatch(key))
    errors = dict(islice(named, limits.ERROR_NAMES))
    clock = ours.get(CLOCK)
    if clock is not None and not _CLOCK.fullmatch(clock):
        clock = None
    good = {*numbers, *starts, *errors, *([CLOCK] if clock else [])}
    refused = {key: ours[key][: limits.REFUSED_CHARS] for key in ours if key not in good}
    return Said(numbers, _bare(starts, STARTS), _bare(errors, ERRORS), clock, refused)


def _number(key: str, text: str) -> int | None:
    """Return a decimal within what is believed of *key*."""
    if not _INTEGER.fullmatch(text):
        return None
    least, most = NUMBERS.get(key, COUNT)
    return int(text) if least <= int(text) <= most else None


def _bare(values: dict[str, int], prefix: str) -> dict[str, int]:
    return {key.removeprefix(prefix): value for key, value in values.items()}
