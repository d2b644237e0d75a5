"""The online half of the TUF repository: files under LAMPPOST_HOME/server.

    tuf/metadata/  N.root.json, N.targets.json (signed offline), N.snapshot.json, timestamp.json
    tuf/targets/   BOARD/SHA256.VERSION.jsonl (consistent snapshots)
    tuf/keys/      *.pem of snapshot and timestamp: all the keys that a thief of the server gets
    files/         SHA256: deflated content; SHA256.OLDER: patches (also beside the manifests)
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
from securesystemslib.signer import CryptoSigner, Signer
from tuf.api.exceptions import RepositoryError as TufError
from tuf.api.metadata import Metadata, MetaFile, Root, Snapshot, Targets, Timestamp

from fleet import atomic, limits
from fleet.releases import bundle as bundles
from fleet.releases import patches, roots
from fleet.releases.bundle import Bundle
from fleet.releases.errors import BadContent, KeyMissing, NoRepository, NotNewer
from fleet.releases.roots import State
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
            patches.store(self._files, manifest, self._listed(targets, bundle.target))
            snapshot = self._current_snapshot()
            if snapshot.meta["targets.json"].version != targets.version:
                atomic.write(self.metadata(f"{targets.version}.targets.json"), bundle.targets)
                snapshot.meta["targets.json"] = MetaFile(targets.version)
                self._sign_snapshot(snapshot, now)
        return Accepted(targets.version, frozenset(targets.targets))

    def refresh(self, now: int) -> bool:
        """Sign snapshot and timestamp anew when half their life is over; True if so.

        Likewise when they are not signed by the keys of the root in force: the process ended, or
        somebody put a root there by hand, between the two.
        """
        if not self.exists():
            return False
        with self._lock():
            root = self._current_root()
            timestamp = self._metadata("timestamp.json", Timestamp)
            snapshot = self._metadata(_snapshot_name(timestamp.signed), Snapshot)
            if _left(snapshot.signed, now) < limits.SNAPSHOT_S / 2 or not _by(root, snapshot):
                self._sign_snapshot(snapshot.signed, now)
                return True
            if _left(timestamp.signed, now) < limits.TIMESTAMP_S / 2 or not _by(root, timestamp):
                self._sign_timestamp(timestamp.signed, now)
                return True
        return False

    def take_root(self, data: bytes, targets: bytes | None, now: int) -> Accepted:
        """Put the next root in force, with targets metadata under its keys where it needs any.

        Verified against the root in force, against itself and by a node's own rules. Raises
        NoRepository, NotNext, BadRoot, BadSignature, Expired, NotNewer or KeyMissing. The same
        root again is no error.
        """
        with self._lock():
            held = self._current_root_bytes()
            root = roots.successor(held, data, now)
            signers = {role: self._signer(role, root) for role in ("snapshot", "timestamp")}
            snapshot = self._current_snapshot()
            meta = snapshot.meta["targets.json"]
            held_targets = self.metadata(f"{meta.version}.targets.json")
            given = held_targets.read_bytes() if targets is None else targets
            listing = roots.targets(root, given, now)
            if listing.version != meta.version:
                self._require_newer(listing, given)
                atomic.write(self.metadata(f"{listing.version}.targets.json"), given)
            elif data == held:
                return Accepted(listing.version, frozenset(listing.targets))
            meta.version = listing.version
            # The root comes last but one: what it makes valid lies there when it is seen, and a
            # process that ends here is made up for by `refresh`.
            name, signed = self._next_snapshot(snapshot, signers["snapshot"], now)
            atomic.write(self.metadata(name), signed)
            atomic.write(self.metadata(f"{root.version}.root.json"), data)
            timestamp = self._load("timestamp.json", Timestamp)
            timestamp.snapshot_meta = MetaFile(snapshot.version)
            self._sign_timestamp(timestamp, now)
        return Accepted(listing.version, frozenset(listing.targets))

    def state(self, now: int) -> State | None:
        """Return what is in force and what is wrong with it; None without a repository."""
        if not self.exists():
            return None
        root = self._current_root()
        timestamp = self._metadata("timestamp.json", Timestamp)
        snapshot = self._metadata(_snapshot_name(timestamp.signed), Snapshot)
        name = f"{snapshot.signed.meta['targets.json'].version}.targets.json"
        signed: dict[str, Metadata[Any]] = {
            "root": self._metadata(f"{root.version}.root.json", Root),
            "targets": self._metadata(name, Targets),
            "snapshot": snapshot,
            "timestamp": timestamp,
        }
        unsigned = [role for role, metadata in signed.items() if not _by(root, metadata)]
        lacking = [role for role in ("snapshot", "timestamp") if not self._has_key(role, root)]
        return roots.state(root, signed, unsigned, lacking, now)

    def _verify_targets(self, bundle: Bundle, now: int) -> Targets:
        targets = roots.targets(self._current_root(), bundle.targets, now)
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

    def _listed(self, targets: Targets, but: str) -> list[Path]:
        """Return the manifests of the other listed releases of the same board."""
        board, slash, _ = but.partition("/")
        found = []
        for path, target in targets.targets.items():
            if path.startswith(board + slash) and path != but:
                name = f"{target.hashes.get('sha256')}.{path.removeprefix(board + slash)}"
                found.append(self.target(board, name))
        return [path for path in found if path.exists()]

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
        for entry in (*bundle.entries, *bundle.blocks):
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
        name, data = self._next_snapshot(snapshot, self._signer("snapshot"), now)
        atomic.write(self.metadata(name), data)
        timestamp = self._load("timestamp.json", Timestamp)
        timestamp.snapshot_meta = MetaFile(snapshot.version)
        self._sign_timestamp(timestamp, now)

    def _next_snapshot(self, snapshot: Snapshot, signer: Signer, now: int) -> tuple[str, bytes]:
        snapshot.version += 1
        snapshot.expires = _expiry(now, limits.SNAPSHOT_S)
        return f"{snapshot.version}.snapshot.json", _signed(snapshot, signer)

    def _sign_timestamp(self, timestamp: Timestamp, now: int) -> None:
        timestamp.version += 1
        timestamp.expires = _expiry(now, limits.TIMESTAMP_S)
        data = _signed(timestamp, self._signer("timestamp"))
        atomic.write(self.metadata("timestamp.json"), data)

    def _signer(self, role: str, root: Root | None = None) -> Signer:
        """Return the signer of an online role under a root, by default the one in force."""
        wanted = (root or self._current_root()).roles[role].keyids
        unreadable = ""
        for path in sorted((self._tuf / "keys").glob("*.pem")):
            try:
                signer = CryptoSigner(load_pem_private_key(path.read_bytes(), None))
            except (OSError, ValueError, TypeError) as error:
                unreadable = f"; {path.name} cannot be read: {error}"
                continue
            if signer.public_key.keyid in wanted:
                return signer
        raise KeyMissing(f"tuf/keys holds no {role} key that root.json names{unreadable}")

    def _has_key(self, role: str, root: Root) -> bool:
        try:
            self._signer(role, root)
        except KeyMissing:
            return False
        return True

    def _current_root(self) -> Root:
        self._current_root_bytes()
        return self._load(f"{self._root_version()}.root.json", Root)

    def _current_root_bytes(self) -> bytes:
        found = self.root()
        if found is None:
            raise NoRepository("there is no repository yet: run `lamppost ota init`")
        return found

    def _root_version(self) -> int:
        found = map(
            _ROOT.fullmatch, (path.name for path in (self._tuf / "metadata").glob("*.root.json"))
        )
        return max((int(match[1]) for match in found if match is not None), default=0)

    def _current_snapshot(self) -> Snapshot:
        return self._load(_snapshot_name(self._load("timestamp.json", Timestamp)), Snapshot)

    def _load(self, name: str, kind: type[_T]) -> _T:
        return self._metadata(name, kind).signed

    def _metadata(self, name: str, kind: type[_T]) -> Metadata[_T]:
        try:
            metadata = Metadata[_T].from_file(str(self.metadata(name)))
        except (TufError, OSError) as error:
            raise NoRepository(f"{name} cannot be read: run `lamppost ota init`") from error
        if not isinstance(metadata.signed, kind):
            raise NoRepository(f"{name} holds {metadata.signed.type} metadata")
        return metadata

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


def _snapshot_name(timestamp: Timestamp) -> str:
    return f"{timestamp.snapshot_meta.version}.snapshot.json"


def _signed(signed: Snapshot | Timestamp, signer: Signer) -> bytes:
    metadata: Metadata[Any] = Metadata(cast("Any", signed))
    metadata.sign(signer)
    return metadata.to_bytes()


def _by(root: Root, metadata: Metadata[Any]) -> bool:
    """Say whether metadata is signed as a root demands."""
    role = metadata.signed.type
    return root.get_verification_result(role, metadata.signed_bytes, metadata.signatures).verified


def _expiry(now: int, life_s: int) -> datetime:
    return datetime.fromtimestamp(now, UTC) + timedelta(seconds=life_s)


def _left(signed: Snapshot | Timestamp, now: int) -> float:
    return signed.expires.timestamp() - now
