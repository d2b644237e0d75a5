"""What both ports say of observations."""

from typing import Annotated

from pydantic import BaseModel, StringConstraints

CursorText = Annotated[
    str, StringConstraints(pattern=r"^[0-9]{1,12}\.[a-z0-9_]{1,32}\.[0-9a-f]{8}\.[0-9]{1,16}$")
]
StreamName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,31}$")]


class Rejected(BaseModel):
    """A record that was not stored: its index in the pack and why (append-only words)."""

    index: int
    reason: str


class Receipt(BaseModel):
    """The answer to a pack, given after the commit."""

    stored: int
    duplicates: int
    rejected: list[Rejected]


class ObservationOut(BaseModel):
    """One datastream over the window that ended at `time` and lasted `length` seconds.

    `value` is null where fewer than three quarters of the expected samples came: a gap.
    """

    time: int
    stream: str
    unit: str
    value: float | None
    minimum: float | None
    maximum: float | None
    count: int
    expected: int
    length: int
    box: str
    seq: int


class Observations(BaseModel):
    """One page; `next` is the `after` of the following one, null at the end."""

    observations: list[ObservationOut]
    next: str | None
