"""Practitioners and units as their master files tell them; items say what was odd in what they are about."""

import sqlalchemy as sa
from alembic import op

from adapters.store.schema import Instant, Json

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema here."""
    op.add_column("work_item", sa.Column("remarks", Json, nullable=False, server_default="[]"))
    op.create_table(
        "directory_entry",
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("authority", sa.Text, nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        sa.Column("label", sa.Text, nullable=False),
        sa.Column("unit", sa.Text, nullable=False),
        sa.Column("active", sa.Boolean, nullable=False),
        sa.Column("source", sa.String(64), nullable=False),
        sa.Column("told_at", Instant),
        sa.PrimaryKeyConstraint("kind", "authority", "value", name=op.f("pk_directory_entry")),
        comment="Practitioners and units as their master files tell them",
    )


def downgrade() -> None:
    """Go back: what master files told is forgotten."""
    op.drop_table("directory_entry")
    op.drop_column("work_item", "remarks")
