"""What operations people watch: who serves, sources' traffic, alarms; a secretariat's oldest open item by index."""

import sqlalchemy as sa
from alembic import op

from adapters.store.schema import Instant

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema here."""
    op.create_table(
        "serving",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("host", sa.String(length=255), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("version", sa.String(length=32), nullable=False),
        sa.Column("started_at", Instant(), nullable=False),
        sa.Column("beat_at", Instant(), nullable=False),
        sa.Column("intake", sa.String(length=16), nullable=False),
        sa.Column("broker", sa.Boolean(), nullable=True),
        sa.Column("connections", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_serving")),
        comment="Processes that serve: each renews its row every other second and removes it when it ends in order",
    )
    op.create_table(
        "source_seen",
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("last_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("source", name=op.f("pk_source_seen")),
        comment="When each source last sent something, to within two seconds",
    )
    op.create_table(
        "traffic",
        sa.Column("slot", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("process", sa.String(length=36), nullable=False),
        sa.Column("messages", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("slot", "source", "process", name=op.f("pk_traffic")),
        comment="Messages received in each ten seconds of the last hour, by source and process",
    )
    op.create_table(
        "tally",
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("labels", sa.String(length=160), nullable=False),
        sa.Column("amount", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("name", "labels", name=op.f("pk_tally")),
        comment="What all processes have counted and timed since the database was made, added to every other second",
    )
    op.create_table(
        "alarm",
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("subject", sa.String(length=64), nullable=False),
        sa.Column("raised_at", Instant(), nullable=False),
        sa.Column("value", sa.Float(), nullable=False),
        sa.Column("threshold", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("name", "subject", name=op.f("pk_alarm")),
        comment="Alarms under way; a row is removed when its alarm is resolved",
    )
    op.create_table(
        "alarm_notice",
        sa.Column("sequence", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("subject", sa.String(length=64), nullable=False),
        sa.Column("raised", sa.Boolean(), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("value", sa.Float(), nullable=True),
        sa.Column("threshold", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_alarm_notice")),
        comment="What the alarm webhook is still to be told; a row is removed when it was",
        sqlite_autoincrement=True,
    )
    op.drop_index(op.f("ix_work_item_secretariat_state"), table_name="work_item")
    op.create_index(
        op.f("ix_work_item_secretariat_state_created_at"),
        "work_item",
        ["secretariat", "state", "created_at"],
        unique=False,
    )


def downgrade() -> None:
    """Go back."""
    op.drop_index(op.f("ix_work_item_secretariat_state_created_at"), table_name="work_item")
    op.create_index(op.f("ix_work_item_secretariat_state"), "work_item", ["secretariat", "state"], unique=False)
    for table in ("alarm_notice", "alarm", "tally", "traffic", "source_seen", "serving"):
        op.drop_table(table)
