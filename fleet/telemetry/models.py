"""The table of observations."""

from sqlalchemy import BigInteger, Double, ForeignKey, Index, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from fleet.db import Base


class Observation(Base):
    """One datastream over one window. `value` is null where too few samples made a gap.

    The key is the node's own: the outbox's random id, the window's number in it, the stream.
    """

    __tablename__ = "observations"
    __table_args__ = (Index("observations_by_time", "device_id", "time", "stream", "box", "seq"),)

    device_id: Mapped[str] = mapped_column(ForeignKey("devices.id"), primary_key=True)
    box: Mapped[str] = mapped_column(String(8), primary_key=True)
    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    stream: Mapped[str] = mapped_column(String(32), primary_key=True)
    unit: Mapped[str] = mapped_column(String(16))
    time: Mapped[int] = mapped_column(BigInteger)
    length: Mapped[int] = mapped_column(Integer)
    value: Mapped[float | None] = mapped_column(Double)
    minimum: Mapped[float | None] = mapped_column(Double)
    maximum: Mapped[float | None] = mapped_column(Double)
    count: Mapped[int] = mapped_column(Integer)
    expected: Mapped[int] = mapped_column(Integer)
    received_at: Mapped[int] = mapped_column(BigInteger)
