"""Tokens: made, looked up, revoked. A token is shown once; the database keeps its SHA-256.

A fast hash is right here: the secret has 256 random bits, so there is nothing to guess.
"""

import hashlib
import secrets
from collections.abc import Sequence

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from fleet.access.models import ROLES, Token
from fleet.access.policy import Operator
from fleet.audit import service as audit

# The rows that other domains may hold: they reach them through here, not through the models.
__all__ = ["ROLES", "Token"]

PREFIX = "lamppost_"


def fingerprint(secret: str) -> str:
    """Return the stored form of a secret."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


async def create(
    session: AsyncSession,
    now: int,
    actor: str,
    *,
    name: str,
    role: str,
    sites: Sequence[str] | None,
    ttl_s: int,
) -> tuple[Token, str]:
    """Add a token and return it with its secret, which is nowhere else."""
    secret = PREFIX + secrets.token_urlsafe(32)
    token = Token(
        id=secrets.token_hex(4),
        name=name,
        role=role,
        sites=None if sites is None else sorted(set(sites)),
        hash=fingerprint(secret),
        created_at=now,
        expires_at=now + ttl_s,
        revoked_at=None,
    )
    session.add(token)
    audit.record(session, now, actor, "token.create", token.id, role=role, sites=token.sites)
    return token, secret


async def operator(session: AsyncSession, secret: str, now: int) -> Operator | None:
    """Return whom *secret* speaks for, or None if it is unknown, expired or revoked."""
    token = await session.scalar(select(Token).where(Token.hash == fingerprint(secret)))
    if token is None or token.revoked_at is not None or token.expires_at <= now:
        return None
    sites = None if token.sites is None else frozenset(token.sites)
    return Operator(token.id, token.name, token.role, sites)


async def list_all(session: AsyncSession) -> Sequence[Token]:
    """Return all tokens, oldest first."""
    return (await session.scalars(select(Token).order_by(Token.created_at, Token.id))).all()


async def revoke(session: AsyncSession, now: int, actor: str, token_id: str) -> bool:
    """Revoke a token at once; False if there is none in force under that id."""
    statement = (
        update(Token)
        .where(Token.id == token_id, Token.revoked_at.is_(None))
        .values(revoked_at=now)
        .returning(Token.id)
    )
    if await session.scalar(statement) is None:
        return False
    audit.record(session, now, actor, "token.revoke", token_id)
    return True
