"""What the operator API says and hears of rollouts."""

from typing import Annotated, Any, Self

from pydantic import BaseModel, Field, model_serializer, model_validator

from fleet import limits
from fleet.rollouts import waves
from fleet.schemas import Board, DeviceId, Schema, SiteName, Version

Percent = Annotated[int, Field(ge=0, le=100)]
Nodes = Annotated[int, Field(ge=1, le=limits.ROLLOUT_DEVICES)]
_TARGETS = Field(min_length=1, max_length=limits.ROLLOUT_DEVICES)


class Wave(Schema):
    """So many nodes more (`count`), or until so many `percent` of all are reached: one of both."""

    count: Nodes | None = None
    percent: Annotated[int, Field(ge=1, le=100)] | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.count is None) == (self.percent is None):
            raise ValueError("a wave has either a count or a percent")
        return self

    @model_serializer
    def _given(self) -> dict[str, int]:
        given = {"count": self.count, "percent": self.percent}
        return {name: value for name, value in given.items() if value is not None}


_WAVES = [Wave(count=1), Wave(percent=10), Wave(percent=100)]


class Plan(Schema):
    """How a rollout goes on, and what stops it; percentages are of a wave's outcomes.

    success_percent: confirmed at least, or the wave fails. failure_percent: failed from which on
    it fails at once, when min_sample outcomes are there. soak_s: how long a wave is watched after
    its last outcome. deadline_s: how long a node may be silent. max_in_flight: updates under way
    at a time. max_restarts: unplanned ones that a node may make after it confirmed; with more it
    counts as failed.
    """

    waves: Annotated[list[Wave], Field(min_length=1, max_length=limits.WAVES)] = _WAVES
    success_percent: Percent = 90
    failure_percent: Percent = 10
    min_sample: Nodes = 1
    soak_s: Annotated[int, Field(ge=0, le=limits.SOAK_MAX_S)] = 3600
    deadline_s: Annotated[int, Field(ge=1, le=limits.DEADLINE_MAX_S)] = 86400
    max_in_flight: Nodes = 50
    max_restarts: Annotated[int, Field(ge=0, le=1000)] = 2

    @model_validator(mode="after")
    def _growing(self) -> Self:
        if not waves.growing([wave.model_dump() for wave in self.waves]):
            raise ValueError("the percentages of the waves count all nodes so far: they grow")
        return self

    def stored(self) -> dict[str, Any]:
        """Return the plan as the table keeps it."""
        return self.model_dump(include=set(Plan.model_fields))


class NewRollout(Plan):
    """A version for named devices, in their order, or for the enrolled ones of a site.

    `board`: of named devices it must be all of theirs; of a site's it chooses.
    """

    version: Version
    devices: Annotated[list[DeviceId], _TARGETS] | None = None
    site: SiteName | None = None
    board: Board | None = None

    @model_validator(mode="after")
    def _targets(self) -> Self:
        if (self.devices is None) == (self.site is None):
            raise ValueError("name either devices or a site")
        return self


class ReportOut(BaseModel):
    """One word of a node about its update."""

    at: int
    state: str


class ActionOut(BaseModel):
    """The update of one node: its state, why, and how it came there. Times: unix seconds.

    started_at: since when it is offered; offered_at: when the node saw it. from_version: what it
    ran before. restarts: its unplanned ones since it confirmed. moves: how often it was silent.
    """

    id: int
    device: str
    wave: int
    state: str
    reason: str | None
    active: bool
    cancelling: bool
    started_at: int | None
    offered_at: int | None
    changed_at: int
    from_version: str | None
    restarts: int
    moves: int
    superseded: bool
    reports: list[ReportOut]


class WaveOut(BaseModel):
    """A wave. state: waiting, running, soaking, passed or failed; counts: nodes at each word."""

    number: int
    planned: int
    state: str
    counts: dict[str, int]


class RolloutOut(BaseModel):
    """A rollout. state: active, paused, aborted, finished or rolled_back; `reason` says why.

    wave: the one under way, from 1. reverts: the rollout that this one undoes.
    """

    id: int
    version: str
    state: str
    created_at: int
    created_by: str
    wave: int
    reason: str | None
    reverts: int | None


class RolloutDetail(RolloutOut):
    """A rollout with the nodes that the caller may see, and how many stand at each word.

    wave_started_at, settled_at: when the wave under way began, and when its last update had
    ended. `next` is the `after` of the following page of actions, null at the end.
    """

    plan: Plan
    wave_started_at: int | None
    settled_at: int | None
    waves: list[WaveOut]
    counts: dict[str, int]
    actions: list[ActionOut]
    next: int | None


class Rollouts(BaseModel):
    """Rollouts, newest first."""

    rollouts: list[RolloutOut]


class RolledBack(BaseModel):
    """The rollouts that bring nodes back, and the devices that stay as they are."""

    rollouts: list[RolloutDetail]
    left: list[DeviceId]
