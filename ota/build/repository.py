"""The TUF repository's offline half: made once, then signed anew for every release.

HOME/keys    root.pem, targets.pem (encrypted); root.json and targets.json as last signed here: the
             release manager never takes them from the server, which may be stolen
HOME/server  tuf/metadata (N.root.json, N.targets.json, N.snapshot.json, timestamp.json), tuf/keys
             (snapshot.pem, timestamp.pem: all the keys a thief of the server gets)

Thresholds are one of one key a role; more keys, delegated roles a board and rotation only add to
what is here.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar, cast

from securesystemslib.signer import CryptoSigner
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

from ota.build import keys
from ota.build.bundle import write
from ota.build.errors import RepositoryError
from ota.build.release import Release
from ota.core import limits, versions

OFFLINE = ("root", "targets")
ONLINE = ("snapshot", "timestamp")
EXPIRY_DAYS = {"root": 730, "targets": 365, "snapshot": 30, "timestamp": 7}
KEEP = 8  # releases a board that stay installable unless told otherwise

_T = TypeVar("_T", Root, Targets)


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


def init(home: Home, passphrase: str | None) -> dict[str, CryptoSigner]:
    """Make the keys of all four roles and the first metadata; return the signers by role.

    With `passphrase` None the offline keys are not encrypted. RepositoryError when HOME already
    has a repository: its keys are on nodes and cannot be made again.
    """
    if any((home.keys / f"{role}.pem").exists() for role in OFFLINE):
        raise RepositoryError(f"{home.keys} has keys already: a repository is made once")
    signers = {role: keys.generate(home.keys / f"{role}.pem", passphrase) for role in OFFLINE}
    signers |= {role: keys.generate(home.online_keys / f"{role}.pem", None) for role in ONLINE}
    root = Root(expires=_expiry("root"), consistent_snapshot=True)
    for role, signer in signers.items():
        root.add_key(signer.public_key, role)
    signed: dict[str, bytes] = {}
    first: list[tuple[str, Root | Targets | Snapshot | Timestamp]] = [
        ("root", root),
        ("targets", Targets(expires=_expiry("targets"))),
        ("snapshot", Snapshot(expires=_expiry("snapshot"), meta={"targets.json": MetaFile(1)})),
        ("timestamp", Timestamp(expires=_expiry("timestamp"), snapshot_meta=MetaFile(1))),
    ]
    for role, content in first:
        signed[role] = _sign(content, signers[role])
        name = f"{role}.json" if role == "timestamp" else f"1.{role}.json"
        write(home.metadata / name, signed[role])
    for role in OFFLINE:
        write(home.keys / f"{role}.json", signed[role])
    return signers


def publish(
    home: Home,
    release: Release,
    passphrase: str | None,
    *,
    withdraw: Iterable[str] = (),
    keep: int = KEEP,
) -> bytes:
    """Sign targets metadata in which `release` may be installed; return and remember it.

    Releases of this board below its security floor, those in `withdraw` and all but the newest
    `keep` are no longer listed, so that a stolen server cannot offer them. RepositoryError when
    the key is not the repository's, the version is taken by other content, or the metadata would
    pass 8 KB.
    """
    targets = _read(home.keys / "targets.json", Targets)
    signer = keys.load(home.keys / "targets.pem", passphrase)
    root = _read(home.keys / "root.json", Root)
    if signer.public_key.keyid not in root.signed.roles["targets"].keyids:
        raise RepositoryError(f"{home.keys}/targets.pem is not the targets key of root.json")
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
    targets.signed.version += 1
    targets.signed.expires = _expiry("targets")
    data = _sign(targets.signed, signer)
    write(home.keys / "targets.json", data)
    return data


def listed(data: bytes) -> list[str]:
    """Return the target paths that signed targets metadata lists, sorted."""
    return sorted(Metadata[Targets].from_bytes(data).signed.targets)


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


def _sign(content: Root | Targets | Snapshot | Timestamp, signer: CryptoSigner) -> bytes:
    metadata: Metadata[Any] = Metadata(cast("Any", content))
    metadata.sign(signer)
    data = metadata.to_bytes()
    most = limits.TARGETS_BYTES if content.type == "targets" else limits.ROOT_BYTES
    if len(data) > most:
        raise RepositoryError(
            f"{content.type} metadata would take {len(data)} bytes, a node reads {most}:"
            " withdraw releases (--withdraw, --keep)"
        )
    return data


def _read(path: Path, kind: type[_T]) -> Metadata[_T]:
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


def _expiry(role: str) -> datetime:
    return datetime.now(UTC).replace(microsecond=0) + timedelta(days=EXPIRY_DAYS[role])
