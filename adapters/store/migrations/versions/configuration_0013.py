"""Which configuration the service has run with, so that an item's rules can be read years later."""

import sqlalchemy as sa
from alembic import op

from adapters.store.schema import Instant, Json

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema here."""
    op.create_table(
        "configuration",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("version", sa.String(16), nullable=False),
        sa.Column("description", Json, nullable=False),
        sa.Column("principal", sa.String(64), nullable=False),
        sa.Column("at", Instant, nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_configuration")),
        comment="Versions of the site's configuration that a service has run with, in order",
    )


def downgrade() -> None:
    """Go back: the versions are forgotten; what the audit trail names of them stays."""
    op.drop_table("configuration")
