"""Types that several domains' schemas share."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

DeviceId = Annotated[
    str,
    StringConstraints(pattern=r"^[0-9a-f]{16}$"),
    Field(description="EUI-64 of the node's MAC address, 16 lower-case hexadecimal digits"),
]
# Names that people give: no control characters (PostgreSQL stores no NUL), nothing to trim.
Label = Annotated[
    str,
    StringConstraints(
        pattern=r"^[^\s\x00-\x1f\x7f-\x9f](?:[^\x00-\x1f\x7f-\x9f]{0,98}[^\s\x00-\x1f\x7f-\x9f])?$",
        min_length=1,
        max_length=100,
    ),
]
SiteName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$")]
Board = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$")]
Version = Annotated[
    str,
    StringConstraints(
        pattern=r"^(0|[1-9][0-9]{0,8})\.(0|[1-9][0-9]{0,8})\.(0|[1-9][0-9]{0,8})"
        r"(-[0-9A-Za-z-]{1,20}(\.[0-9A-Za-z-]{1,20}){0,4})?(\+[0-9A-Za-z.-]{1,40})?$",
        max_length=64,
    ),
    Field(description="semantic version"),
]
RowId = Annotated[int, Field(ge=1, le=2**31 - 1)]


class Schema(BaseModel):
    """Base of request bodies: unknown members are accepted and ignored, types are not bent."""

    model_config = ConfigDict(strict=True)
