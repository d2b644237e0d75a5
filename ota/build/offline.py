"""The offline bundle: a release and all metadata that vouches for it, as one file to carry.

A zip whose members are the server's own paths, so that it is a mirror of just one release:

    tuf/metadata/    every N.root.json, timestamp.json, N.snapshot.json, N.targets.json and,
                     where a delegated role lists the release, its metadata
    tuf/targets/     BOARD/SHA256.VERSION.jsonl, the manifest
    files/           SHA256: each file, deflated
    evidence/        SHA256: the SBOM, if wanted

What belongs in is what a TUF client asks for: the reference client walks over the source, and
every file that it was given is kept. The same walk over a bundle's own members checks it. It
begins at the bundle's first root and proves no origin: that is for the node to judge, by its own.
"""

import io
import json
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from tuf.api.exceptions import (
    DownloadError,
    DownloadHTTPError,
    ExpiredMetadataError,
    RepositoryError,
)
from tuf.ngclient import FetcherInterface, Updater, UpdaterConfig

from ota.build import bundle, carried
from ota.build.entries import checked
from ota.build.errors import BuildError
from ota.build.release import Header, parse, sbom_digest
from ota.core import limits

METADATA = "tuf/metadata/"
TARGETS = "tuf/targets/"
FILES = "files/"
EVIDENCE = "evidence/"
_MEMBERS_MAX = 512
_SBOM_MAX = 1 << 20
_CONFIG = UpdaterConfig(
    root_max_length=limits.ROOT_BYTES,
    timestamp_max_length=limits.TIMESTAMP_BYTES,
    snapshot_max_length=limits.SNAPSHOT_BYTES,
    targets_max_length=limits.TARGETS_BYTES,
)

# From a path below the server's root, and the most bytes that are wanted, to the bytes that lie
# there; None when there is no such file.
Source = Callable[[str, int], bytes | None]


class StaleError(BuildError):
    """Genuine once, and over: metadata has expired."""


@dataclass(frozen=True)
class Offline:
    """One release with what vouches for it.

    files: deflated sizes in bytes by SHA-256 (hex) of the plain content. until: unix seconds at
    which the first of its metadata expires. members: bytes by path.
    """

    header: Header
    files: Mapping[str, int]
    until: int
    members: Mapping[str, bytes]


def collect(source: Source, board: str, version: str, *, sbom: bool = False) -> Offline:
    """Walk over a source as a node would; return the release with all that the walk needed.

    StaleError when metadata has expired, BuildError when anything is missing or wrong.
    """
    recorder = _Recorder(source)
    try:
        manifest = _walk(recorder, f"{board}/{version}.jsonl")
    except ExpiredMetadataError as error:
        raise StaleError(f"{error}: export it anew from a server that runs") from error
    except (RepositoryError, DownloadError, ValueError) as error:
        raise BuildError(str(error)) from error
    header, lines = parse(manifest)
    files = {}
    for line in lines:
        deflated = recorder.get(FILES + line[2], limits.FILE_BYTES)
        found = checked(line, deflated)
        files[line[2]] = line[3]
        if found.path == carried.NAME:
            taken = carried.taken(
                found.plain, lambda sha256: recorder.get(FILES + sha256, limits.FILE_BYTES)
            )
            files |= {sha256: len(block) for sha256, block in taken.blocks.items()}
    digest = sbom_digest(manifest)
    if sbom and digest is None:
        raise BuildError(f"release {version} was built without an SBOM")
    if sbom:
        recorder.get(f"{EVIDENCE}{digest}", _SBOM_MAX)
    return Offline(header, files, _until(recorder.got), recorder.got)


def pack(offline: Offline) -> bytes:
    """Return an offline bundle's bytes, the same for the same members."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(offline.members):
            info = zipfile.ZipInfo(name)
            info.create_system = 3
            info.external_attr = 0o100644 << 16
            archive.writestr(info, offline.members[name])
    return out.getvalue()


def load(path: Path) -> Offline:
    """Read an offline bundle and check it from end to end; StaleError or BuildError."""
    try:
        members = _members(bundle.content(path))
        return collect(lambda name, _: members.get(name), *_release(members))
    except StaleError as error:
        raise StaleError(f"bundle {path}: {error.message}") from error
    except BuildError as error:
        raise BuildError(f"bundle {path}: {error.message}") from error


def folder(server: Path) -> Source:
    """Return the source that reads HOME/server."""

    def get(path: str, limit: int) -> bytes | None:
        try:
            with (server / path).open("rb") as file:
                return file.read(limit + 1)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise BuildError(f"{server / path}: {error.strerror}") from error

    return get


class _Recorder(FetcherInterface):
    """Hands a source's files to the reference client, and keeps them."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self.got: dict[str, bytes] = {}

    def get(self, path: str, limit: int) -> bytes:
        """Return a file that must be there."""
        data = self._source(path, limit)
        if data is None:
            raise BuildError(f"{path} is missing")
        if len(data) > limit:
            raise BuildError(f"{path} has more than {limit} bytes")
        self.got[path] = data
        return data

    def _fetch(self, url: str) -> Iterator[bytes]:
        data = self._source(url, limits.MANIFEST_BYTES)
        if data is None:
            raise DownloadHTTPError(f"{url} is missing", 404)
        self.got[url] = data
        return iter([data])


def _walk(recorder: _Recorder, path: str) -> bytes:
    """Have the reference client verify everything from the first root to the manifest."""
    first = recorder.get(METADATA + "1.root.json", limits.ROOT_BYTES)
    with tempfile.TemporaryDirectory() as scratch:
        client = Updater(scratch, METADATA, scratch, TARGETS, recorder, _CONFIG, bootstrap=first)
        client.refresh()
        found = client.get_targetinfo(path)
        if found is None:
            raise BuildError(f"{path} is not among the signed targets: withdrawn, or never there")
        if found.length > limits.MANIFEST_BYTES:
            raise BuildError(f"{path} has more than {limits.MANIFEST_BYTES} bytes")
        return Path(client.download_target(found)).read_bytes()


def _until(members: Mapping[str, bytes]) -> int:
    """Return when the first of the metadata that counts expires."""
    newest: dict[str, tuple[int, str]] = {}
    for path, data in members.items():
        if path.startswith(METADATA):
            signed = json.loads(data)["signed"]
            role = path.rpartition("/")[2].removesuffix(".json").lstrip("0123456789.")
            newest[role] = max(newest.get(role, (0, "")), (signed["version"], signed["expires"]))
    ends = [datetime.fromisoformat(expires) for _, expires in newest.values()]
    return int(min(ends).timestamp())


def _members(data: bytes) -> dict[str, bytes]:
    try:
        with bundle.opened(data) as archive:
            infos = archive.infolist()
            if len(infos) > _MEMBERS_MAX:
                raise BuildError(f"more than {_MEMBERS_MAX} members")
            return {info.filename: archive.read(info) for info in infos}
    except bundle.DAMAGE as error:
        raise BuildError(f"damaged, or no zip file of ours: {error}") from error


def _release(members: Mapping[str, Any]) -> tuple[str, str]:
    """Return board and version of the one release in a bundle."""
    found = [name.removeprefix(TARGETS) for name in members if name.startswith(TARGETS)]
    if len(found) != 1:
        raise BuildError("no offline bundle: `lamppost ota bundle-export` makes one")
    board, _, name = found[0].partition("/")
    return board, name.partition(".")[2].removesuffix(".jsonl")
