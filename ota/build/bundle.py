"""The bundle: one zip with a release's manifest, its files by hash, and, once signed, its targets.

Entries are stored, not compressed (they are deflated already), in a fixed order with fixed times
and modes, so that the same release is the same zip to the byte:

    manifest.jsonl      what is hashed and signed
    files/<sha256>      each file, zlib with a 4 KB window, by the hash of its plain bytes; also
                        each block of a MicroPython that the release brings
    provenance.json     SLSA provenance, named by hash in the SBOM
    sbom.cdx.json       CycloneDX, named by hash in the manifest's header
    targets.json        signed TUF targets metadata (after `lamppost ota publish`)
"""

import hashlib
import io
import os
import struct
import zipfile
from collections.abc import Container, Iterable
from pathlib import Path

from ota.build import carried, provenance, sbom
from ota.build.entries import Entry, checked
from ota.build.errors import BuildError
from ota.build.release import Evidence, Header, Release, parse, sbom_digest

MANIFEST = "manifest.jsonl"
TARGETS = "targets.json"
# What zipfile raises for broken input: RuntimeError for encryption and unknown methods, too.
DAMAGE = (zipfile.BadZipFile, EOFError, OSError, RuntimeError, ValueError, struct.error)
_BUNDLE_MAX = 4 * 1024 * 1024


def name(header: Header) -> str:
    """Return the file name of a bundle: `lamppost-<board>-<version>.zip`."""
    return f"lamppost-{header.board}-{header.version}.zip"


def pack(release: Release, targets: bytes | None = None) -> bytes:
    """Return a release as a bundle, the same bytes for the same release."""
    members = {f"files/{sha256}": deflated for sha256, deflated in release.files.items()}
    ordered = [(MANIFEST, release.manifest), *sorted(members.items())]
    if release.evidence is not None:
        ordered.append((provenance.MEMBER, release.evidence.provenance))
        ordered.append((sbom.MEMBER, release.evidence.sbom))
    if targets is not None:
        ordered.append((TARGETS, targets))
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for member, content in ordered:
            info = zipfile.ZipInfo(member)  # 1980-01-01: the zip format's own beginning
            info.create_system = 3
            info.external_attr = 0o100644 << 16
            archive.writestr(info, content)
    return out.getvalue()


def load(path: Path) -> Release:
    """Read and verify a bundle file; BuildError says what is wrong with it."""
    try:
        return unpack(content(path))
    except BuildError as error:
        raise BuildError(f"bundle {path}: {error.message}") from error


def content(path: Path) -> bytes:
    """Return a bundle file's bytes, of one that is too long no more than show it; BuildError."""
    try:
        with path.open("rb") as file:
            return file.read(_BUNDLE_MAX + 1)
    except OSError as error:
        raise BuildError(error.strerror or str(error)) from error


def opened(data: bytes) -> zipfile.ZipFile:
    """Open a zip file of ours: bounded, its members stored. BuildError, DAMAGE for any other."""
    if len(data) > _BUNDLE_MAX:
        raise BuildError(f"more than {_BUNDLE_MAX} bytes")
    archive = zipfile.ZipFile(io.BytesIO(data))
    if any(info.compress_type != zipfile.ZIP_STORED for info in archive.infolist()):
        raise BuildError("its members are to be stored, not compressed")
    return archive


def unpack(data: bytes) -> Release:
    """Read a bundle; every file must have the size and hash that the manifest says."""
    try:
        with opened(data) as archive:
            members = {info.filename: info for info in archive.infolist()}
            if MANIFEST not in members:
                raise BuildError(f"no {MANIFEST} in it")
            manifest = archive.read(MANIFEST)
            header, lines = parse(manifest)
            entries = []
            for line in lines:
                member = f"files/{line[2]}"
                if member not in members:
                    raise BuildError(f"{line[0]} is missing: no {member} in it")
                entries.append(checked(line, archive.read(member)))
            runtime = _runtime(header, entries, archive, members)
            evidence = _evidence(sbom_digest(manifest), archive, members)
    except DAMAGE as error:
        raise BuildError(f"not a zip file of ours: {error}") from error
    return Release(header, tuple(entries), manifest, evidence, runtime)


def targets(data: bytes) -> bytes | None:
    """Return the signed targets metadata of a bundle that `unpack` accepts, None without."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return archive.read(TARGETS) if TARGETS in archive.namelist() else None


def _runtime(
    header: Header,
    entries: Iterable[Entry],
    archive: zipfile.ZipFile,
    members: Container[str],
) -> carried.Carried | None:
    """Return the MicroPython that a release brings; it is there as the header says."""
    lists = [entry.plain for entry in entries if entry.path == carried.NAME]
    if bool(lists) != bool(header.micropython):
        raise BuildError(f"{carried.NAME} is {'named nowhere' if lists else 'missing'}")

    def get(sha256: str) -> bytes | None:
        member = f"files/{sha256}"
        return archive.read(member) if member in members else None

    found = carried.taken(lists[0], get) if lists else None
    if found and found.version != header.micropython:
        raise BuildError(
            f"{carried.NAME} brings {found.version}, the manifest says {header.micropython}"
        )
    return found


def _evidence(
    digest: str | None, archive: zipfile.ZipFile, members: Container[str]
) -> Evidence | None:
    """Return SBOM and provenance, having seen that they are those that the manifest names."""
    for member in (sbom.MEMBER, provenance.MEMBER):
        if (member in members) != (digest is not None):
            raise BuildError(f"{member} is missing" if digest else f"{member} is named nowhere")
    if digest is None:
        return None
    found = Evidence(archive.read(sbom.MEMBER), archive.read(provenance.MEMBER))
    if hashlib.sha256(found.sbom).hexdigest() != digest:
        raise BuildError(f"{sbom.MEMBER} is not the one that the manifest names")
    if hashlib.sha256(found.provenance).hexdigest() != sbom.attestation(found.sbom):
        raise BuildError(f"{provenance.MEMBER} is not the one that {sbom.MEMBER} names")
    return found


def read(path: Path) -> bytes:
    """Return a file's bytes; BuildError when it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise BuildError(f"{path}: {error.strerror}") from error


def write(path: Path, data: bytes, *, private: bool = False) -> None:
    """Write a file whole under a new name, sync it, rename it over; BuildError if it cannot be.

    `private`: only its owner may read it, from its first byte on.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    mode = 0o600 if private else 0o666
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise BuildError(f"cannot write {path}: {error.strerror}") from error
