"""The rules of a TUF client (specification 1.0.3x, section 5): what to trust, in which order.

    yield from check_root(root)                   has a root signed itself? for a first one
    trusted = Trusted(root, now)                  section 5.2: the root this node holds
    yield from trusted.update_root(file)          5.3: N+1, N+2, ...; persist each at once
    yield from trusted.update_timestamp(file)     5.4: first the persisted one, if any
    yield from trusted.update_snapshot(file)      5.5: likewise
    yield from trusted.update_targets(file)       5.6: likewise
    length, digest = trusted.target(path)         5.7: what the downloaded file must be

What the top-level targets do not list may be delegated: ota.core.delegations (5.6.7).

The order is enforced. An update that raises changes nothing, with two exceptions: metadata that
has expired, and a snapshot older than the timestamp tells, stay for the rollback checks, and the
next step refuses them again. `now` (unix seconds) is the start of the refresh; every expiry is
judged against it (5.1). Files are binary, seekable, and read in small pieces; this module decides
and never opens, writes or downloads one.

What is verified is the canonical JSON of what was parsed, and only that is used; so what a
lenient parser lets pass gains nothing. Floats, which canonical JSON lacks, are refused.
"""

from ota.core import keys, metadata
from ota.core.errors import BadFormat, BadSignature, Expired, Rollback


class Trusted:
    """The metadata trusted so far: the "signed" objects of four roles, {} where none is yet."""

    def __init__(self, root, now: int) -> None:  # noqa: ANN001 - a binary file
        self.now = now
        self.root = metadata.checked_root(metadata.read(root, "root", {})[0])
        self.timestamp: dict = {}
        self.snapshot: dict = {}
        self.targets: dict = {}

    def update_root(self, file):  # noqa: ANN001, ANN201 - a file; a generator
        """Go on to the next root: signed by the old and by the new threshold, version + 1."""
        _want(not self.timestamp, "root after timestamp")
        signed, signatures = metadata.read(file, "root", {})
        yield
        _as_told(metadata.checked_root(signed), self.root["version"] + 1, "root")
        seen: dict = {}  # a key that stays signs once
        for delegator in (self.root, signed):
            yield from verify(delegator, "root", signed, signatures, seen)
        self.root = signed

    def update_timestamp(self, file):  # noqa: ANN001, ANN201
        """Take a timestamp; return False if it is the one already trusted (5.4.3)."""
        _want(not self.snapshot, "timestamp after snapshot")
        self.fresh(self.root)
        signed, signatures = metadata.read(file, "timestamp", {})
        yield from verify(self.root, "timestamp", signed, signatures)
        told = metadata.meta(signed, "snapshot.json")
        if self.timestamp:
            if signed["version"] == self.timestamp["version"]:
                return False
            _not_lower(signed["version"], self.timestamp["version"], "timestamp")
            _not_lower(told["version"], self.told("snapshot")["version"], "snapshot")
        self.timestamp = signed
        self.fresh(signed)
        return True

    def update_snapshot(self, file, persisted: bool = False):  # noqa: ANN001, ANN201
        """Take a snapshot; persisted: it is this node's own, whose hash may be an older one's."""
        _want(self.timestamp and not self.targets, "snapshot out of order")
        self.fresh(self.timestamp)
        told = self.told("snapshot")
        signed, signatures = metadata.read(file, "snapshot", {} if persisted else told)
        if not persisted:
            _as_told(signed, told["version"], "snapshot")
        yield from verify(self.root, "snapshot", signed, signatures)
        metadata.meta(signed, "targets.json")
        for name in signed["meta"]:
            metadata.meta(signed, name)
        if self.snapshot:
            self._none_lower(signed)
        self.snapshot = signed
        self._current()

    def update_targets(self, file):  # noqa: ANN001, ANN201
        """Take the top-level targets."""
        _want(self.snapshot, "targets before snapshot")
        self._current()
        self.targets = yield from self.delegated(file, "targets", self.root)

    def delegated(self, file, name: str, delegator: dict):  # noqa: ANN001, ANN201
        """Return a targets role of this name, whose keys and threshold a delegator tells."""
        told = self.told(name)
        signed, signatures = metadata.read(file, "targets", told)
        _as_told(signed, told["version"], name)
        yield from verify(delegator, name, signed, signatures)
        metadata.member(signed, "targets")
        self.fresh(signed)
        return signed

    def target(self, path: str) -> tuple[int, str] | None:
        """Return (length, hash in hex) of a target, None when it is not listed."""
        _want(self.targets, "target before targets")
        return metadata.target(self.targets, path)

    def told(self, role: str) -> dict:
        """Return what is told of snapshot or a targets role: version, maybe length and hash."""
        if role == "snapshot":
            _want(self.timestamp, "snapshot before timestamp")
            return metadata.meta(self.timestamp, "snapshot.json")
        _want(self.snapshot, "targets before snapshot")
        return metadata.meta(self.snapshot, role + ".json")

    def fresh(self, signed: dict) -> None:
        """Raise Expired unless there is time left at the start of the refresh (5.1)."""
        if metadata.seconds(signed["expires"]) <= self.now:
            raise Expired("%s of %s" % (signed["_type"], signed["expires"]))

    def _current(self) -> None:
        """Raise unless the snapshot is the one that the timestamp tells, and not expired."""
        _as_told(self.snapshot, self.told("snapshot")["version"], "snapshot")
        self.fresh(self.snapshot)

    def _none_lower(self, signed: dict) -> None:
        """5.5.5: no targets file gone, none with a lower version."""
        for name in self.snapshot["meta"]:
            if name not in signed["meta"]:
                raise Rollback("%s is gone from the snapshot" % name)
            old = metadata.meta(self.snapshot, name)["version"]
            _not_lower(metadata.meta(signed, name)["version"], old, name)


