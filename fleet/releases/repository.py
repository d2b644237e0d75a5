"""The online half of the TUF repository: files under LAMPPOST_HOME/server.

    tuf/metadata/  N.root.json, N.targets.json (signed offline), N.snapshot.json, timestamp.json
    tuf/targets/   BOARD/SHA256.VERSION.jsonl (consistent snapshots)
    tuf/keys/      snapshot.pem, timestamp.pem: all the keys that a thief of the server gets
    files/         SHA256: deflated content
    evidence/      SHA256: SBOMs and provenance statements of releases

Order of a release, so that a reader never sees half of one: files, manifest, targets, snapshot,
timestamp. Whatever comes before the timestamp is invisible until it is renamed into place.
"""

import fcntl
import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar, cast

from cryptography.hazmat.primitives.serialization import load_pem_private_key
from securesystemslib.signer import CryptoSigner
from tuf.api.exceptions import RepositoryError as TufError
from tuf.api.metadata import Metadata, MetaFile, Root, Snapshot, Targets, Timestamp

from fleet import atomic, limits
from fleet.releases import bundle as bundles
from fleet.releases.bundle import Bundle
from fleet.releases.errors import BadContent, BadSignature, Expired, NoRepository, NotNewer
from fleet.settings import Home

_T = TypeVar("_T", Root, Snapshot, Targets, Timestamp)
_ROOT = re.compile(r"([1-9][0-9]*)\.root\.json")


@dataclass(frozen=True)
class Accepted:
    """What the repository now offers: targets version and every target path listed."""

    targets_version: int
    listed: frozenset[str]


