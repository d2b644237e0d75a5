"""Rollouts, one action a node, and what the nodes said."""

from sqlalchemy import BigInteger, Boolean, ForeignKey, Index, Integer, String, text
from sqlalchemy.orm import Mapped, mapped_column

from fleet.db import Base


class Rollout(Base):
    """One version for some nodes. state: active, aborted or finished (append-only)."""

    __tablename__ = "rollouts"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    version: Mapped[str] = mapped_column(String(64))
    state: Mapped[str] = mapped_column(String(16))
    created_at: Mapped[int] = mapped_column(BigInteger)
    created_by: Mapped[str] = mapped_column(String(64))


class Action(Base):
    """The update of one node; its id is DDI's action id."""

    __tablename__ = "actions"
    __table_args__ = (
        Index(
            "one_update_in_flight",
            "device_id",
            unique=True,
            sqlite_where=text("active"),
            postgresql_where=text("active"),
        ),
        Index("actions_by_rollout", "rollout_id"),
    )

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    rollout_id: Mapped[int] = mapped_column(ForeignKey("rollouts.id"))
    device_id: Mapped[str] = mapped_column(ForeignKey("devices.id"))
    release_id: Mapped[int] = mapped_column(ForeignKey("releases.id"))
    active: Mapped[bool] = mapped_column(Boolean)
    cancelling: Mapped[bool] = mapped_column(Boolean)
    state: Mapped[str] = mapped_column(String(16))
    reason: Mapped[str | None] = mapped_column(String(200))
    offered_at: Mapped[int | None] = mapped_column(BigInteger)
    changed_at: Mapped[int] = mapped_column(BigInteger)


class Report(Base):
    """One feedback of a node about its action, as it came."""

    __tablename__ = "reports"
    __table_args__ = (Index("reports_by_action", "action_id"),)

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    action_id: Mapped[int] = mapped_column(ForeignKey("actions.id"))
    at: Mapped[int] = mapped_column(BigInteger)
    state: Mapped[str] = mapped_column(String(16))
    details: Mapped[str] = mapped_column(String(4096))
