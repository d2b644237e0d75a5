"""Refusals of the DDI paths."""

from fleet.errors import BadRequest, NotFound, Problem


class BadFeedback(BadRequest):
    """The feedback is not what the contract says."""

    slug = "feedback-unreadable"


class Gone(Problem):
    """The action is no longer active."""

    status = 410
    slug = "action-over"


class NoAction(NotFound):
    """The controller has no such action."""

    slug = "action-unknown"
