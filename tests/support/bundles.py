"""Signed bundles for a test server, made with the release manager's own code."""

import hashlib
import io
import json
import zipfile
from typing import Any

from fleetserver import Server

from ota.build import bundle, carried, keys, repository
from ota.build.carried import Carried
from ota.build.entries import packed
from ota.build.release import Evidence, Header, Release

BUILT = 1_760_000_000


def release(
    version: str,
    board: str,
    files: dict[str, bytes],
    *,
    floor: str = "0.0.0",
    evidence: Evidence | None = None,
    runtime: Carried | None = None,
    brings: str = "",
) -> Release:
    """Return a release of plain files, not compiled: only its form matters to the server.

    `brings`: what the header says of `runtime`, unless it is to tell the truth.
    """
    if runtime:
        files = files | {carried.NAME: runtime.listed}
        brings = brings or runtime.version
    header = Header(version, board, floor, "1.27.0", BUILT, 30, brings)
    entries = tuple(packed(path, files[path]) for path in sorted(files))
    named = {} if evidence is None else {"sbom": hashlib.sha256(evidence.sbom).hexdigest()}
    lines: list[Any] = [vars(header) | named]
    lines += [
        [entry.path, len(entry.plain), entry.sha256, len(entry.deflated)] for entry in entries
    ]
    manifest = "".join(json.dumps(line) + "\n" for line in lines).encode()
    return Release(header, entries, manifest, evidence, runtime)


def evidence(version: str) -> Evidence:
    """Return an SBOM and a provenance statement that fit each other: only their form matters."""
    statement = json.dumps({"_type": "statement", "of": version}).encode()
    named = [{"alg": "SHA-256", "content": hashlib.sha256(statement).hexdigest()}]
    reference = {"type": "attestation", "url": "provenance.json", "hashes": named}
    bom = {"bomFormat": "CycloneDX", "externalReferences": [reference], "version": version}
    return Evidence(json.dumps(bom).encode(), statement)


class Publisher:
    """The release manager of one server: keys in its home, as `lamppost ota init` makes them."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.home = repository.Home(server.home)
        if not (self.home.keys / "targets.pem").exists():
            repository.init(self.home, None)

    def bundle(self, version: str, board: str, files: dict[str, bytes], **options: Any) -> bytes:
        """Return a signed bundle."""
        made = release(version, board, files, **options)
        return bundle.pack(made, repository.publish(self.home, made, None))

    def upload(self, data: bytes) -> Any:
        """POST a bundle."""
        headers = {"Content-Type": "application/zip"}
        return self.server.admin.post("/releases", content=data, headers=headers)

    def publish(self, version: str, board: str, **files: bytes) -> dict[str, Any]:
        """Sign and upload a release; file names lose their place in a slot here."""
        paths = {f"firmware/{name}.mpy": data for name, data in files.items()}
        answer = self.upload(self.bundle(version, board, paths))
        assert answer.status_code == 201, answer.text
        return dict(answer.json())


def forger(server: Server, folder: Any) -> Publisher:
    """Return a publisher with keys of its own, which the server never saw."""
    made = Publisher.__new__(Publisher)
    made.server = server
    made.home = repository.Home(folder)
    repository.init(made.home, None)
    return made


def edit(data: bytes, **members: bytes | None) -> bytes:
    """Return a bundle with members replaced or left out; `manifest` is manifest.jsonl."""
    names = {"manifest": "manifest.jsonl", "targets": "targets.json"}
    changes = {names.get(key, key): value for key, value in members.items()}
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            content = changes.pop(name, old.read(name))
            if content is not None:
                new.writestr(name, content)
        for name, content in changes.items():
            if content is not None:
                new.writestr(name, content)
    return out.getvalue()


__all__ = ["BUILT", "Publisher", "edit", "evidence", "forger", "keys", "release"]
