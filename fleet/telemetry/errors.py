"""Refusals of the telemetry domain."""

from fleet.errors import BadRequest, Forbidden


class UnreadablePack(BadRequest):
    """The body is no SenML pack at all."""

    slug = "pack-unreadable"


class ForeignPack(Forbidden):
    """The pack holds another node's records."""

    slug = "other-node"
