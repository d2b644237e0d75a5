"""Rollouts, one action a node, and what the nodes said."""

from typing import Any

from sqlalchemy import JSON, BigInteger, Boolean, ForeignKey, Index, Integer, String, text
from sqlalchemy.orm import Mapped, mapped_column

from fleet.db import Base

_PENDING = text("state = 'pending'")
_GOING = text("active OR state = 'pending'")


class Rollout(Base):
    """One version for some nodes, wave by wave.

    state: active, paused, aborted, finished or rolled_back (append-only). plan: as
    `policy.Plan`. sizes: how many nodes each wave was made of. wave: the one under way, from 1.
    settled_at: when the last update of that wave had ended. accepted_wave: up to which wave an
    operator accepted that there are fewer outcomes than the plan asks for. reverts: the rollout
    that this one undoes.
    """

    __tablename__ = "rollouts"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    version: Mapped[str] = mapped_column(String(64))
    state: Mapped[str] = mapped_column(String(16))
    created_at: Mapped[int] = mapped_column(BigInteger)
    created_by: Mapped[str] = mapped_column(String(64))
    plan: Mapped[dict[str, Any]] = mapped_column(JSON)
    sizes: Mapped[list[int]] = mapped_column(JSON)
    wave: Mapped[int] = mapped_column(Integer, default=1)
    wave_started_at: Mapped[int | None] = mapped_column(BigInteger)
    settled_at: Mapped[int | None] = mapped_column(BigInteger)
    accepted_wave: Mapped[int] = mapped_column(Integer, default=0)
    reason: Mapped[str | None] = mapped_column(String(200))
    reverts: Mapped[int | None] = mapped_column(ForeignKey("rollouts.id"))


class Action(Base):
    """The update of one node; its id is DDI's action id.

    It waits as `pending`, not active, until the engine starts it: from started_at on DDI offers
    it, offered_at is when the node has seen it. position: its place in the rollout. moves: how
    often silence took it to a later wave. from_version: what the node ran before. restarts: its
    unplanned ones since it confirmed, when its counter stood at restarts_at. catch_up: made for
    a node that came back; no wave waits for it. superseded: the word of a later action of the
    same node counts instead. forgiven: a failure that an operator accepted by resuming.
    """

    __tablename__ = "actions"
    __table_args__ = (
        Index(
            "one_update_in_flight",
            "device_id",
            unique=True,
            sqlite_where=text("active"),
            postgresql_where=text("active"),
        ),
        Index(
            "one_update_ahead",
            "device_id",
            unique=True,
            sqlite_where=_PENDING,
            postgresql_where=_PENDING,
        ),
        Index("actions_going", "rollout_id", sqlite_where=_GOING, postgresql_where=_GOING),
        Index("actions_by_rollout", "rollout_id", "id"),
        Index("actions_by_device", "device_id", "id"),
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
    position: Mapped[int] = mapped_column(Integer, default=0)
    wave: Mapped[int] = mapped_column(Integer, default=1)
    started_at: Mapped[int | None] = mapped_column(BigInteger)
    from_version: Mapped[str | None] = mapped_column(String(64))
    moves: Mapped[int] = mapped_column(Integer, default=0)
    restarts_at: Mapped[int | None] = mapped_column(BigInteger)
    restarts: Mapped[int] = mapped_column(Integer, default=0)
    catch_up: Mapped[bool] = mapped_column(Boolean, default=False)
    superseded: Mapped[bool] = mapped_column(Boolean, default=False)
    forgiven: Mapped[bool] = mapped_column(Boolean, default=False)


class Report(Base):
    """One feedback of a node about its action, as it came."""

    __tablename__ = "reports"
    __table_args__ = (Index("reports_by_action", "action_id"),)

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    action_id: Mapped[int] = mapped_column(ForeignKey("actions.id"))
    at: Mapped[int] = mapped_column(BigInteger)
    state: Mapped[str] = mapped_column(String(16))
    details: Mapped[str] = mapped_column(String(4096))
