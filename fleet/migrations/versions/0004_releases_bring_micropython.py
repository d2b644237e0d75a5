"""Which MicroPython a release brings, if any."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply; releases from before bring none that is known."""
    op.add_column("releases", sa.Column("micropython", sa.String(length=64), nullable=True))


def downgrade() -> None:
    """Undo."""
    op.drop_column("releases", "micropython")
