"""PURE: whether a root may follow the one in force, and how what is in force stands.

A root decides whose signature counts. The server cannot make one; it checks what it is given
(specification section 5.3) before nodes meet it, because a wrong one would be refused by all of
them, one after the other.
"""

import io
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tuf.api.exceptions import RepositoryError as TufError
from tuf.api.metadata import Metadata, Root, Targets

from fleet import limits
from fleet.releases.errors import BadRoot, BadSignature, Expired, NotNext
from ota.core import limits as node
from ota.core import tuf
from ota.core.errors import OtaError

ONLINE = ("snapshot", "timestamp")
_HOLDER = "x-lamppost-name"
_DAY_S = 86400
# Below these a role is an alarm: whoever signs it has missed its turn, or soon will have.
_LEFT_S = {
    "root": 60 * _DAY_S,
    "targets": 30 * _DAY_S,
    "snapshot": limits.SNAPSHOT_S * 2 / 5,
    "timestamp": limits.TIMESTAMP_S * 2 / 5,
}
_MEND = {
    "root": "the release manager signs it anew (`lamppost ota sign --renew`)",
    "targets": "the release manager publishes the newest release again",
    "snapshot": "this server should have signed it anew",
    "timestamp": "this server should have signed it anew",
}


@dataclass(frozen=True)
class Role:
    """A role in force: version, end (unix seconds), threshold, holders' names by key id."""

    version: int
    expires: int
    threshold: int
    keys: dict[str, str | None]


@dataclass(frozen=True)
class State:
    """All roles in force, by name, and what is wrong with them, in words."""

    roles: dict[str, Role]
    alarms: tuple[str, ...]


def successor(held: bytes, data: bytes, now: int) -> Root:
    """Return the root that may follow `held`, or is it again. Raises NotNext, BadRoot, Expired."""
    if len(data) > node.ROOT_BYTES:
        raise BadRoot(f"a root may have {node.ROOT_BYTES} bytes")
    old = Metadata[Root].from_bytes(held)
    try:
        new = Metadata[Root].from_bytes(data)
    except (TufError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise BadRoot("that is no root metadata") from error
    if not isinstance(new.signed, Root):
        raise BadRoot("that is no root metadata")
    if data == held:
        return new.signed
    if new.signed.version != old.signed.version + 1:
        raise NotNext(
            f"root {old.signed.version} is in force: {old.signed.version + 1} comes next,"
            f" not {new.signed.version}"
        )
    _verify(old, new, data, held)
    if new.signed.is_expired(datetime.fromtimestamp(now, UTC)):
        raise Expired("root.json has expired: sign it anew")
    for role in ONLINE:
        if new.signed.roles[role].threshold != 1:
            raise BadRoot(f"{role}: the server signs alone, with a threshold of 1")
    return new.signed


def _verify(old: Metadata[Root], new: Metadata[Root], data: bytes, held: bytes) -> None:
    for root, which in ((old, "in force"), (new, "that follows")):
        try:
            root.signed.verify_delegate("root", new.signed_bytes, new.signatures)
        except TufError as error:
            raise BadRoot(f"root.json is not signed by enough keys of the root {which}") from error
    try:
        trusted = tuf.Trusted(io.BytesIO(held), 0)
        for _ in trusted.update_root(io.BytesIO(data)):  # type: ignore[no-untyped-call]
            pass
    except OtaError as error:
        raise BadRoot(f"nodes would refuse this root: {error}") from error


def targets(root: Root, data: bytes, now: int) -> Targets:
    """Return targets metadata that a root's keys have signed. Raises BadSignature, Expired."""
    try:
        metadata = Metadata[Targets].from_bytes(data)
        root.verify_delegate("targets", metadata.signed_bytes, metadata.signatures)
    except (TufError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise BadSignature(
            "targets.json is not signed by the targets keys of root.json"
        ) from error
    if metadata.signed.is_expired(datetime.fromtimestamp(now, UTC)):
        raise Expired("targets.json has expired: publish anew")
    return metadata.signed


def state(
    root: Root,
    signed: dict[str, Metadata[Any]],
    unsigned: Collection[str],
    lacking: Collection[str],
    now: int,
) -> State:
    """Return roles and alarms. `unsigned`: not by this root's keys; `lacking`: no key here."""
    roles, alarms = {}, []
    for name, metadata in signed.items():
        entry = root.roles[name]
        expires = int(metadata.signed.expires.timestamp())
        holders = {
            keyid: root.keys[keyid].unrecognized_fields.get(_HOLDER) for keyid in entry.keyids
        }
        roles[name] = Role(metadata.signed.version, expires, entry.threshold, holders)
        if expires - now < _LEFT_S[name]:
            when = f"{metadata.signed.expires:%Y-%m-%d %H:%M}Z"
            verb = "expired" if expires <= now else "expires"
            alarms.append(f"{name} {verb} {when}: {_MEND[name]}")
        if name in unsigned:
            alarms.append(f"{name} is not signed by the keys of root {root.version}")
        if name in lacking:
            alarms.append(f"the {name} key that root {root.version} names is not in tuf/keys")
    return State(roles, tuple(alarms))
