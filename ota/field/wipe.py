"""A node made to forget: identity, claim, configuration, readings, all that is on its flash.

Order: the node says what it is; the person says its name; the server, where it is told, takes its
certificates back, for ever; then the flash is erased (ota/decisions/0015).
"""

from dataclasses import dataclass

from ota.build.errors import FieldError
from ota.field import session
from ota.field.cable import Cable
from ota.field.faults import CableError
from ota.field.server import Server, ServerError
from ota.field.session import About, NodeError, Progress

_SILENCE_S = 60.0
# `at`: blocks done, of how many; `end`: blocks done, and how many of them are bad.
_FORMS: session.Forms = {"at": [int, int], "end": [int, int], "fault": [str]}


@dataclass(frozen=True)
class Result:
    """blocks: erased, of 4 KiB; retired: whether the server knows, None when it was not told."""

    id: str
    name: str
    blocks: int
    retired: bool | None


def names(found: About) -> tuple[str, ...]:
    """Return the names that confirm: what the node calls itself and, always, its id."""
    return (found.name, found.id) if found.name else (found.id,)


def retire(server: Server, found: About) -> None:
    """Have the server retire the node; one that it does not know, or has retired, is none."""
    try:
        known = server.call("GET", f"/devices/{found.id}", form={"state": str})
        if known["state"] != "retired":
            server.call("POST", f"/devices/{found.id}/state", {"state": "retired"})
    except ServerError as error:
        if error.status == 404:
            raise ServerError(
                f"the server knows no {found.id}, or your token does not reach its site; nothing"
                " was erased (--keep-registered wipes without telling the server)"
            ) from error
        raise ServerError(f"{error.message}; nothing was erased") from error


def wipe(cable: Cable, found: About, server: Server | None, progress: Progress) -> Result:
    """Erase the node that has just told what it is; it starts as a blank board.

    ServerError: nothing is erased, and it starts anew as it was. NodeError, CableError: the flash
    may be erased in part; the same can be tried again.
    """
    if server is not None:
        try:
            retire(server, found)
        except FieldError:
            session.let_run(cable)
            raise
    cable.run(session.program("wipe"), fresh=False)
    try:
        blocks, bad = _follow(cable, progress)
    except CableError as error:
        raise CableError(f"{error.message}: not all is erased; give the command again") from error
    if bad:
        raise FieldError(
            f"{cable.port}: {bad} blocks of the flash can neither be erased nor overwritten:"
            " destroy the board"
        )
    return Result(found.id, found.name, blocks, None if server is None else True)


def _follow(cable: Cable, progress: Progress) -> tuple[int, int]:
    rest = []
    for line in cable.lines(_SILENCE_S):
        said = session.words(line, _FORMS)
        if said is None:
            rest.append(line)
        elif said[0] == "at":
            progress(said[1], said[2])
        elif said[0] == "end":
            progress(said[1], said[1])
            return said[1], said[2]
        else:
            raise NodeError(f"{cable.port}: {said[1]}: not all is erased; give the command again")
    why = " / ".join(line for line in rest[-3:] if line.strip())
    raise NodeError(f"{cable.port}: not all is erased ({why}); give the command again")
