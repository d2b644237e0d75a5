"""Releases: bundles in from operators, metadata and files out to nodes (and anyone)."""

from typing import Annotated

import anyio.to_thread
from fastapi import APIRouter, Path, Request, Response
from pydantic import BaseModel

from fleet import bodies, context, limits, static
from fleet.access.guard import CallerDep
from fleet.errors import NotFound
from fleet.releases import bundle, service
from fleet.releases.errors import NoRepository
from fleet.releases.service import Release
from fleet.schemas import Board, Schema, Version

router = APIRouter(prefix="/releases", tags=["releases"])
device_router = APIRouter(tags=["static"])
_ZIP = {
    "requestBody": {
        "required": True,
        "content": {"application/zip": {"schema": {"type": "string", "format": "binary"}}},
    }
}
MetadataName = Annotated[
    str,
    Path(pattern=r"^([1-9][0-9]{0,8}\.(root|snapshot|targets)|timestamp)\.json$"),
]
TargetName = Annotated[
    str, Path(pattern=r"^[0-9a-f]{64}\.[0-9A-Za-z.+-]{1,64}\.jsonl(\.[0-9a-f]{64})?$")
]
Sha256 = Annotated[str, Path(pattern=r"^[0-9a-f]{64}(\.[0-9a-f]{64})?$")]


class ReleaseOut(BaseModel):
    """A release. `listed`: the signed metadata in force still allows its installation.

    `runtime`: the least MicroPython that it needs; `micropython`: the one that it brings, if any.
    """

    id: int
    board: str
    version: str
    kind: str
    listed: bool
    targets_version: int
    floor: str
    runtime: str
    micropython: str | None
    files: int
    length: int
    sha256: str
    created_at: int


class Releases(BaseModel):
    """All releases, newest first."""

    releases: list[ReleaseOut]


class RootIn(Schema):
    """The next root and, where its targets keys are new, targets metadata under them.

    Both as text, byte for byte as signed: `lamppost ota sign` leaves them so in root-N.json.
    """

    root: str
    targets: str | None = None


class RootOut(BaseModel):
    """What is in force now."""

    root: int
    targets: int


class RoleOut(BaseModel):
    """A role in force: expires in unix seconds; keys: holder's name, where known, by key id."""

    version: int
    expires: int
    threshold: int
    keys: dict[str, str | None]


class MetadataOut(BaseModel):
    """All four roles in force; alarms: what is wrong with them or will be soon, in words."""

    roles: dict[str, RoleOut]
    alarms: list[str]


def _out(release: Release) -> ReleaseOut:
    return ReleaseOut.model_validate(release, from_attributes=True)


@router.post("", status_code=201, openapi_extra=_ZIP)
async def upload(request: Request, caller: CallerDep) -> ReleaseOut:
    """Take a signed bundle in: verified against the repository's root, then offered to none."""
    await caller.require("release.upload", None)
    bodies.media_type(request, "application/zip")
    data = await bodies.read(request, limits.BUNDLE_BYTES)
    found = context.of(request)
    now = found.now()
    read = await anyio.to_thread.run_sync(bundle.read, data)
    accepted = await anyio.to_thread.run_sync(found.repository.accept, read, now)
    async with found.database.write() as session:
        release = await service.record(session, found.database, now, caller.actor, read, accepted)
    return _out(release)


@router.get("")
async def page(caller: CallerDep) -> Releases:
    """List releases, newest first."""
    await caller.require("release.read", None)
    async with caller.context.database.read() as session:
        found = await service.page(session)
    return Releases(releases=[_out(release) for release in found])


@router.post("/metadata")
async def take_root(request: Request, caller: CallerDep, body: RootIn) -> RootOut:
    """Put the next root in force: signed by enough keys of the one before and of its own.

    Every N.root.json stays for ever, so that a node that was dark for years walks up to it.
    """
    await caller.require("release.upload", None)
    found = context.of(request)
    now = found.now()
    # Half a surrogate pair becomes bytes that are no UTF-8, and is refused with them.
    root = body.root.encode(errors="surrogatepass")
    given = None if body.targets is None else body.targets.encode(errors="surrogatepass")
    accepted = await anyio.to_thread.run_sync(found.repository.take_root, root, given, now)
    state = await anyio.to_thread.run_sync(found.repository.state, now)
    assert state is not None
    version = state.roles["root"].version
    async with found.database.write() as session:
        await service.root_taken(session, now, caller.actor, version, root, accepted)
    return RootOut(root=version, targets=accepted.targets_version)


@router.get("/metadata")
async def metadata_state(request: Request, caller: CallerDep) -> MetadataOut:
    """Say which keys count, what expires when, and what is wrong with it."""
    await caller.require("release.read", None)
    found = context.of(request)
    state = await anyio.to_thread.run_sync(found.repository.state, found.now())
    if state is None:
        raise NoRepository("there is no repository yet: run `lamppost ota init`")
    return MetadataOut.model_validate(state, from_attributes=True)


@router.get("/{board}/{version}/sbom", response_class=Response)
async def sbom(request: Request, caller: CallerDep, board: Board, version: Version) -> Response:
    """Serve a release's software bill of materials (CycloneDX JSON), byte for byte as signed."""
    media_type = "application/vnd.cyclonedx+json"
    return await _evidence(request, caller, board, version, bundle.SBOM, media_type)


@router.get("/{board}/{version}/provenance", response_class=Response)
async def provenance(
    request: Request, caller: CallerDep, board: Board, version: Version
) -> Response:
    """Serve a release's SLSA provenance (in-toto statement), byte for byte as signed."""
    media_type = "application/vnd.in-toto+json"
    return await _evidence(request, caller, board, version, bundle.PROVENANCE, media_type)


async def _evidence(
    request: Request, caller: CallerDep, board: str, version: str, member: str, media_type: str
) -> Response:
    await caller.require("release.read", None)
    async with caller.context.database.read() as session:
        release = await service.find(session, board, version)
    if release is None:
        raise NotFound(f"there is no release {version} for {board}")
    repository = caller.context.repository
    name = f"{release.sha256}.{release.version}.jsonl"
    path = await anyio.to_thread.run_sync(repository.evidence, board, name, member)
    if path is None:
        raise NotFound(f"release {version} for {board} was published without SBOM and provenance")
    return static.response(request, path, media_type=media_type, lasting=True)


@device_router.get("/tuf/metadata/{name}", response_class=Response)
async def metadata(request: Request, name: MetadataName) -> Response:
    """Serve TUF metadata. All but the timestamp are immutable under their names."""
    path = context.of(request).repository.metadata(name)
    lasting = name != "timestamp.json"
    return static.response(request, path, media_type="application/json", lasting=lasting)


@device_router.get("/tuf/targets/{board}/{name}", response_class=Response)
async def target(request: Request, board: Board, name: TargetName) -> Response:
    """Serve a manifest under its consistent-snapshot name, or a patch to it from another one."""
    path = context.of(request).repository.target(board, name)
    return static.response(request, path, lasting=True)


@device_router.get("/files/{sha256}", response_class=Response)
async def file(request: Request, sha256: Sha256) -> Response:
    """Serve a file's deflated content by the SHA-256 of its plain content, or a patch to it."""
    path = context.of(request).repository.file(sha256)
    return static.response(request, path, lasting=True)
