"""Refusals of the rollouts domain."""

from fleet.errors import Conflict, Problem, Unprocessable


class NoRelease(Unprocessable):
    """There is no release of that version, in force, for a device's board."""

    slug = "release-missing"


class WrongDevices(Unprocessable):
    """Some devices cannot be part of the rollout; `devices` names them."""

    slug = "devices-unsuited"


class WrongPlan(Unprocessable):
    """The waves do not fit the devices."""

    slug = "plan-unsuited"


class InFlight(Conflict):
    """Some devices have an update under way; `devices` names them."""

    slug = "update-in-flight"


class Over(Conflict):
    """The rollout's state forbids what was asked."""

    slug = "rollout-over"


class TooOften(Problem):
    """A node tells of more than can be."""

    status = 429
    slug = "too-often"

    def __init__(self, detail: str) -> None:
        super().__init__(detail, headers={"Retry-After": "3600"})
