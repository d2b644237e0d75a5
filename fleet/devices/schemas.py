"""What the operator API says and hears of devices."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, StringConstraints

from fleet import limits
from fleet.heartbeat.schemas import HeartbeatOut
from fleet.schemas import Board, DeviceId, Label, Schema, SiteName, Version

# A device's id, and behind it the value that it is sorted by.
CursorText = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16}(\.[0-9A-Za-z_-]{0,1700})?$")]


class NewDevice(Schema):
    """A device to register."""

    id: DeviceId
    site: SiteName
    name: Label
    board: Board


class DeviceOut(BaseModel):
    """A registered device, with its last heartbeat if it ever sent one. Times are unix seconds.

    attributes: what it says of itself beside its heartbeat.
    """

    id: str
    site: str
    name: str
    board: str
    state: str
    version: str | None
    attributes: dict[str, Any]
    created_at: int
    seen_at: int | None
    heartbeat: HeartbeatOut | None


class Devices(BaseModel):
    """One page; `next` is the `after` of the following one, null at the end."""

    devices: list[DeviceOut]
    next: str | None


class Listing(BaseModel):
    """Which devices, in which order; the unknown sorts below all that is known.

    silent_s: only those without contact for that long. after: `next` of the page before.
    """

    site: SiteName | None = None
    state: Literal["claimed", "active", "quarantined", "retired"] | None = None
    board: Board | None = None
    version: Version | None = None
    silent_s: Annotated[int, Field(ge=0, le=limits.SILENT_MAX_S)] | None = None
    sort: Literal["id", "name", "site", "version", "seen", "restarts", "outbox"] = "id"
    descending: bool = False
    after: CursorText | None = None
    limit: Annotated[int, Field(ge=1, le=limits.PAGE)] = 100


class NewClaim(Schema):
    """How long the claim shall live."""

    ttl_s: Annotated[int, Field(ge=60, le=limits.CLAIM_MAX_S)] = limits.CLAIM_S


class ClaimOut(BaseModel):
    """A claim: the token is shown this once."""

    token: str
    expires: int


class Revocation(Schema):
    """Why."""

    reason: Literal["key_compromise", "lost", "retired", "unspecified"] = "unspecified"


class Revoked(BaseModel):
    """How many certificates were revoked."""

    certificates: int


class NewState(Schema):
    """Where to move a device: `retired` is for ever."""

    state: Literal["active", "quarantined", "retired"]
