"""The error roots of the server, one a party at fault.

OperatorError
    Whoever runs the command can mend it: printed in one line, exit status 2.
Problem
    Whoever sent the request can mend it: answered as an RFC 9457 problem document.
"""

from typing import Any

TYPE_PREFIX = "urn:lamppost:problem:"


class FleetError(Exception):
    """Root of all errors that the fleet server raises on purpose."""


class OperatorError(FleetError):
    """A setting, path, port or database that the operator has to mend; the text is one line."""


class Problem(FleetError):  # noqa: N818 - RFC 9457's word
    """A refused request.

    status: the HTTP status. slug: stable name, the end of the problem's type URN (append-only).
    detail: one sentence for people. headers: added to the answer. members: RFC 9457 §3.2
    extension members.
    """

    status = 400
    slug = "bad-request"

    def __init__(
        self,
        detail: str,
        *,
        status: int | None = None,
        slug: str | None = None,
        headers: dict[str, str] | None = None,
        **members: Any,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.status = status or self.status
        self.slug = slug or self.slug
        self.headers = headers or {}
        self.members = members


class BadRequest(Problem):
    """The request cannot be read as what it claims to be."""


class NotFound(Problem):
    """There is no such thing, or none that the caller may know of."""

    status = 404
    slug = "not-found"


class Conflict(Problem):
    """The state of the thing forbids what was asked."""

    status = 409
    slug = "conflict"


class Unauthenticated(Problem):
    """The caller did not show who it is."""

    status = 401
    slug = "unauthenticated"


class Forbidden(Problem):
    """The caller is known and may not do this."""

    status = 403
    slug = "forbidden"


class TooLarge(Problem):
    """The body is larger than its cap."""

    status = 413
    slug = "too-large"


class UnsupportedMedia(Problem):
    """The body's media type is not one that this path takes."""

    status = 415
    slug = "unsupported-media-type"


class Unprocessable(Problem):
    """The body is well-formed and what it says is refused."""

    status = 422
    slug = "unprocessable"


class Unavailable(Problem):
    """The server cannot answer now; the same request may succeed later."""

    status = 503
    slug = "unavailable"
