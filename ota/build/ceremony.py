"""Ceremonies: who may sign what, changed in a draft, signed in several sittings, then adopted.

Only root.json says whose signature counts, and nodes walk from root to root by themselves; so
every key of every role is changed without touching a node, as long as enough holders of root
keys sign.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from securesystemslib.signer import Signer
from tuf.api.metadata import Metadata, Root, Targets

from ota.build import cards, draft, keys, repository
from ota.build.bundle import write
from ota.build.draft import Draft
from ota.build.errors import RepositoryError
from ota.build.repository import ONLINE, Home


def begin(
    home: Home,
    root: Sequence[cards.Card],
    targets: Sequence[cards.Card],
    thresholds: dict[str, int],
    passphrase: str | None,
) -> Draft:
    """Make the draft of the first root from its holders' cards, and what keys are missing.

    Without cards a role gets one key in HOME, as `repository.init` makes it. A threshold that is
    not given is the majority: 2 of 3. RepositoryError when HOME has a repository already.
    """
    repository.refuse_second(home)
    for role, found in (("root", root), ("targets", targets)):
        _check(role, found, thresholds.get(role) or 1)
    holders: dict[str, list[Any]] = {}
    fresh = []
    for role, found in (("root", root), ("targets", targets)):
        holders[role] = [card.public() for card in found]
        if not found:
            fresh.append(repository.make_key(home, role, role, passphrase))
            holders[role] = [fresh[-1].public_key]
    for role in ONLINE:
        holders[role] = [repository.make_key(home, role, role, None).public_key]
    asked = {role: thresholds.get(role) or majority(len(holders[role])) for role in holders}
    first: Metadata[Root] = Metadata(repository.first_root(holders, asked))
    listing: Metadata[Targets] = Metadata(Targets(expires=repository.expiry("targets")))
    return _kept(home, Draft(first, None, listing), fresh)


def majority(count: int) -> int:
    """Return how many of so many keys must sign unless told otherwise: 1 of 1, 2 of 3, 3 of 5."""
    return count // 2 + 1


def rotate(
    home: Home,
    roles: Sequence[str],
    found: Sequence[cards.Card],
    threshold: int | None,
    passphrase: str | None,
    kind: str = keys.P256,
) -> Draft:
    """Give roles new keys in place of all they have; return the draft.

    `found`: the new keys' cards; without them a role of one key gets one made in HOME.
    """
    made = draft.current(home)
    root = made.root.signed
    if found and len(roles) > 1:
        raise RepositoryError("cards of new keys (--key) are for one role at a time")
    _check(roles[0], found, threshold or 1)
    signers: list[Signer] = []
    for role in roles:
        old = list(root.roles[role].keyids)
        if not found and len(old) > 1:
            raise RepositoryError(
                f"{role} has {len(old)} keys with several holders: ask each for a new one"
                " (`lamppost ota keygen`) and name their cards with --key"
            )
        fresh: list[Any] = [card.public() for card in found]
        if not fresh:
            signers.append(_make(home, role, made.version, passphrase, kind))
            fresh = [signers[-1].public_key]
        for keyid in old:
            root.revoke_key(keyid, role)
        for key in fresh:
            root.add_key(key, role)
        root.roles[role].threshold = threshold or (
            root.roles[role].threshold
            if role in ONLINE or len(fresh) == len(old)
            else majority(len(fresh))
        )
    return _kept(home, made, signers)


def add_key(home: Home, role: str, card: cards.Card, threshold: int | None) -> Draft:
    """Add a holder's key to a role; return the draft."""
    made = draft.current(home)
    root = made.root.signed
    if card.key.keyid in root.roles[role].keyids:
        raise RepositoryError(f"{role} has the key of {card.name} already")
    root.add_key(card.public(), role)
    root.roles[role].threshold = threshold or root.roles[role].threshold
    return _kept(home, made)


