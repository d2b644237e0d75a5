"""The audit table: triggers of the first migration refuse UPDATE, DELETE and TRUNCATE."""

from typing import Any

from sqlalchemy import JSON, BigInteger, Index, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from fleet.db import Base


class Event(Base):
    """Who did what to what, and whether it was let.

    actor: `operator:<token id>`, `node:<device id>`, `local` (the server's own shell) or
    `anonymous`. act: `<domain>.<verb>` (append-only). outcome: `done` or `refused`.
    """

    __tablename__ = "audit"
    __table_args__ = (
        Index("audit_by_site", "site", "id"),
        Index("audit_by_subject", "subject", "at", "id"),
    )

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    at: Mapped[int] = mapped_column(BigInteger)
    actor: Mapped[str] = mapped_column(String(64))
    act: Mapped[str] = mapped_column(String(64))
    subject: Mapped[str] = mapped_column(String(200))
    site: Mapped[str | None] = mapped_column(String(63))
    outcome: Mapped[str] = mapped_column(String(16))
    detail: Mapped[dict[str, Any]] = mapped_column(JSON)
