"""What people decide of identities: decisions, the records that each is about, and what is in force on each record."""

import sqlalchemy as sa
from alembic import op

from adapters.store.schema import Json

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema here."""
    op.add_column("identity", sa.Column("rulings", Json, nullable=False, server_default="[]"))
    op.create_table(
        "identity_decision",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("standing", sa.String(16), nullable=False),
        sa.Column("one", sa.String(36), nullable=False),
        sa.Column("other", sa.String(36)),
        sa.Column("content", Json, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_identity_decision")),
        sa.ForeignKeyConstraint(["one"], ["identity.id"], name=op.f("fk_identity_decision_one")),
        sa.ForeignKeyConstraint(["other"], ["identity.id"], name=op.f("fk_identity_decision_other")),
        comment="What the identity desk decided of records and persons, with all that undoing it needs",
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_identity_decision_standing_kind_id"), "identity_decision", ["standing", "kind", "id"])
    op.create_table(
        "identity_decision_record",
        sa.Column("identity_id", sa.String(36), nullable=False),
        sa.Column("decision_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.PrimaryKeyConstraint("identity_id", "decision_id", name=op.f("pk_identity_decision_record")),
        sa.ForeignKeyConstraint(["identity_id"], ["identity.id"], name=op.f("fk_identity_decision_record_identity_id")),
        sa.ForeignKeyConstraint(
            ["decision_id"], ["identity_decision.id"], name=op.f("fk_identity_decision_record_decision_id")
        ),
        comment="Which records each decision was about",
    )
    op.create_index(op.f("ix_identity_decision_record_decision_id"), "identity_decision_record", ["decision_id"])


def downgrade() -> None:
    """Go back: what people decided is forgotten; the persons stay as they are."""
    op.drop_table("identity_decision_record")
    op.drop_table("identity_decision")
    op.drop_column("identity", "rulings")
