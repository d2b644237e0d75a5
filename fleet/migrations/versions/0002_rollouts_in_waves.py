"""Rollouts get a plan, waves and a reason; the update of a node knows when it began and from what.

Columns are added one by one: making a table anew, which SQLite would need for more, would delete
what refers to it.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# What rollouts did before there were plans: everybody at once; only if all fail it is stopped.
_PLAN = {
    "waves": [{"percent": 100}],
    "success_percent": 0,
    "failure_percent": 100,
    "min_sample": 1000,
    "soak_s": 0,
    "deadline_s": 30 * 86400,
    "max_in_flight": 1000,
    "max_restarts": 1000,
}
_NONE = sa.text("0")
_NO = sa.false()


def upgrade() -> None:
    """Apply."""
    _rollouts()
    _actions()
    _indexes()
    _former()


def downgrade() -> None:
    """Refuse: rollouts under way could not go on without their plans."""
    raise RuntimeError("this revision cannot be undone: restore a backup instead")


def _rollouts() -> None:
    for column in (
        sa.Column("plan", sa.JSON(), nullable=False, server_default="{}"),
        sa.Column("sizes", sa.JSON(), nullable=False, server_default="[]"),
        sa.Column("wave", sa.Integer(), nullable=False, server_default=sa.text("1")),
        sa.Column("wave_started_at", sa.BigInteger(), nullable=True),
        sa.Column("settled_at", sa.BigInteger(), nullable=True),
        sa.Column("accepted_wave", sa.Integer(), nullable=False, server_default=_NONE),
        sa.Column("reason", sa.String(length=200), nullable=True),
    ):
        op.add_column("rollouts", column)
    # Alembic would add the reference afterwards, which SQLite cannot.
    op.execute("ALTER TABLE rollouts ADD COLUMN reverts INTEGER REFERENCES rollouts (id)")


def _actions() -> None:
    for column in (
        sa.Column("position", sa.Integer(), nullable=False, server_default=_NONE),
        sa.Column("wave", sa.Integer(), nullable=False, server_default=sa.text("1")),
        sa.Column("started_at", sa.BigInteger(), nullable=True),
        sa.Column("from_version", sa.String(length=64), nullable=True),
        sa.Column("moves", sa.Integer(), nullable=False, server_default=_NONE),
        sa.Column("restarts_at", sa.BigInteger(), nullable=True),
        sa.Column("restarts", sa.Integer(), nullable=False, server_default=_NONE),
        sa.Column("catch_up", sa.Boolean(), nullable=False, server_default=_NO),
        sa.Column("superseded", sa.Boolean(), nullable=False, server_default=_NO),
        sa.Column("forgiven", sa.Boolean(), nullable=False, server_default=_NO),
    ):
        op.add_column("actions", column)


def _indexes() -> None:
    op.drop_index("actions_by_rollout", "actions")
    op.create_index("actions_by_rollout", "actions", ["rollout_id", "id"])
    op.create_index("actions_by_device", "actions", ["device_id", "id"])
    pending, going = sa.text("state = 'pending'"), sa.text("active OR state = 'pending'")
    op.create_index(
        "one_update_ahead",
        "actions",
        ["device_id"],
        unique=True,
        sqlite_where=pending,
        postgresql_where=pending,
    )
    op.create_index(
        "actions_going", "actions", ["rollout_id"], sqlite_where=going, postgresql_where=going
    )


def _former() -> None:
    """Give rollouts that were made before a plan, and their updates a beginning."""
    connection = op.get_bind()
    counted = sa.text("SELECT rollout_id, count(*) FROM actions GROUP BY rollout_id")
    rollouts = sa.table(
        "rollouts", sa.column("id"), sa.column("plan", sa.JSON), sa.column("sizes", sa.JSON)
    )
    for rollout_id, size in connection.execute(counted).all():
        connection.execute(
            sa.update(rollouts).where(rollouts.c.id == rollout_id).values(plan=_PLAN, sizes=[size])
        )
    op.execute("UPDATE rollouts SET wave_started_at = created_at")
    op.execute("UPDATE actions SET started_at = changed_at")
