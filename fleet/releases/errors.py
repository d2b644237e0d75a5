"""Refusals of the releases domain; the slugs are the problem types, append-only."""

from fleet.errors import BadRequest, Conflict, Unavailable, Unprocessable


class BadBundle(BadRequest):
    """The body is no bundle: not a zip, members missing or beyond their caps."""

    slug = "bundle-unreadable"


class BadSignature(Unprocessable):
    """targets.json is not signed as root.json demands."""

    slug = "bundle-signature"


class BadContent(Unprocessable):
    """The bundle does not hold what its signed metadata says."""

    slug = "bundle-content"


class Expired(Unprocessable):
    """The bundle's metadata has expired."""

    slug = "bundle-expired"


class NotNewer(Conflict):
    """The bundle's metadata is not newer than what is in force."""

    slug = "bundle-version"


class NoRepository(Unavailable):
    """There is no TUF repository yet."""

    status = 409
    slug = "repository-missing"


class BadRoot(Unprocessable):
    """The next root is not signed by enough keys, or nodes would refuse it."""

    slug = "root-refused"


class NotNext(Conflict):
    """The root is not the next one."""

    slug = "root-version"


class KeyMissing(NoRepository):
    """The server has no private key of an online role that the root names."""

    slug = "online-key-missing"
