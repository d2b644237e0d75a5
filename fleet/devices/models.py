"""The table of nodes."""

from typing import Any

from sqlalchemy import JSON, BigInteger, CheckConstraint, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from fleet.db import Base


class Device(Base):
    """A node. Its states are stored: append-only. Times are unix seconds.

    version_order: sorts as the version's precedence does.
    """

    __tablename__ = "devices"
    __table_args__ = (
        CheckConstraint(
            "state IN ('claimed', 'active', 'quarantined', 'retired')", name="device_state"
        ),
        Index("devices_by_site", "site", "id"),
    )

    id: Mapped[str] = mapped_column(String(16), primary_key=True)
    site: Mapped[str] = mapped_column(String(63))
    name: Mapped[str] = mapped_column(String(100))
    board: Mapped[str] = mapped_column(String(32))
    state: Mapped[str] = mapped_column(String(16))
    version: Mapped[str | None] = mapped_column(String(64))
    version_order: Mapped[str | None] = mapped_column(String(96))
    attributes: Mapped[dict[str, Any]] = mapped_column(JSON)
    created_at: Mapped[int] = mapped_column(BigInteger)
    seen_at: Mapped[int | None] = mapped_column(BigInteger)
