"""PURE: a signed bundle (zip) taken apart under caps, before anything is believed or stored.

Members: manifest.jsonl, targets.json, files/<SHA-256 of the plain file> (zlib, 4 KB window).
"""

import hashlib
import io
import re
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from fleet.releases.errors import BadBundle, BadContent
from ota.core import limits, manifest
from ota.core.errors import RepositoryError

_MEMBER = re.compile(r"manifest\.jsonl|targets\.json|files/[0-9a-f]{64}")
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
    """A bundle whose parts agree with its own manifest. `files`: deflated, by SHA-256."""

    header: dict[str, Any]
    manifest: bytes
    entries: tuple[Entry, ...]
    files: dict[str, bytes]
    targets: bytes

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
    files = {}
    for entry in entries:
        deflated = members.get(f"files/{entry.sha256}")
        if deflated is not None:
            verify(entry, deflated)
            files[entry.sha256] = deflated
    return Bundle(header, members["manifest.jsonl"], entries, files, members["targets.json"])


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
    caps = {"manifest.jsonl": limits.MANIFEST_BYTES, "targets.json": limits.TARGETS_BYTES}
    members: dict[str, bytes] = {}
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            infos = archive.infolist()
            if len(infos) > limits.MANIFEST_FILES + len(caps):
                raise BadBundle("the bundle has too many members")
            for info in infos:
                name = info.filename
                if not _MEMBER.fullmatch(name) or name in members:
                    raise BadBundle("the bundle has a member that is foreign or doubled")
                if info.compress_type not in _PLAIN_METHODS or info.flag_bits & 1:
                    raise BadBundle(f"{name} is compressed or encrypted in a way not taken")
                cap = caps.get(name, limits.FILE_BYTES)
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
