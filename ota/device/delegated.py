"""Looks for a target among delegated roles (ota.core.delegations), over kept and fetched metadata.

A role's metadata is kept like the top level's, its name quoted, so that it is no path and no other
file's. Loaded only when the top-level targets do not list what is looked for.
"""

import os

from ota.core import limits
from ota.core.delegations import ROLES, Search
from ota.device import fetch, files

_PLAIN = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-~"
_TOP = ("root.json", "timestamp.json", "snapshot.json", "targets.json", "time")


async def find(client, data: str, trusted, path: str) -> tuple[int, str] | None:  # noqa: ANN001
    """Return (length, hash in hex) of a target from the first delegated role that lists it.

    client, data: as for fetch.refresh, which returned `trusted`; raises what that raises.
    """
    search = Search(trusted, path)
    found = None
    while search.role:
        told = search.told()
        name = quoted(search.role)
        _make_room(data + "/tuf", name + ".json")
        found = await fetch.role(client, data, name, told, limits.TARGETS_BYTES, search.update)
    return found


def quoted(name: str) -> str:
    """Quote what is no letter, digit or _.-~ (RFC 3986): for the URL, and for the flash."""
    return "".join(
        [chr(each) if chr(each) in _PLAIN else "%%%02X" % each for each in name.encode()]
    )


def _make_room(folder: str, name: str) -> None:
    """Forget the delegated roles that are kept, before they are more than the flash is to hold."""
    kept = [each for each in os.listdir(folder) if each not in _TOP]
    if name not in kept and len(kept) >= ROLES:
        for each in kept:
            files.remove(folder + "/" + each)
