"""Refusals of the identity domain."""

from fleet.errors import BadRequest, Forbidden, Unauthenticated


class BadCsr(BadRequest):
    """The certificate signing request cannot be accepted from anyone."""

    slug = "csr-refused"


class ForeignCsr(Forbidden):
    """The certificate signing request names another node than the one that sends it."""

    slug = "csr-for-another"


class ClaimRefused(Unauthenticated):
    """The claim token is unknown, expired or used; `slug` says which."""

    slug = "claim-unknown"


class CertificateRefused(Forbidden):
    """No client certificate, or one that is expired, revoked or unknown; `slug` says which."""

    slug = "certificate-required"


class DeviceRefused(Forbidden):
    """The node's state forbids it to speak."""

    slug = "device-refused"
