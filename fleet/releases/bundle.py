"""PURE: a signed bundle (zip) taken apart under caps, before anything is believed or stored.

Members: manifest.jsonl, targets.json, files/<SHA-256 of the plain file> (zlib, 4 KB window), and
sbom.cdx.json with provenance.json: both or neither, as the manifest's header says (`sbom`: the
SHA-256 of the CycloneDX document, which names that of the provenance; ota/decisions/0008). Blocks
of a MicroPython that the release brings are among files/, named by runtime.jsonl, which is one.
"""

import hashlib
import io
import json
import re
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from fleet import limits as caps
from fleet.releases.errors import BadBundle, BadContent
from ota.core import limits, manifest, runtime
from ota.core.errors import RepositoryError

SBOM = "sbom.cdx.json"
PROVENANCE = "provenance.json"
_MEMBER = re.compile(
    r"manifest\.jsonl|targets\.json|sbom\.cdx\.json|provenance\.json|files/[0-9a-f]{64}"
)
_CAPS = {
    "manifest.jsonl": limits.MANIFEST_BYTES,
    "targets.json": limits.TARGETS_BYTES,
    SBOM: caps.SBOM_BYTES,
    PROVENANCE: caps.PROVENANCE_BYTES,
}
_BLOCKS_MAX = -(-limits.APP_BYTES // runtime.BLOCK_BYTES)
_PLAIN_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


@dataclass(frozen=True)
class Entry:
    """One file of the manifest: sizes in bytes, plain and deflated."""

    path: str
    size: int
    sha256: str
    zsize: int


@dataclass(frozen=True)
class Bundle:
    """A bundle whose parts agree with its own manifest. `files`: deflated, by SHA-256.

    `blocks`: of the MicroPython that it brings, when its list is among the files. `evidence`: SBOM
    and provenance by member name, each as it was named; empty without.
    """

    header: dict[str, Any]
    manifest: bytes
    entries: tuple[Entry, ...]
    blocks: tuple[Entry, ...]
    files: dict[str, bytes]
    targets: bytes
    evidence: dict[str, bytes]

    @property
    def target(self) -> str:
        """The TUF target path of the manifest."""
        return f"{self.header['board']}/{self.header['version']}.jsonl"


def read(data: bytes) -> Bundle:
    """Take a bundle apart. Raises BadBundle (no bundle) or BadContent (parts disagree)."""
    members = _members(data)
    for name in ("manifest.jsonl", "targets.json"):
        if name not in members:
            raise BadBundle(f"the bundle has no {name}")
    lines = io.BytesIO(members["manifest.jsonl"])
    try:
        header = manifest.header(lines.readline(limits.MANIFEST_LINE_BYTES + 1))
        entries = tuple(Entry(*found) for found in _entries(lines))
    except (RepositoryError, ValueError) as error:
        raise BadContent(f"manifest.jsonl: {error}") from error
    files = _verified(entries, members)
    blocks = _blocks(header, entries, files)
    files |= _verified(blocks, members)
    evidence = _evidence(header, members)
    return Bundle(
        header,
        members["manifest.jsonl"],
        entries,
        blocks,
        files,
        members["targets.json"],
        evidence,
    )


def _verified(entries: Iterable[Entry], members: dict[str, bytes]) -> dict[str, bytes]:
    """Return those of the files that are among the members, deflated, by SHA-256."""
    files = {}
    for entry in entries:
        deflated = members.get(f"files/{entry.sha256}")
        if deflated is not None:
            verify(entry, deflated)
            files[entry.sha256] = deflated
    return files


def _blocks(
    header: dict[str, Any], entries: Iterable[Entry], files: dict[str, bytes]
) -> tuple[Entry, ...]:
    """Return the blocks of a MicroPython; BadContent unless they are as the header says.

    A list that is not in the bundle was checked when it came to the server.
    """
    lists = [entry.sha256 for entry in entries if entry.path == runtime.NAME]
    if bool(lists) != bool(header["micropython"]):
        raise BadContent(
            f"manifest.jsonl brings a MicroPython without {runtime.NAME}, or the list"
        )
    if not lists or lists[0] not in files:
        return ()
    lines = io.BytesIO(zlib.decompress(files[lists[0]], limits.WINDOW_BITS))
    try:
        version, _ = runtime.header(lines.readline())
        lines.seek(0)
        found = list(runtime.blocks(lines))  # type: ignore[no-untyped-call]
    except (RepositoryError, ValueError) as error:
        raise BadContent(f"{runtime.NAME}: {error}") from error
    if version != header["micropython"]:
        raise BadContent(
            f"{runtime.NAME} is of MicroPython {version}, not {header['micropython']}"
        )
    return tuple(Entry(f"{runtime.NAME}, block {at}", *block) for at, block in enumerate(found))


def entries_of(data: bytes) -> tuple[Entry, ...]:
    """Return the files of a manifest that was accepted."""
    lines = io.BytesIO(data)
    lines.readline()
    return tuple(Entry(*found) for found in _entries(lines))


def attestation(sbom: bytes) -> str | None:
    """Return the SHA-256 (hex) of the provenance that an SBOM names; None unless just one."""
    try:
        document = json.loads(sbom)
        found = [
            entry["content"]
            for reference in document["externalReferences"]
            if reference["type"] == "attestation"
            for entry in reference["hashes"]
            if entry["alg"] == "SHA-256"
        ]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return found[0] if len(found) == 1 and isinstance(found[0], str) else None


def _evidence(header: dict[str, Any], members: dict[str, bytes]) -> dict[str, bytes]:
    """Return SBOM and provenance; BadContent unless they are there as the header says."""
    found = {name: members[name] for name in (SBOM, PROVENANCE) if name in members}
    if "sbom" not in header:
        if found:
            raise BadContent(f"manifest.jsonl names no {min(found)}")
        return {}
    if len(found) != 2:
        raise BadContent(f"manifest.jsonl names an SBOM: {SBOM} and {PROVENANCE} belong to it")
    if header["sbom"] != hashlib.sha256(found[SBOM]).hexdigest():
        raise BadContent(f"{SBOM} is not the one that was signed")
    if attestation(found[SBOM]) != hashlib.sha256(found[PROVENANCE]).hexdigest():
        raise BadContent(f"{PROVENANCE} is not the one that {SBOM} names")
    return found


def verify(entry: Entry, deflated: bytes) -> None:
    """Raise BadContent unless *deflated* inflates to what the manifest names."""
    if len(deflated) != entry.zsize:
        raise BadContent(f"{entry.path} has {len(deflated)} bytes deflated, not {entry.zsize}")
    inflater = zlib.decompressobj(limits.WINDOW_BITS)
    try:
        plain = inflater.decompress(deflated, entry.size + 1)
    except zlib.error as error:
        raise BadContent(f"{entry.path} does not inflate: {error}") from error
    if len(plain) != entry.size or not inflater.eof or inflater.unused_data:
        raise BadContent(f"{entry.path} is not of the size that was signed")
    if hashlib.sha256(plain).hexdigest() != entry.sha256:
        raise BadContent(f"{entry.path} is not the file that was signed")


def _entries(lines: io.BytesIO) -> Iterator[tuple[str, int, str, int]]:
    yield from manifest.entries(lines)  # type: ignore[no-untyped-call]


def _members(data: bytes) -> dict[str, bytes]:
    members: dict[str, bytes] = {}
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            infos = archive.infolist()
            if len(infos) > limits.MANIFEST_FILES + _BLOCKS_MAX + len(_CAPS):
                raise BadBundle("the bundle has too many members")
            for info in infos:
                name = info.filename
                if not _MEMBER.fullmatch(name) or name in members:
                    raise BadBundle("the bundle has a member that is foreign or doubled")
                if info.compress_type not in _PLAIN_METHODS or info.flag_bits & 1:
                    raise BadBundle(f"{name} is compressed or encrypted in a way not taken")
                cap = _CAPS.get(name, limits.FILE_BYTES)
                # The directory's size may lie: the cap counts what really comes out.
                with archive.open(info) as stream:
                    members[name] = stream.read(cap + 1)
                if len(members[name]) > cap:
                    raise BadBundle(f"{name} has more than {cap} bytes")
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError) as error:
        raise BadBundle("the body is not a sound zip file") from error
    except NotImplementedError as error:  # a later version of the format, patches, encryption
        raise BadBundle("the body uses what this reader of zip files does not know") from error
    return members
