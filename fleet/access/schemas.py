"""What the operator API says and hears of tokens."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from fleet import limits
from fleet.schemas import Label, Schema, SiteName


class NewToken(Schema):
    """A token to make. `sites` null or absent: everywhere."""

    name: Label
    role: Literal["admin", "operator", "auditor"]
    sites: Annotated[list[SiteName], Field(min_length=1, max_length=100)] | None = None
    ttl_s: Annotated[int, Field(ge=60, le=limits.TOKEN_MAX_S)] = limits.TOKEN_S


class TokenOut(BaseModel):
    """A token without its secret. Times are unix seconds."""

    id: str
    name: str
    role: str
    sites: list[str] | None
    created_at: int
    expires_at: int
    revoked_at: int | None


class NewTokenOut(TokenOut):
    """A fresh token: the secret is shown this once."""

    token: str


class Tokens(BaseModel):
    """All tokens."""

    tokens: list[TokenOut]
