"""What every request handler may reach: one object a process, hung on the application."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from fastapi import Request

from fleet.audit.service import Refusals
from fleet.db import Database
from fleet.identity.ca import Authority
from fleet.releases.repository import Repository
from fleet.settings import Settings
from fleet.sockets import Places


def _now() -> int:
    return int(time.time())


@dataclass
class Context:
    """Settings, database, certificate authority, release repository, where nodes reach it all.

    now: the clock, unix seconds.
    """

    settings: Settings
    database: Database
    authority: Authority
    repository: Repository
    places: Places
    now: Callable[[], int] = _now
    refusals: Refusals = field(default_factory=Refusals)


def of(request: Request) -> Context:
    """Return the context of the application that *request* reached."""
    context = request.app.state.context
    assert isinstance(context, Context)
    return context
