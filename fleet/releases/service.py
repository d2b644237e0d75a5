"""Releases in the database: the repository's files say what is genuine, rows what is ours."""

import hashlib
from collections.abc import Sequence

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from fleet.audit import service as audit
from fleet.db import Database
from fleet.releases.bundle import Bundle
from fleet.releases.models import Release
from fleet.releases.repository import Accepted

# The rows that other domains may hold: they reach them through here, not through the models.
__all__ = ["Release"]

LAMPPOST = "lamppost"


async def record(
    session: AsyncSession,
    database: Database,
    now: int,
    actor: str,
    bundle: Bundle,
    accepted: Accepted,
) -> Release:
    """Add the release unless it is there, and note which releases are still listed.

    Of two uploads at once the later metadata has the last word, whichever comes here first.
    """
    header = bundle.header
    added = await _add(session, database, now, bundle, accepted.targets_version)
    await session.execute(
        update(Release)
        .where(
            Release.board == header["board"],
            Release.version == header["version"],
            Release.targets_version < accepted.targets_version,
        )
        .values(targets_version=accepted.targets_version)
    )
    await _list(session, accepted)
    found = await find(session, header["board"], header["version"])
    assert found is not None
    if added:
        subject = f"{found.board} {found.version}"
        audit.record(session, now, actor, "release.upload", subject, sha256=found.sha256)
    return found


async def _add(
    session: AsyncSession, database: Database, now: int, bundle: Bundle, targets_version: int
) -> bool:
    header, data = bundle.header, bundle.manifest
    statement = (
        database.insert(Release)
        .values(
            board=header["board"],
            version=header["version"],
            kind=LAMPPOST,
            listed=True,
            targets_version=targets_version,
            floor=header["floor"],
            runtime=header["runtime"],
            micropython=header["micropython"] or None,
            files=len(bundle.entries),
            length=len(data),
            sha256=hashlib.sha256(data).hexdigest(),
            # DDI names all three; only SHA-256 decides anything.
            sha1=hashlib.sha1(data, usedforsecurity=False).hexdigest(),
            md5=hashlib.md5(data, usedforsecurity=False).hexdigest(),
            created_at=now,
        )
        .on_conflict_do_nothing()
        .returning(Release.id)
    )
    return await session.scalar(statement) is not None


async def root_taken(
    session: AsyncSession, now: int, actor: str, version: int, root: bytes, accepted: Accepted
) -> None:
    """Note that a root is in force, and which releases its targets metadata lists."""
    await _mark(session, accepted)
    digest = hashlib.sha256(root).hexdigest()
    audit.record(session, now, actor, "release.root", f"root {version}", sha256=digest)


async def _list(session: AsyncSession, accepted: Accepted) -> None:
    newest = await session.scalar(select(func.max(Release.targets_version)))
    if newest == accepted.targets_version:
        await _mark(session, accepted)


async def _mark(session: AsyncSession, accepted: Accepted) -> None:
    for release in await page(session):
        listed = f"{release.board}/{release.version}.jsonl" in accepted.listed
        await session.execute(
            update(Release).where(Release.id == release.id).values(listed=listed)
        )


async def page(session: AsyncSession) -> Sequence[Release]:
    """Return all releases, newest first (the node's 8 KB of targets bound those listed)."""
    query = select(Release).order_by(Release.id.desc())
    return (await session.scalars(query)).all()


async def find(session: AsyncSession, board: str, version: str) -> Release | None:
    """Return the release of a version for a board."""
    query = select(Release).where(Release.board == board, Release.version == version)
    return await session.scalar(query.execution_options(populate_existing=True))


async def get(session: AsyncSession, release_id: int) -> Release | None:
    """Return a release by its row id."""
    return await session.get(Release, release_id)
