"""What the operator API says and hears of devices."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from fleet import limits
from fleet.schemas import Board, DeviceId, Label, Schema, SiteName


class NewDevice(Schema):
    """A device to register."""

    id: DeviceId
    site: SiteName
    name: Label
    board: Board


class DeviceOut(BaseModel):
    """A registered device. Times are unix seconds."""

    id: str
    site: str
    name: str
    board: str
    state: str
    version: str | None
    attributes: dict[str, Any]
    created_at: int
    seen_at: int | None


class Devices(BaseModel):
    """One page; `next` is the `after` of the following one, null at the end."""

    devices: list[DeviceOut]
    next: str | None


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
