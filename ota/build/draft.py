"""A draft: the next root.json on its way from key holder to key holder, until enough have signed.

One JSON file. `before` is the root in force (null for the first), `root` the next one, `targets`
the release list under the next root's targets keys, there only when those keys or their threshold
change. Each part is TUF metadata with the signatures it has so far. What a draft needs:

    the next root       its own threshold of root keys (specification section 6.1),
                        and the threshold of the root in force
    targets             the next root's threshold of targets keys

Any change of what is signed drops the signatures.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from securesystemslib.signer import Key, Signer
from tuf.api.exceptions import RepositoryError as TufError
from tuf.api.metadata import Metadata, Root, Targets

from ota.build import cards, repository
from ota.build.bundle import write
from ota.build.errors import RepositoryError
from ota.build.repository import ONLINE, ROLES, Home

_KIND = "lamppost root draft 1"
_DRAFT_BYTES = 65536


@dataclass(frozen=True)
class Need:
    """What one part of a draft needs: how many signatures, who gave one, who could."""

    what: str
    threshold: int
    signed: tuple[str, ...]
    open: tuple[str, ...]

    @property
    def missing(self) -> int:
        """Signatures still to come."""
        return max(0, self.threshold - len(self.signed))


@dataclass
class Draft:
    """The parts of a draft; see above."""

    root: Metadata[Root]
    before: Metadata[Root] | None = None
    targets: Metadata[Targets] | None = None

    @property
    def version(self) -> int:
        """The version of the root that is being made."""
        return self.root.signed.version

    def keys_wanted(self) -> dict[str, Key]:
        """Return by key id every key whose signature counts."""
        roots = [self.root.signed] + ([] if self.before is None else [self.before.signed])
        named = [(root, "root") for root in roots]
        if self.targets is not None:
            named.append((self.root.signed, "targets"))
        return {
            keyid: root.keys[keyid] for root, role in named for keyid in root.roles[role].keyids
        }

    def needs(self) -> list[Need]:
        """Return what each part needs; a signature that does not verify is none."""
        parts: list[tuple[str, Root, str, Metadata[Any]]] = []
        if self.before is not None:
            parts.append(
                (
                    f"root {self.before.signed.version}, in force",
                    self.before.signed,
                    "root",
                    self.root,
                )
            )
        parts.append((f"root {self.version}, the next", self.root.signed, "root", self.root))
        if self.targets is not None:
            parts.append(("targets, the next", self.root.signed, "targets", self.targets))
        return [need(*part) for part in parts]

    def complete(self) -> bool:
        """Say whether enough have signed every part."""
        return not any(need.missing for need in self.needs())

    def sign(self, signer: Signer) -> bool:
        """Add a key's signature to every part that it counts for; False if it had signed."""
        keyid, added = signer.public_key.keyid, False
        roots = [self.root.signed] + ([] if self.before is None else [self.before.signed])
        parts: list[tuple[Metadata[Any], bool]] = [
            (self.root, any(keyid in root.roles["root"].keyids for root in roots))
        ]
        if self.targets is not None:
            parts.append((self.targets, keyid in self.root.signed.roles["targets"].keyids))
        for metadata, counts in parts:
            if counts and keyid not in metadata.signatures:
                repository.sign(metadata, signer)
                added = True
        return added

    def gather(self, other: "Draft") -> None:
        """Take over the signatures of a copy; RepositoryError unless it is one."""
        same = self.root.signed_bytes == other.root.signed_bytes
        mine, theirs = (
            None if d.targets is None else d.targets.signed_bytes for d in (self, other)
        )
        if not same or mine != theirs:
            raise RepositoryError(f"that is no copy of this draft of root {self.version}")
        self.root.signatures.update(other.root.signatures)
        if self.targets is not None and other.targets is not None:
            self.targets.signatures.update(other.targets.signatures)

    def changes(self) -> list[str]:
        """Say in words whose signature counts under the next root; + and - against the one before.

        Every key is named, not only what changes: whoever carries a draft could have made up the
        root that it claims to follow.
        """
        new = self.root.signed
        old = None if self.before is None else self.before.signed
        lines = []
        for role in ROLES:
            entry = new.roles[role]
            had = [] if old is None else old.roles[role].keyids
            names = [
                f"{'' if keyid in had else '+'}{_whose(new.keys[keyid])}" for keyid in entry.keyids
            ]
            if old is not None:
                gone = [keyid for keyid in had if keyid not in entry.keyids]
                names += [f"-{_whose(old.keys[keyid])}" for keyid in gone]
            lines.append(f"{role}: {entry.threshold} of {len(entry.keyids)}: {', '.join(names)}")
        return [*lines, f"expires {new.expires:%Y-%m-%d}"]

    def require_follows(self, root: Metadata[Root]) -> None:
        """Raise RepositoryError unless the draft follows a root that somebody knows by himself."""
        if self.before is None or self.before.signed_bytes != root.signed_bytes:
            raise RepositoryError(
                f"the draft does not follow root {root.signed.version}, in force here"
            )

    def encode(self) -> bytes:
        """Return the draft as its file holds it."""
        value = {
            "draft": _KIND,
            "before": None if self.before is None else self.before.to_dict(),
            "root": self.root.to_dict(),
        }
        if self.targets is not None:
            value["targets"] = self.targets.to_dict()
        return json.dumps(value, indent=1).encode() + b"\n"


