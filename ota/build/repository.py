"""The TUF repository's offline half: made once, then signed anew for every release.

HOME/keys    root.pem, targets.pem (encrypted) with their cards (*.pub.json); root.json and
             targets.json as last signed here: the release manager never takes them from the
             server, which may be stolen; root-N.json: each root as it goes to the server
HOME/server  tuf/metadata (N.root.json, N.targets.json, N.snapshot.json, timestamp.json), tuf/keys
             (snapshot.pem, timestamp.pem: all the keys a thief of the server gets)

`lamppost ota init` alone makes one key a role. Several holders, thresholds and new keys are the
matter of ota.build.ceremony.
"""

import io
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NoReturn, TypeVar, cast

from securesystemslib.signer import CryptoSigner, Signer
from tuf.api.exceptions import RepositoryError as TufError
from tuf.api.metadata import (
    Metadata,
    MetaFile,
    Root,
    Snapshot,
    TargetFile,
    Targets,
    Timestamp,
)

from ota.build import cards, keys
from ota.build.bundle import write
from ota.build.errors import RepositoryError, SigningKeyError
from ota.build.keyring import Keyring
from ota.build.release import Release
from ota.core import limits, tuf, versions
from ota.core.errors import OtaError

OFFLINE = ("root", "targets")
ONLINE = ("snapshot", "timestamp")
ROLES = (*OFFLINE, *ONLINE)
EXPIRY_DAYS = {"root": 730, "targets": 365, "snapshot": 30, "timestamp": 7}
KEEP = 8  # releases a board that stay installable unless told otherwise
_CAPS = {
    "root": limits.ROOT_BYTES,
    "targets": limits.TARGETS_BYTES,
    "snapshot": limits.SNAPSHOT_BYTES,
    "timestamp": limits.TIMESTAMP_BYTES,
}
_MEND = {"targets": ": withdraw releases (--withdraw, --keep)", "root": ": fewer or shorter keys"}

_T = TypeVar("_T", Root, Targets, Snapshot, Timestamp)


@dataclass(frozen=True)
class Home:
    """The folders of LAMPPOST_HOME that this half touches."""

    folder: Path

    @property
    def keys(self) -> Path:
        """Root and targets keys and what they last signed: never on the server."""
        return self.folder / "keys"

    @property
    def online_keys(self) -> Path:
        """Snapshot and timestamp keys, which the server holds."""
        return self.folder / "server" / "tuf" / "keys"

    @property
    def metadata(self) -> Path:
        """What the server serves under /tuf/metadata/."""
        return self.folder / "server" / "tuf" / "metadata"

    @property
    def draft(self) -> Path:
        """A root that is not signed by enough keys yet."""
        return self.keys / "root.draft.json"

    def carried(self, version: int) -> Path:
        """Return where a root lies, signed, with its targets: what goes to the server."""
        return self.keys / f"root-{version}.json"

    def folder_of(self, role: str) -> Path:
        """Return where the keys of a role lie."""
        return self.keys if role in OFFLINE else self.online_keys


def init(home: Home, passphrase: str | None) -> dict[str, CryptoSigner]:
    """Make the keys of all four roles and the first metadata; return the signers by role.

    With `passphrase` None the offline keys are not encrypted. RepositoryError when HOME already
    has a repository: its keys are on nodes and cannot be made again.
    """
    refuse_second(home)
    signers = {role: make_key(home, role, role, passphrase) for role in ROLES}
    root = first_root({role: [signer.public_key] for role, signer in signers.items()})
    metadata: Metadata[Root] = Metadata(root)
    targets: Metadata[Targets] = Metadata(Targets(expires=expiry("targets")))
    metadata.sign(signers["root"])
    targets.sign(signers["targets"])
    found(home, metadata, targets)
    return signers


def refuse_second(home: Home) -> None:
    """Raise RepositoryError when HOME has keys or a root already."""
    there = [home.keys / f"{role}.pem" for role in OFFLINE]
    if any(path.exists() for path in (*there, home.keys / "root.json", home.draft)):
        raise RepositoryError(f"{home.keys} has keys already: a repository is made once")


def make_key(
    home: Home, role: str, name: str, passphrase: str | None, kind: str = keys.P256
) -> CryptoSigner:
    """Make a key of a role at its place, with a card if it is an offline one."""
    path = home.folder_of(role) / f"{name}.pem"
    signer = keys.generate(path, passphrase if role in OFFLINE else None, kind)
    if role in OFFLINE:
        key = cards.public_key(signer.public_key.keyval["public"].encode())
        cards.write(cards.beside(path), cards.Card(name, key))
    return signer


def first_root(holders: dict[str, list[Any]], thresholds: dict[str, int] | None = None) -> Root:
    """Return root version 1 with these keys a role."""
    root = Root(expires=expiry("root"), consistent_snapshot=True)
    for role, found_keys in holders.items():
        for key in found_keys:
            root.add_key(key, role)
        root.roles[role].threshold = (thresholds or {}).get(role, 1)
    return root


def found(home: Home, root: Metadata[Root], targets: Metadata[Targets]) -> None:
    """Write a repository's first metadata; snapshot and timestamp are signed with HOME's keys."""
    signed = {"root": encode(root), "targets": encode(targets)}
    snapshot = Snapshot(expires=expiry("snapshot"), meta={"targets.json": MetaFile(1)})
    timestamp = Timestamp(expires=expiry("timestamp"), snapshot_meta=MetaFile(1))
    for role, content in (("snapshot", snapshot), ("timestamp", timestamp)):
        signer = keys.load(home.online_keys / f"{role}.pem", None)
        metadata: Metadata[Any] = Metadata(cast("Any", content))
        metadata.sign(signer)
        signed[role] = encode(metadata)
    for role, data in signed.items():
        write(home.metadata / (f"{role}.json" if role == "timestamp" else f"1.{role}.json"), data)
    for role in OFFLINE:
        write(home.keys / f"{role}.json", signed[role])


