"""Convocations: what patients are told of their appointments and planned stays, one row for each of these."""

import sqlalchemy as sa
from alembic import op

from adapters.store.schema import OPEN_CONVOCATION, Instant, Json

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema here."""
    op.create_table(
        "convocation",
        sa.Column("focus_id", sa.String(36), nullable=False),
        sa.Column("identity_id", sa.String(36), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("outcome", sa.String(16), nullable=False),
        sa.Column("open", sa.Boolean(), nullable=False),
        sa.Column("notice", sa.String(16), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("channel", sa.String(16), nullable=False),
        sa.Column("starts", Instant()),
        sa.Column("content", Json, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("updated_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("focus_id", name=op.f("pk_convocation")),
        sa.ForeignKeyConstraint(["focus_id"], ["focus.id"], name=op.f("fk_convocation_focus_id")),
        sa.ForeignKeyConstraint(["identity_id"], ["identity.id"], name=op.f("fk_convocation_identity_id")),
        comment="What patients are told of an appointment or a planned stay, one row each; the columns say of the last",
    )
    op.create_index(
        op.f("ix_convocation_identity_id"),
        "convocation",
        ["identity_id"],
        sqlite_where=OPEN_CONVOCATION,
        postgresql_where=OPEN_CONVOCATION,
    )
    op.create_index(op.f("ix_convocation_state_starts"), "convocation", ["state", "starts"])


def downgrade() -> None:
    """Go back: what patients were told is forgotten, but for the audit trail."""
    op.drop_table("convocation")
