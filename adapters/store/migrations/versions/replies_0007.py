"""Application acknowledgments that are still to be told at an address of their source's own; certificates' ends."""

import sqlalchemy as sa
from alembic import op

from adapters.store.schema import Instant

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema here."""
    op.create_table(
        "reply_due",
        sa.Column("message_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("source", sa.String(64), nullable=False),
        sa.ForeignKeyConstraint(["message_id"], ["message.id"], name=op.f("fk_reply_due_message_id")),
        sa.PrimaryKeyConstraint("message_id", name=op.f("pk_reply_due")),
        comment="Application acknowledgments that an address of the source's own is still to be told",
    )
    op.add_column("serving", sa.Column("certificate_ends", Instant))
    op.create_index(op.f("ix_reply_due_source_message_id"), "reply_due", ["source", "message_id"])


def downgrade() -> None:
    """Go back: what is still to be told is forgotten."""
    op.drop_column("serving", "certificate_ends")
    op.drop_table("reply_due")