def need(what: str, root: Root, role: str, metadata: Metadata[Any]) -> Need:
    """Return what metadata needs from the keys that a root names for a role."""
    result = root.get_verification_result(role, metadata.signed_bytes, metadata.signatures)
    return Need(
        what,
        result.threshold,
        tuple(map(cards.name_of, result.signed.values())),
        tuple(map(cards.name_of, result.unsigned.values())),
    )


def load(path: Path) -> Draft:
    """Read a draft; RepositoryError when it is none."""
    try:
        with path.open("rb") as file:
            value = json.loads(file.read(_DRAFT_BYTES))
        _require(value["draft"] == _KIND, "of another kind")
        before = value["before"]
        return Draft(
            _part(value["root"], Root),
            None if before is None else _part(before, Root),
            _part(value["targets"], Targets) if "targets" in value else None,
        )
    except OSError as error:
        raise RepositoryError(f"{path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, TufError) as error:
        said = " ".join(str(error).split())[:120]
        raise RepositoryError(f"{path} is no draft of a root: {said}") from error


def _part(value: Any, kind: type[Any]) -> Metadata[Any]:
    metadata: Metadata[Any] = Metadata.from_dict(value)
    _require(isinstance(metadata.signed, kind), f"{metadata.signed.type} in a wrong place")
    return metadata


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ValueError(message)


def save(path: Path, draft: Draft) -> None:
    """Write a draft."""
    write(path, draft.encode())


def current(home: Home) -> Draft:
    """Return HOME's draft, or a new one: the root in force under the next version."""
    if home.draft.exists():
        return load(home.draft)
    before = repository.read(home.keys / "root.json", Root)
    after = repository.read(home.keys / "root.json", Root)
    draft = Draft(after, before)
    repository.raise_version(after)
    return draft


def changed(home: Home, draft: Draft) -> Draft:
    """Return a draft as it stands after a change: not signed, with targets if they need it."""
    root = draft.root.signed
    for role in ROLES:
        entry = root.roles[role]
        most = 1 if role in ONLINE else len(entry.keyids)
        if not 1 <= entry.threshold <= most:
            raise RepositoryError(
                f"{role}: {entry.threshold} of {len(entry.keyids)} keys cannot be asked for"
                + (": the server signs alone" if role in ONLINE and entry.keyids else "")
            )
    draft.root.signatures.clear()
    root.expires = repository.expiry("root")
    if draft.before is not None:
        draft.targets = None
        old, new = draft.before.signed, root
        if _keys_of(old, "targets") != _keys_of(new, "targets"):
            draft.targets = repository.read(home.keys / "targets.json", Targets)
            repository.raise_version(draft.targets)
    elif draft.targets is not None:
        draft.targets.signatures.clear()
    repository.encode(draft.root)
    return draft


def _keys_of(root: Root, role: str) -> tuple[set[str], int]:
    return set(root.roles[role].keyids), root.roles[role].threshold


def _whose(key: Key) -> str:
    name = cards.name_of(key)
    return name if key.keyid.startswith(name) else f"{name} ({key.keyid[:8]})"
