"""The table of releases."""

from sqlalchemy import BigInteger, Boolean, Integer, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from fleet.db import Base


class Release(Base):
    """One signed manifest. `listed`: the targets metadata in force still names it.

    `runtime`: the least MicroPython that it needs; `micropython`: the one that it brings, if any.
    """

    __tablename__ = "releases"
    __table_args__ = (UniqueConstraint("board", "version"),)

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    board: Mapped[str] = mapped_column(String(32))
    version: Mapped[str] = mapped_column(String(64))
    kind: Mapped[str] = mapped_column(String(16))
    listed: Mapped[bool] = mapped_column(Boolean)
    targets_version: Mapped[int] = mapped_column(Integer)
    floor: Mapped[str] = mapped_column(String(64))
    runtime: Mapped[str] = mapped_column(String(64))
    micropython: Mapped[str | None] = mapped_column(String(64))
    files: Mapped[int] = mapped_column(Integer)
    length: Mapped[int] = mapped_column(Integer)
    sha256: Mapped[str] = mapped_column(String(64))
    sha1: Mapped[str] = mapped_column(String(40))
    md5: Mapped[str] = mapped_column(String(32))
    created_at: Mapped[int] = mapped_column(BigInteger)