def publish(
    home: Home,
    release: Release,
    passphrase: str | None,
    *,
    withdraw: Iterable[str] = (),
    keep: int = KEEP,
) -> bytes:
    """Sign targets metadata in which `release` may be installed; return and remember it.

    It is signed with what keys of the targets role lie in HOME/keys; see `list_release`.
    SigningKeyError when there is none.
    """
    root = read(home.keys / "root.json", Root)
    ring = Keyring(home.keys, lambda _: passphrase, _no_secret)
    signers = list(ring.at_hand(root.signed.roles["targets"].keyids, ["targets"]))
    if not signers:
        raise SigningKeyError(f"{home.keys} holds no key of the targets role of root.json")
    return list_release(home, release, signers, withdraw=withdraw, keep=keep)


def list_release(
    home: Home,
    release: Release,
    signers: Iterable[Signer],
    *,
    withdraw: Iterable[str] = (),
    keep: int = KEEP,
) -> bytes:
    """List `release` in new targets metadata, signed by `signers`; return and remember it.

    Releases of this board below its security floor, those in `withdraw` and all but the newest
    `keep` are no longer listed, so that a stolen server cannot offer them. RepositoryError when
    the version is taken by other content or the metadata would pass 8 KB.
    """
    targets = read(home.keys / "targets.json", Targets)
    header = release.header
    path = f"{header.board}/{header.version}.jsonl"
    target = TargetFile.from_data(path, release.manifest, ["sha256"])
    known = targets.signed.targets.get(path)
    if known is not None and known.hashes != target.hashes:
        raise RepositoryError(
            f"version {header.version} for {header.board} was published with other content:"
            " build this one under a new version"
        )
    targets.signed.targets[path] = target
    _prune(targets.signed.targets, release, set(withdraw), keep)
    raise_version(targets)
    for signer in signers:
        sign(targets, signer)
    data = encode(targets)
    write(home.keys / "targets.json", data)
    return data


def raise_version(metadata: Metadata[Any]) -> None:
    """Make the next version of metadata: a new expiry, no signatures."""
    metadata.signed.version += 1
    metadata.signed.expires = expiry(metadata.signed.type)
    metadata.signatures.clear()


def sign(metadata: Metadata[Any], signer: Signer) -> None:
    """Add a signature; SigningKeyError says what a key's keeper said."""
    made = cards.signed(signer, metadata.signed_bytes, cards.name_of(signer.public_key))
    metadata.signatures[made.keyid] = made


def encode(metadata: Metadata[Any]) -> bytes:
    """Return metadata as bytes; RepositoryError when a node would not read that many."""
    data = metadata.to_bytes()
    role, most = metadata.signed.type, _CAPS[metadata.signed.type]
    if len(data) > most:
        raise RepositoryError(
            f"{role} metadata would take {len(data)} bytes, a node reads {most}"
            + _MEND.get(role, "")
        )
    return data


def read(path: Path, kind: type[_T]) -> Metadata[_T]:
    """Read metadata of HOME; RepositoryError says what is wrong with it."""
    try:
        metadata = Metadata[_T].from_bytes(path.read_bytes())
    except OSError as error:
        raise RepositoryError(
            f"{path}: {error.strerror}; `lamppost ota init` makes a repository"
        ) from error
    except TufError as error:
        raise RepositoryError(f"{path} is no TUF metadata: {error}") from error
    if not isinstance(metadata.signed, kind):
        raise RepositoryError(f"{path} holds {metadata.signed.type} metadata")
    return metadata


def node_takes(before: bytes | None, root: bytes) -> None:
    """Raise RepositoryError unless a node that trusts `before` would go on to `root`.

    By the node's own rules; without `before`: unless a node could be made with `root`.
    """
    try:
        trusted = tuf.Trusted(io.BytesIO(before or root), 0)
        if before is not None:
            for _ in trusted.update_root(io.BytesIO(root)):  # type: ignore[no-untyped-call]
                pass
    except OtaError as error:
        raise RepositoryError(f"nodes would refuse this root: {error}") from error


def listed(data: bytes) -> list[str]:
    """Return the target paths that signed targets metadata lists, sorted."""
    return sorted(Metadata[Targets].from_bytes(data).signed.targets)


def expiry(role: str) -> datetime:
    """Return when metadata of a role that is signed now expires."""
    return datetime.now(UTC).replace(microsecond=0) + timedelta(days=EXPIRY_DAYS[role])


def _prune(
    targets: dict[str, TargetFile], release: Release, withdraw: set[str], keep: int
) -> None:
    board, floor = release.header.board, release.header.floor
    mine = {
        path.removeprefix(f"{board}/").removesuffix(".jsonl"): path
        for path in targets
        if path.startswith(f"{board}/")
    }
    unknown = withdraw - set(mine)
    if unknown:
        raise RepositoryError(f"no release {min(unknown)} for {board} to withdraw")
    if release.header.version in withdraw:
        raise RepositoryError(f"{release.header.version} is being published: not withdrawn")
    ordered = sorted(mine, key=versions.key, reverse=True)
    stay = [release.header.version]
    for version in ordered:
        below = versions.key(version) < versions.key(floor)
        if version not in withdraw and not below and len(stay) < keep and version not in stay:
            stay.append(version)
    for version, path in mine.items():
        if version not in stay:
            del targets[path]


def _no_secret(what: str) -> NoReturn:
    raise SigningKeyError(f"{what} is needed and nobody is there to ask")
