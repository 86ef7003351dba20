"""Application acknowledgments that are still to be told at an address of their source's own; expected results."""

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
    op.create_table(
        "order_expected",
        sa.Column("focus_id", sa.String(36), nullable=False),
        sa.Column("unit", sa.Text, nullable=False),
        sa.Column("since", Instant, nullable=False),
        sa.ForeignKeyConstraint(["focus_id"], ["focus.id"], name=op.f("fk_order_expected_focus_id")),
        sa.PrimaryKeyConstraint("focus_id", name=op.f("pk_order_expected")),
        comment="Orders of which no result has come yet; since when they were told",
    )
    op.create_index(op.f("ix_order_expected_since"), "order_expected", ["since"])
    op.create_index(op.f("ix_order_expected_unit_since"), "order_expected", ["unit", "since"])
    op.add_column("serving", sa.Column("certificate_ends", Instant))
    op.create_index(op.f("ix_reply_due_source_message_id"), "reply_due", ["source", "message_id"])


def downgrade() -> None:
    """Go back: what is still to be told is forgotten."""
    op.drop_column("serving", "certificate_ends")
    op.drop_table("order_expected")
    op.drop_table("reply_due")
