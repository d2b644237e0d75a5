"""The last heartbeat of each node, and what the heartbeats told over time."""

from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from fleet.db import Base


class Heartbeat(Base):
    """Last values of one node; null is unknown. Sizes in bytes, times in unix seconds.

    starts: counts by cause as the node told them, since its flash was formatted. restarts: the
    unplanned ones, counted on here, so that they never fall. refused: values of the last
    heartbeat that made no sense; refusals: how many there were so far.
    """

    __tablename__ = "heartbeats"

    device_id: Mapped[str] = mapped_column(ForeignKey("devices.id"), primary_key=True)
    at: Mapped[int] = mapped_column(BigInteger)
    version: Mapped[str | None] = mapped_column(String(64))
    uptime_s: Mapped[int | None] = mapped_column(Integer)
    starts: Mapped[dict[str, int]] = mapped_column(JSON)
    restarts: Mapped[int | None] = mapped_column(BigInteger)
    heap_free: Mapped[int | None] = mapped_column(Integer)
    idf_free: Mapped[int | None] = mapped_column(Integer)
    idf_largest: Mapped[int | None] = mapped_column(Integer)
    outbox: Mapped[int | None] = mapped_column(Integer)
    dropped: Mapped[int | None] = mapped_column(Integer)
    set_aside: Mapped[int | None] = mapped_column(Integer)
    rssi: Mapped[int | None] = mapped_column(Integer)
    clock: Mapped[str | None] = mapped_column(String(16))
    errors: Mapped[dict[str, int]] = mapped_column(JSON)
    refusals: Mapped[int] = mapped_column(BigInteger)
    refused: Mapped[dict[str, str]] = mapped_column(JSON)


class NodeEvent(Base):
    """Something that only a heartbeat told. kind: a word of `words.EVENTS` (append-only)."""

    __tablename__ = "events"
    __table_args__ = (Index("events_by_device", "device_id", "at", "id"),)

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    device_id: Mapped[str] = mapped_column(ForeignKey("devices.id"))
    at: Mapped[int] = mapped_column(BigInteger)
    kind: Mapped[str] = mapped_column(String(32))
    detail: Mapped[dict[str, Any]] = mapped_column(JSON)
