"""Made tests/vectors/tuf with the reference library; run it again to make them anew.

Root 1 names one key a role; root 2, signed by both, has new root and targets keys with a targets
threshold of two. Everything expires in 2100.
"""

import datetime as dt
import hashlib
from pathlib import Path

from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import Metadata, MetaFile, Root, Snapshot, TargetFile, Targets, Timestamp

FOLDER = Path(__file__).parent / "tuf"
EXPIRES = dt.datetime(2100, 1, 1, tzinfo=dt.UTC)


def signed(role, *signers):
    metadata = Metadata(role)
    for signer in signers:
        metadata.sign(signer, append=True)
    return metadata.to_bytes()


def meta(data, version):
    return MetaFile(version, len(data), {"sha256": hashlib.sha256(data).hexdigest()})


def main():
    old_root, new_root, first, second, third, online = (
        CryptoSigner.generate_ecdsa() for _ in range(6)
    )
    root = Root(expires=EXPIRES, consistent_snapshot=True)
    for role, signer in (
        ("root", old_root),
        ("targets", first),
        ("snapshot", online),
        ("timestamp", online),
    ):
        root.add_key(signer.public_key, role)
    files = {"1.root.json": signed(root, old_root)}
    root.version = 2
    root.revoke_key(old_root.public_key.keyid, "root")
    root.add_key(new_root.public_key, "root")
    root.add_key(second.public_key, "targets")
    root.add_key(third.public_key, "targets")
    root.roles["targets"].threshold = 2
    files["2.root.json"] = signed(root, old_root, new_root)
    targets = Targets(expires=EXPIRES)
    path = "esp32/1.0.0.jsonl"
    targets.targets[path] = TargetFile.from_data(path, b"a manifest", ["sha256"])
    files["targets.json"] = signed(targets, third, first)
    files["targets_below.json"] = signed(targets, second)
    snapshot = Snapshot(expires=EXPIRES)
    snapshot.meta["targets.json"] = MetaFile(1)
    files["snapshot.json"] = signed(snapshot, online)
    timestamp = Timestamp(expires=EXPIRES)
    timestamp.snapshot_meta = meta(files["snapshot.json"], 1)
    files["timestamp.json"] = signed(timestamp, online)
    for name, data in files.items():
        (FOLDER / name).write_bytes(data)


if __name__ == "__main__":
    main()
