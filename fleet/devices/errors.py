"""Refusals of the devices domain."""

from fleet.errors import Unprocessable


class BadCursor(Unprocessable):
    """The cursor belongs to another order, or to none."""

    slug = "cursor-unreadable"
