"""Whoever took everything the server has, and tries to make nodes run something else with it.

The loot is a server's whole folder: database, CA key, snapshot and timestamp keys. What it does
not hold are root and targets keys. So a thief can forge targets metadata only with a key of his
own, put back what was genuine once, hold time still, and name another board's release as theirs.
"""

import hashlib
import json
import shutil
import sqlite3
import zipfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
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


@contextmanager
def break_in(server: Path, keep: Path) -> Iterator[Path]:
    """Lend the thief the TUF repository of `server`; what he did to it is undone at the end.

    keep: a folder that is not there yet, for the genuine one meanwhile; given to the caller.
    """
    shutil.copytree(server / "tuf", keep)
    try:
        yield keep
    finally:
        shutil.rmtree(server / "tuf")
        shutil.move(keep, server / "tuf")


def forge(server: Path, bundle: Path) -> str:
    """Put an unsigned bundle among the newest targets; return its target path.

    Snapshot and timestamp stay as they are, so a node meets the forgery that has not seen the
    genuine targets of that version. `server`: the stolen folder, whose TUF repository nodes read.
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


def put_back(server: Path, old: Path) -> None:
    """Serve the whole TUF repository as it was when `old` was copied from it."""
    shutil.rmtree(server / "tuf")
    shutil.copytree(old, server / "tuf")


def name_as_theirs(server: Path, version: str, board: str) -> None:
    """Have the stolen database say that there is a release `version` for `board`.

    The server then offers it like any other; what is genuine is not the database's to say.
    """
    with closing(sqlite3.connect(server / "lamppost.db", timeout=30)) as database, database:
        names = [row[1] for row in database.execute("PRAGMA table_info(releases)")]
        kept = ", ".join(name for name in names if name not in ("id", "board", "version"))
        database.execute(
            f"INSERT OR IGNORE INTO releases (board, version, {kept})"  # noqa: S608 - our columns
            f" SELECT ?, ?, {kept} FROM releases ORDER BY id DESC LIMIT 1",
            (board, version),
        )


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