def check_root(file):  # noqa: ANN001, ANN201 - a file; a generator
    """Raise unless a root is signed by its own threshold: else it is damaged, or never was one."""
    signed, signatures = metadata.read(file, "root", {})
    yield from verify(metadata.checked_root(signed), "root", signed, signatures)


def verify(delegator: dict, role: str, signed: dict, signatures: list, seen=None):  # noqa: ANN001, ANN201
    """Raise BadSignature unless enough different keys of the role have signed.

    A key id that signs twice is refused; two ids of one and the same key count once. seen: a dict
    that keeps the verdicts on these signatures, by key, for another delegator.
    """
    threshold, ids = metadata.role(delegator, role)
    given: dict = {}
    for signature in signatures:
        if type(signature) is not dict or type(signature.get("keyid")) is not str:
            raise BadFormat("%s: a signature without key id" % role)
        if signature["keyid"] in given:
            raise BadSignature("%s: key id %s twice" % (role, signature["keyid"][:8]))
        sig = signature.get("sig")
        given[signature["keyid"]] = sig if type(sig) is str else ""
    digest = metadata.digest(signed)
    seen = {} if seen is None else seen
    good: set[object] = set()
    for key_id in ids:
        key = delegator["keys"].get(key_id)
        public = keys.public(key) if key_id in given and type(key) is dict else None
        if public is None or public in good:
            continue
        mark = (public, given[key_id], key.get("scheme"))
        if mark not in seen:
            seen[mark] = yield from keys.verify(key, signed, digest, given[key_id])
        if seen[mark]:
            good.add(public)
        if len(good) >= threshold:
            return
    raise BadSignature("%s: %d of %d good signatures" % (role, len(good), threshold))


def _as_told(signed: dict, version: int, name: str) -> None:
    if signed["version"] != version:
        raise Rollback("%s %d, %d expected" % (name, signed["version"], version))


def _not_lower(new: int, old: int, name: str) -> None:
    if new < old:
        raise Rollback("%s %d after %d" % (name, new, old))


def _want(condition: object, message: str) -> None:
    if not condition:
        raise ValueError(message)  # a mistake of the caller, not of the repository
