"""Hashes under which records that may be of one person are found; `gateway identity scan` files what is stored."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema here."""
    op.create_table(
        "blocking_key",
        sa.Column("hash", sa.String(24), nullable=False),
        sa.Column("identity_id", sa.String(36), nullable=False),
        sa.PrimaryKeyConstraint("hash", "identity_id", name=op.f("pk_blocking_key")),
        sa.ForeignKeyConstraint(["identity_id"], ["identity.id"], name=op.f("fk_blocking_key_identity_id")),
        comment="Hashes under which records that may be of one person are found: a letter for the kind, and no trait",
    )
    op.create_index(op.f("ix_blocking_key_identity_id"), "blocking_key", ["identity_id"])


def downgrade() -> None:
    """Go back: nobody is found by likeness any more."""
    op.drop_table("blocking_key")
