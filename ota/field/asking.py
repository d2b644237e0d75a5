"""What programs run on a node tell of it: lines of "@" and JSON, [name, value].

The programs are in ota/field/onboard; the node is stopped for them, and starts anew afterwards.
"""

from collections.abc import Iterator
from typing import Any

from ota.field import session
from ota.field.cable import Cable
from ota.field.faults import CableError

CATCH_S = 20.0  # a node that restarts all the time is met between two starts
_SILENCE_S = 45.0  # a slot's hashes, a silent part, the waiting of a self-test
_SAID_MAX = 200


def answers(
    cable: Cable, program: str, call: str = "", *, fresh: bool
) -> Iterator[tuple[str, Any]]:
    """Run a program of onboard/ and yield what it tells, until it says that this is all.

    `call`: a last line, for a program that is called. A line that is none of its own is yielded as
    ("said", text). CableError when it ends early, falls silent, or the port goes.
    """
    cable.run(f"{session.program(program)}\n{call}\n", fresh=fresh)
    said: list[str] = []
    for line in cable.lines(_SILENCE_S):
        found = _words(line)
        if found is None:
            said = [*said, line][-_SAID_MAX:]
            yield "said", line
        elif found[0] == "end":
            return
        else:
            yield found
    told = next((line for line in reversed(said) if line.strip()), "it did not say why")
    raise CableError(f"{cable.port}: the node's side ended early: {told}")


def _words(line: str) -> tuple[str, Any] | None:
    found = session.words(line)
    if found is not None and len(found) == 2 and isinstance(found[0], str):
        return found[0], found[1]
    return None
