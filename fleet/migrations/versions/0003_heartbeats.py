"""Last values of each node, what its heartbeats told, and what a timeline and a list ask for."""

import sqlalchemy as sa
from alembic import op

from fleet.devices.order import version_order

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    _heartbeats()
    _events()
    _versions()
    op.create_index("audit_by_subject", "audit", ["subject", "at", "id"])


def downgrade() -> None:
    """Undo: what heartbeats told is lost."""
    op.drop_index("audit_by_subject", "audit")
    op.drop_column("devices", "version_order")
    op.drop_table("events")
    op.drop_table("heartbeats")


def _heartbeats() -> None:
    op.create_table(
        "heartbeats",
        sa.Column("device_id", sa.String(length=16), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.String(length=64), nullable=True),
        sa.Column("uptime_s", sa.Integer(), nullable=True),
        sa.Column("starts", sa.JSON(), nullable=False),
        sa.Column("restarts", sa.BigInteger(), nullable=True),
        sa.Column("heap_free", sa.Integer(), nullable=True),
        sa.Column("idf_free", sa.Integer(), nullable=True),
        sa.Column("idf_largest", sa.Integer(), nullable=True),
        sa.Column("outbox", sa.Integer(), nullable=True),
        sa.Column("dropped", sa.Integer(), nullable=True),
        sa.Column("set_aside", sa.Integer(), nullable=True),
        sa.Column("rssi", sa.Integer(), nullable=True),
        sa.Column("clock", sa.String(length=16), nullable=True),
        sa.Column("errors", sa.JSON(), nullable=False),
        sa.Column("refusals", sa.BigInteger(), nullable=False),
        sa.Column("refused", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["device_id"], ["devices.id"]),
        sa.PrimaryKeyConstraint("device_id"),
    )


def _events() -> None:
    op.create_table(
        "events",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("device_id", sa.String(length=16), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["device_id"], ["devices.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("events_by_device", "events", ["device_id", "at", "id"])


def _versions() -> None:
    """Give the versions that nodes run what they are sorted by."""
    op.add_column("devices", sa.Column("version_order", sa.String(length=96), nullable=True))
    devices = sa.table("devices", sa.column("version"), sa.column("version_order"))
    connection = op.get_bind()
    known = sa.select(devices.c.version).where(devices.c.version.is_not(None)).distinct()
    for version in connection.execute(known).scalars().all():
        connection.execute(
            sa.update(devices)
            .where(devices.c.version == version)
            .values(version_order=version_order(version))
        )
