"""What the operator API says and hears of rollouts."""

from typing import Annotated

from pydantic import BaseModel, Field

from fleet import limits
from fleet.schemas import Board, DeviceId, Schema, Version


class NewRollout(Schema):
    """A version for named devices; `board`, when given, must be all of theirs."""

    version: Version
    devices: Annotated[list[DeviceId], Field(min_length=1, max_length=limits.ROLLOUT_DEVICES)]
    board: Board | None = None


class ReportOut(BaseModel):
    """One word of a node about its update."""

    at: int
    state: str


class ActionOut(BaseModel):
    """The update of one node: its state, why, and how it came there."""

    id: int
    device: str
    state: str
    reason: str | None
    active: bool
    cancelling: bool
    offered_at: int | None
    changed_at: int
    reports: list[ReportOut]


class RolloutOut(BaseModel):
    """A rollout. state: active, aborted or finished."""

    id: int
    version: str
    state: str
    created_at: int
    created_by: str


class RolloutDetail(RolloutOut):
    """A rollout with the nodes that the caller may see, and how many stand at each word."""

    counts: dict[str, int]
    actions: list[ActionOut]


class Rollouts(BaseModel):
    """Rollouts, newest first."""

    rollouts: list[RolloutOut]
