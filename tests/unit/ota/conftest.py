"""The fixtures of a node and a server in memory."""

from ceremony import city, home, people  # noqa: F401 - pytest finds fixtures by name
from tufclients import flash, trust  # noqa: F401 - pytest finds fixtures by name
from tufserver import (  # noqa: F401 - pytest finds fixtures by name
    client,
    deflate,
    fleet,
    make_release,
    node,
    quick,
    repository,
)
