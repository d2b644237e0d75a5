"""Whoever took everything the server has, and tries to make nodes run something else with it.

The loot is a server's whole folder: database, CA key, snapshot and timestamp keys. What it does
not hold are root and targets keys, so the forged targets metadata is signed by a key of the
thief's own, under a snapshot and a timestamp that are signed as they should be.
"""

import hashlib
import json
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from cryptography.hazmat.primitives.serialization import load_pem_private_key
from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import (
    Metadata,
    Snapshot,
    TargetFile,
    Targets,
    Timestamp,
)

_T = TypeVar("_T", Snapshot, Targets, Timestamp)


def forge(server: Path, bundle: Path) -> str:
    """Put an unsigned bundle in the place of the release of its version; return its target path.

    `server`: the stolen folder, whose TUF repository nodes read.
    """
    tuf = server / "tuf"
    with zipfile.ZipFile(bundle) as archive:
        manifest = archive.read("manifest.jsonl")
        for name in archive.namelist():
            if name.startswith("files/"):
                (server / name).write_bytes(archive.read(name))
    header = json.loads(manifest.splitlines()[0])
    path = f"{header['board']}/{header['version']}.jsonl"
    digest = hashlib.sha256(manifest).hexdigest()
    (tuf / "targets" / header["board"] / f"{digest}.{header['version']}.jsonl").write_bytes(
        manifest
    )
    timestamp = _load(tuf, "timestamp.json", Timestamp)
    snapshot = _load(tuf, f"{timestamp.snapshot_meta.version}.snapshot.json", Snapshot)
    targets = _load(tuf, f"{snapshot.meta['targets.json'].version}.targets.json", Targets)
    targets.targets[path] = TargetFile.from_data(path, manifest, ["sha256"])
    _write(tuf, f"{targets.version}.targets.json", targets, CryptoSigner.generate_ecdsa())
    return path


def freeze(server: Path) -> None:
    """Offer a timestamp that has expired, as a server does that withholds news."""
    tuf = server / "tuf"
    timestamp = _load(tuf, "timestamp.json", Timestamp)
    timestamp.version += 1
    timestamp.expires = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
    _write(tuf, "timestamp.json", timestamp, _stolen(tuf, "timestamp"))


def _load(tuf: Path, name: str, kind: type[_T]) -> _T:
    signed = Metadata[_T].from_file(str(tuf / "metadata" / name)).signed
    assert isinstance(signed, kind)
    return signed


def _write(tuf: Path, name: str, signed: Any, signer: CryptoSigner) -> None:
    metadata: Metadata[Any] = Metadata(signed)
    metadata.sign(signer)
    (tuf / "metadata" / name).write_bytes(metadata.to_bytes())


def _stolen(tuf: Path, role: str) -> CryptoSigner:
    key = load_pem_private_key((tuf / "keys" / f"{role}.pem").read_bytes(), None)
    return CryptoSigner(key)
