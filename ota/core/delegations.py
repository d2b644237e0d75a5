"""Delegated targets roles: which to visit in search of a target, in which order (5.6.7).

    search = Search(trusted, path)
    while search.role: found = yield from search.update(file of search.role)

Pre-order and depth first; a terminating delegation ends the search with its descendants; a role
counts once by name, and for the delegator it was reached from: what another delegator vouched
for is verified again. Of a delegator is kept only what its matching roles need. Names of roles
become names of files: ota.device.delegated quotes them.

Loaded only when the top-level targets do not list what is looked for.
"""

from binascii import hexlify
from hashlib import sha256

from ota.core import metadata
from ota.core.errors import BadFormat

# Apart from ota.core.limits: bounds of this search alone.
ROLES = 8  # visited in search of one target, and kept on flash
_ROLE_CHARS = 64  # a role's name
_TOP = ("root", "timestamp", "snapshot", "targets")


class Search:
    """The search for one target.

    role: name of the role whose metadata is wanted next; None: found, or not to be found.
    """

    def __init__(self, trusted, path: str) -> None:  # noqa: ANN001 - a tuf.Trusted
        self._trusted = trusted
        self._path = path
        self._visited: list[str] = []
        self._waiting: list[tuple[str, dict]] = []
        self.role: str | None = None
        self._delegator: dict = {}
        self._enter(trusted.targets)

    def told(self) -> dict:
        """Return what the snapshot tells of the role; BadFormat for one it does not list."""
        return self._trusted.told(self.role)

    def update(self, file):  # noqa: ANN001, ANN201 - a file; a generator
        """Take the metadata of `role`; return (length, hash in hex) if it lists the target."""
        signed = yield from self._trusted.delegated(file, self.role, self._delegator)
        self._visited.append(self.role or "")
        found = metadata.target(signed, self._path)
        if found:
            self.role = None
        else:
            self._enter(signed)
        return found

    def _enter(self, delegator: dict) -> None:
        """Put the roles that a delegator names for this path in front, and go to the first."""
        if "delegations" in delegator:
            delegations = metadata.member(delegator, "delegations")
            keys = metadata.member(delegations, "keys")
            roles = delegations.get("roles", [])
            if type(roles) is not list:
                raise BadFormat("delegations: roles")
            ahead = []
            for role in roles:
                if matches(role, self._path):
                    _, ids = metadata.role({"roles": {"": role}}, "")
                    own = {key_id: keys[key_id] for key_id in ids if key_id in keys}
                    ahead.append((role["name"], {"keys": own, "roles": {role["name"]: role}}))
                    if role.get("terminating") is True:
                        self._waiting = []
                        break
            self._waiting = ahead + self._waiting
        self.role = None
        while self._waiting and self.role is None:
            name, self._delegator = self._waiting.pop(0)
            if name not in self._visited and len(self._visited) < ROLES:
                self.role = name


def matches(role, path: str) -> bool:  # noqa: ANN001 - what JSON held
    """Say whether a delegated role may speak for a path; BadFormat for what is no such role."""
    name = role.get("name") if type(role) is dict else None
    if type(name) is not str or not name or len(name) > _ROLE_CHARS or name in _TOP:
        raise BadFormat("delegations: name of a role")
    patterns, prefixes = role.get("paths"), role.get("path_hash_prefixes")
    listed = patterns if prefixes is None else prefixes
    if type(listed) is not list or any(type(each) is not str for each in listed):
        raise BadFormat("delegations: paths of %s" % name)
    if prefixes is None:
        return any(_fits(pattern, path) for pattern in listed)
    if patterns is not None:
        raise BadFormat("delegations: paths of %s" % name)
    digest = hexlify(sha256(path.encode()).digest()).decode()
    return any(digest.startswith(prefix) for prefix in listed)


def _fits(pattern: str, path: str) -> bool:
    """Match folder by folder: * any characters, ? just one, never a slash; case matters."""
    folders, names = pattern.split("/"), path.split("/")
    return len(folders) == len(names) and all(
        _alike(folders[i], names[i]) for i in range(len(names))
    )


def _alike(pattern: str, name: str) -> bool:
    """Match a name against * and ?, the last star giving way: no more steps than a product."""
    at = i = 0
    star = mark = -1
    while at < len(name):
        if i < len(pattern) and pattern[i] == "*":
            star, mark = i, at
            i += 1
        elif i < len(pattern) and pattern[i] in ("?", name[at]):
            i += 1
            at += 1
        elif star >= 0:
            mark += 1
            i, at = star + 1, mark
        else:
            return False
    return not pattern[i:].strip("*")