class Repository:
    """The repository of one home. Its methods block: call them in a thread."""

    def __init__(self, home: Home) -> None:
        self._tuf = home.tuf
        self._files = home.files
        self._evidence = home.evidence

    def metadata(self, name: str) -> Path:
        """Return where a metadata file is, or would be."""
        return self._tuf / "metadata" / name

    def target(self, board: str, name: str) -> Path:
        """Return where a manifest is, or would be; *name* with its hash prefix."""
        return self._tuf / "targets" / board / name

    def file(self, sha256: str) -> Path:
        """Return where a deflated file is, or would be."""
        return self._files / sha256

    def evidence(self, board: str, name: str, member: str) -> Path | None:
        """Return where a release's SBOM or provenance is; None when its manifest names none."""
        with self.target(board, name).open("rb") as file:
            header: dict[str, str] = json.loads(file.readline())
        if "sbom" not in header:
            return None
        sbom = self._evidence / header["sbom"]
        if member == bundles.SBOM:
            return sbom
        digest = bundles.attestation(sbom.read_bytes())
        return None if digest is None else self._evidence / digest

    def exists(self) -> bool:
        """Say whether `lamppost ota init` has been here."""
        return self.metadata("timestamp.json").exists()

    def root(self) -> bytes | None:
        """Return the newest root.json as signed, or None when there is no repository."""
        version = self._root_version()
        return None if version == 0 else self.metadata(f"{version}.root.json").read_bytes()

    def accept(self, bundle: Bundle, now: int) -> Accepted:
        """Verify a bundle against root.json, store it and sign snapshot and timestamp anew.

        Raises NoRepository, BadSignature, Expired, NotNewer or BadContent. The same bundle again
        is no error.
        """
        with self._lock():
            targets = self._verify_targets(bundle, now)
            self._store_files(bundle)
            digest = targets.targets[bundle.target].hashes["sha256"]
            manifest = self.target(bundle.header["board"], f"{digest}.{_name(bundle)}")
            manifest.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            atomic.write(manifest, bundle.manifest)
            snapshot = self._current_snapshot()
            if snapshot.meta["targets.json"].version != targets.version:
                atomic.write(self.metadata(f"{targets.version}.targets.json"), bundle.targets)
                snapshot.meta["targets.json"] = MetaFile(targets.version)
                self._sign_snapshot(snapshot, now)
        return Accepted(targets.version, frozenset(targets.targets))

    def refresh(self, now: int) -> bool:
        """Sign snapshot and timestamp anew when half their life is over; True if so."""
        if not self.exists():
            return False
        with self._lock():
            timestamp = self._load("timestamp.json", Timestamp)
            snapshot = self._current_snapshot()
            if _left(snapshot, now) < limits.SNAPSHOT_S / 2:
                self._sign_snapshot(snapshot, now)
                return True
            if _left(timestamp, now) < limits.TIMESTAMP_S / 2:
                self._sign_timestamp(timestamp, now)
                return True
        return False

    def _verify_targets(self, bundle: Bundle, now: int) -> Targets:
        root = self._current_root()
        try:
            metadata = Metadata[Targets].from_bytes(bundle.targets)
            root.verify_delegate("targets", metadata.signed_bytes, metadata.signatures)
        except (TufError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise BadSignature(
                "targets.json is not signed by the targets keys of root.json"
            ) from error
        targets = metadata.signed
        if targets.is_expired(datetime.fromtimestamp(now, UTC)):
            raise Expired("targets.json has expired: publish anew")
        self._require_newer(targets, bundle.targets)
        named = targets.targets.get(bundle.target)
        if named is None:
            raise BadContent(f"targets.json does not list {bundle.target}")
        try:
            named.verify_length_and_hashes(bundle.manifest)
        except TufError as error:
            raise BadContent("manifest.jsonl is not the one that was signed") from error
        if "sha256" not in named.hashes:
            raise BadContent("targets.json names no SHA-256")
        return targets

    def _require_newer(self, targets: Targets, data: bytes) -> None:
        current = self._current_snapshot().meta["targets.json"].version
        if targets.version > current:
            return
        held = self.metadata(f"{current}.targets.json")
        if targets.version < current or not held.exists() or held.read_bytes() != data:
            raise NotNewer(
                f"targets.json has version {targets.version}, version {current} is in force"
            )

    def _store_files(self, bundle: Bundle) -> None:
        fresh = {}
        for entry in bundle.entries:
            path = self.file(entry.sha256)
            if path.exists():
                # Another compressor gives other bytes, and a node reads exactly zsize of them.
                if path.stat().st_size != entry.zsize:
                    raise BadContent(f"{entry.path} is stored already, deflated otherwise")
            elif entry.sha256 in bundle.files:
                fresh[path] = bundle.files[entry.sha256]
            else:
                raise BadContent(f"{entry.path} is neither in the bundle nor on the server")
        for path, deflated in fresh.items():
            atomic.write(path, deflated)
        self._evidence.mkdir(exist_ok=True, mode=0o700)
        for document in bundle.evidence.values():
            atomic.write(self._evidence / hashlib.sha256(document).hexdigest(), document)

    def _sign_snapshot(self, snapshot: Snapshot, now: int) -> None:
        snapshot.version += 1
        snapshot.expires = _expiry(now, limits.SNAPSHOT_S)
        name = f"{snapshot.version}.snapshot.json"
        atomic.write(self.metadata(name), self._sign(snapshot, "snapshot"))
        timestamp = self._load("timestamp.json", Timestamp)
        timestamp.snapshot_meta = MetaFile(snapshot.version)
        self._sign_timestamp(timestamp, now)

    def _sign_timestamp(self, timestamp: Timestamp, now: int) -> None:
        timestamp.version += 1
        timestamp.expires = _expiry(now, limits.TIMESTAMP_S)
        atomic.write(self.metadata("timestamp.json"), self._sign(timestamp, "timestamp"))

    def _sign(self, signed: Snapshot | Timestamp, role: str) -> bytes:
        try:
            pem = (self._tuf / "keys" / f"{role}.pem").read_bytes()
            signer = CryptoSigner(load_pem_private_key(pem, None))
        except (OSError, ValueError, TypeError) as error:
            raise NoRepository(f"the {role} key cannot be read: {error}") from error
        if signer.public_key.keyid not in self._current_root().roles[role].keyids:
            raise NoRepository(f"the {role} key is not the one that root.json names")
        metadata: Metadata[Any] = Metadata(cast("Any", signed))
        metadata.sign(signer)
        return metadata.to_bytes()

    def _current_root(self) -> Root:
        version = self._root_version()
        if version == 0:
            raise NoRepository("there is no repository yet: run `lamppost ota init`")
        return self._load(f"{version}.root.json", Root)

    def _root_version(self) -> int:
        found = map(
            _ROOT.fullmatch, (path.name for path in (self._tuf / "metadata").glob("*.root.json"))
        )
        return max((int(match[1]) for match in found if match is not None), default=0)

    def _current_snapshot(self) -> Snapshot:
        version = self._load("timestamp.json", Timestamp).snapshot_meta.version
        return self._load(f"{version}.snapshot.json", Snapshot)

    def _load(self, name: str, kind: type[_T]) -> _T:
        try:
            metadata = Metadata[_T].from_file(str(self.metadata(name)))
        except (TufError, OSError) as error:
            raise NoRepository(f"{name} cannot be read: run `lamppost ota init`") from error
        if not isinstance(metadata.signed, kind):
            raise NoRepository(f"{name} holds {metadata.signed.type} metadata")
        return metadata.signed

    @contextmanager
    def _lock(self) -> Iterator[None]:
        # Between threads and processes alike: each opens the file anew.
        if not self.exists():
            raise NoRepository("there is no repository yet: run `lamppost ota init`")
        with (self._tuf / ".lock").open("w") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            yield


def _name(bundle: Bundle) -> str:
    return f"{bundle.header['version']}.jsonl"


def _expiry(now: int, life_s: int) -> datetime:
    return datetime.fromtimestamp(now, UTC) + timedelta(seconds=life_s)


def _left(signed: Snapshot | Timestamp, now: int) -> float:
    return signed.expires.timestamp() - now
