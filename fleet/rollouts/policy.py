"""PURE: what to do with a rollout, from its state and the counts of its nodes' states.

Neither database nor HTTP is known here. Effects are a closed vocabulary; the service carries
them out.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from fleet.rollouts.words import FINAL


class Effect(StrEnum):
    """What may be done to a rollout."""

    FINISH = "finish"  # nobody is under way any more


@dataclass(frozen=True)
class Status:
    """A rollout's state and how many of its nodes stand at each word."""

    state: str
    counts: Mapping[str, int]


def decide(status: Status) -> list[Effect]:
    """Return what to do now."""
    under_way = sum(count for word, count in status.counts.items() if word not in FINAL)
    if status.state == "active" and under_way == 0:
        return [Effect.FINISH]
    return []
