"""Models of the matcher that were learnt from stored identities, and which of them was in force when."""

import sqlalchemy as sa
from alembic import op

from adapters.store.schema import Instant, Json

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema here."""
    op.create_table(
        "matching_model",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("trained_at", Instant(), nullable=False),
        sa.Column("principal", sa.String(64), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("records", sa.BigInteger(), nullable=False),
        sa.Column("pairs", sa.BigInteger(), nullable=False),
        sa.Column("matches", sa.BigInteger(), nullable=False),
        sa.Column("content", Json, nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_matching_model")),
        comment="Models of the matcher, learnt from stored identities, insert-only; number 0 is the shipped one",
    )
    op.create_table(
        "matching_model_use",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("model", sa.Integer(), nullable=False),
        sa.Column("since", Instant(), nullable=False),
        sa.Column("principal", sa.String(64), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_matching_model_use")),
        comment="Which model of the matcher is in force since when, insert-only; the last row holds",
    )


def downgrade() -> None:
    """Go back: the shipped model decides, and what was learnt is forgotten."""
    op.drop_table("matching_model_use")
    op.drop_table("matching_model")
