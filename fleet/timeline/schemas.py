"""What the operator API says of a node's history."""

from typing import Annotated, Any

from pydantic import BaseModel, StringConstraints

CursorText = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,12}\.[0-2]\.[0-9]{1,18}$")]


class EntryOut(BaseModel):
    """One thing that happened. at: unix seconds, by the server's clock.

    source: `act` (what: the audit's word, with actor and outcome), `update` (what: the word of
    the node's report) or `heartbeat` (what: restart, recount, version, clock_lost, clock_back,
    dropped, set_aside, drift, fell). detail: its particulars.
    """

    at: int
    source: str
    what: str
    actor: str | None
    outcome: str | None
    detail: dict[str, Any]


class Timeline(BaseModel):
    """One page, newest first; `next` is the `before` of the following one, null at the end."""

    entries: list[EntryOut]
    next: str | None
