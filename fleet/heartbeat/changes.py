"""PURE: what a heartbeat changes: (what was known, what was said) -> (what is known, events).

Unplanned restarts are counted on from what was known, so that the total never falls. A count of
starts that falls back is that of another flash, formatted or new: from it counting begins anew,
and what it says of its past adds nothing.
"""

from dataclasses import dataclass, field
from typing import Any

from fleet.heartbeat import words
from fleet.heartbeat.parse import Said

_MOST = 2**53  # JSON's exact integers: no series of lies counts beyond


@dataclass(frozen=True)
class Known:
    """The last values of a node. restarts: unplanned ones, or None as long as it told none.

    refusals: how many values made no sense so far; refused: those of the last heartbeat.
    """

    version: str | None = None
    numbers: dict[str, int] = field(default_factory=dict)
    starts: dict[str, int] = field(default_factory=dict)
    errors: dict[str, int] = field(default_factory=dict)
    clock: str | None = None
    restarts: int | None = None
    refusals: int = 0
    refused: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Change:
    """Something for the node's timeline: a word of `words.EVENTS` and its particulars."""

    kind: str
    detail: dict[str, Any]


def follow(
    before: Known | None, said: Said, version: str | None, *, whole: bool
) -> tuple[Known, list[Change]]:
    """Return what is known after a heartbeat, and what happened since the one before.

    whole: what was not said is unknown now (DDI's mode `replace`); else it stays as it was. A
    value that makes no sense leaves the last good one in either case.
    """
    old = before or Known()
    after = Known(
        version=version or old.version,
        numbers=_merged(old.numbers, said.numbers, said, "", whole=whole),
        starts={**old.starts, **said.starts},
        errors=_merged(old.errors, said.errors, said, words.ERRORS, whole=whole),
        clock=said.clock or (old.clock if not whole or words.CLOCK in said.refused else None),
        restarts=_restarts(old, said),
        refusals=min(_MOST, old.refusals + len(said.refused)),
        refused=said.refused,
    )
    return after, [] if before is None else _changes(before, after)


def _merged(
    old: dict[str, int], new: dict[str, int], said: Said, prefix: str, *, whole: bool
) -> dict[str, int]:
    stays = {key: old[key] for key in old if not whole or prefix + key in said.refused}
    return {**stays, **new}


def _fell(before: dict[str, int], after: dict[str, int]) -> bool:
    return any(after.get(cause, count) < count for cause, count in before.items())


def _risen(before: dict[str, int], after: dict[str, int]) -> dict[str, int]:
    """Return by how much each count rose that is known on both sides."""
    return {
        cause: after[cause] - count
        for cause, count in before.items()
        if after.get(cause, count) > count
    }


def _restarts(old: Known, said: Said) -> int | None:
    told = {cause: said.starts[cause] for cause in words.UNPLANNED if cause in said.starts}
    if old.restarts is None:
        return sum(told.values()) if told else None
    if _fell(old.starts, said.starts):
        return old.restarts
    return min(_MOST, old.restarts + sum(_risen(old.starts, told).values()))


def _changes(before: Known, after: Known) -> list[Change]:
    restart = _restart(before, after)
    found = [restart, _version(before, after), _clock(before, after)]
    old = before if restart is None else Known()  # these counts begin at a start
    another = restart is not None and restart.kind == words.RECOUNT
    kept = after if another else before  # with the outbox, on the flash
    found.append(_loss(words.DROPPED, kept.numbers, after.numbers))
    found.append(_loss(words.SET_ASIDE, old.numbers, after.numbers))
    found += [_loss(name, old.errors, after.errors) for name in words.FLASH]
    return [change for change in found if change is not None]


def _restart(before: Known, after: Known) -> Change | None:
    uptime_s = after.numbers.get("uptime_s")
    if _fell(before.starts, after.starts):
        return Change(words.RECOUNT, {"before": before.starts, "after": after.starts})
    causes = _risen(before.starts, after.starts)
    # Counts that were lost with their file do not hide that the node began anew.
    if causes or (uptime_s is not None and uptime_s < before.numbers.get("uptime_s", 0)):
        return Change(words.RESTART, {"causes": causes, "uptime_s": uptime_s})
    return None


def _version(before: Known, after: Known) -> Change | None:
    if before.version is None or before.version == after.version:
        return None
    return Change(words.VERSION, {"from": before.version, "to": after.version})


def _clock(before: Known, after: Known) -> Change | None:
    if before.clock is None or after.clock is None:
        return None
    was, now = before.clock not in words.UNSYNCED, after.clock not in words.UNSYNCED
    if was == now:
        return None
    kind = words.CLOCK_BACK if now else words.CLOCK_LOST
    return Change(kind, {"from": before.clock, "to": after.clock})


def _loss(name: str, before: dict[str, int], after: dict[str, int]) -> Change | None:
    total = after.get(name, 0)
    count = total - before.get(name, 0)
    return Change(name, {"count": count, "total": total}) if count > 0 else None