def remove_key(home: Home, role: str, who: str, threshold: int | None) -> Draft:
    """Take a key away from a role, by holder's name or the beginning of its id."""
    made = draft.current(home)
    root = made.root.signed
    known = {keyid: root.keys[keyid] for keyid in root.roles[role].keyids}
    matching = [
        keyid
        for keyid, key in known.items()
        if who == cards.name_of(key) or (len(who) >= 6 and keyid.startswith(who))
    ]
    if len(matching) != 1:
        names = ", ".join(cards.name_of(key) for key in known.values())
        raise RepositoryError(f"{role}: {len(matching)} keys of {who!r}; it has those of {names}")
    root.revoke_key(matching[0], role)
    root.roles[role].threshold = threshold or root.roles[role].threshold
    return _kept(home, made)


def renew(home: Home) -> Draft:
    """Put the root's expiry off: the same keys under the next version; return the draft."""
    return _kept(home, draft.current(home))


def adopt(home: Home, made: Draft) -> Path:
    """Take a complete draft as the root in force here; return the file that goes to the server.

    The first root founds the repository. RepositoryError when it is not complete, does not follow
    the root in force here, or would be refused by nodes.
    """
    if not made.complete():
        raise RepositoryError(f"root {made.version} is not signed by enough keys yet")
    root = repository.encode(made.root)
    repository.node_takes(None if made.before is None else made.before.to_bytes(), root)
    _require_next(home, made)
    carried = {"root": root.decode()}
    if made.targets is not None:
        carried["targets"] = repository.encode(made.targets).decode()
    place = home.carried(made.version)
    if made.before is None:
        assert made.targets is not None
        repository.found(home, made.root, made.targets)
    write(place, json.dumps(carried, indent=1).encode() + b"\n")
    if made.targets is not None:
        write(home.keys / "targets.json", carried["targets"].encode())
    write(home.keys / "root.json", root)
    home.draft.unlink(missing_ok=True)
    return place


def require_none(home: Home) -> None:
    """Raise RepositoryError while a draft would undo what is signed for a release now."""
    if home.draft.exists() and draft.load(home.draft).targets is not None:
        raise RepositoryError(
            f"{home.draft} changes the targets keys: finish it first (`lamppost ota status`)"
        )


def _check(role: str, found: Sequence[cards.Card], threshold: int) -> None:
    """Raise RepositoryError for cards that could not share a role, before any key is made."""
    twice = {card.name for card in found if sum(card.key.keyid == c.key.keyid for c in found) > 1}
    if twice:
        raise RepositoryError(f"{role}: the key of {min(twice)} is named twice")
    count = len(found) or 1
    if threshold > count:
        raise RepositoryError(f"{role}: {threshold} of {count} keys cannot be asked for")


def _require_next(home: Home, made: Draft) -> None:
    if made.before is None:
        if (home.keys / "root.json").exists():
            raise RepositoryError(f"{home.keys} has a root already")
        return
    made.require_follows(repository.read(home.keys / "root.json", Root))
    if made.targets is not None:
        known = repository.read(home.keys / "targets.json", Targets).signed.version
        if made.targets.signed.version <= known:
            raise RepositoryError(
                f"targets {known} were signed meanwhile: change the draft again, so that it"
                " follows them (`lamppost ota sign --renew`)"
            )


def _make(home: Home, role: str, version: int, passphrase: str | None, kind: str) -> Signer:
    name, number = f"{role}-{version}", 1
    while (home.folder_of(role) / f"{name}.pem").exists():  # of a draft that was thrown away
        number += 1
        name = f"{role}-{version}-{number}"
    return repository.make_key(home, role, name, passphrase, kind)


def _kept(home: Home, made: Draft, fresh: Sequence[Signer] = ()) -> Draft:
    """Keep a changed draft; keys that were made for it a moment ago sign what they may."""
    changed = draft.changed(home, made)
    for signer in fresh:
        changed.sign(signer)
    draft.save(home.draft, changed)
    return changed
