"""The operator's view: held, owned, resolved and edited messages, and what finds a message among millions."""

import sqlalchemy as sa
from alembic import op

from adapters.store.schema import Instant

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_PARTIAL = {
    "ix_outcome_message_id_error_rule": (
        ["message_id", "error", "rule"],
        "state = 'quarantined' AND resolved_at IS NULL",
    ),
    "ix_outcome_error_message_id": (["error", "message_id"], "error <> ''"),
    "ix_outcome_duplicate_of": (["duplicate_of"], "duplicate_of IS NOT NULL"),
}


def upgrade() -> None:
    """Bring the schema here."""
    op.create_index(op.f("ix_message_source_id"), "message", ["source", "id"], unique=False)
    op.create_index(op.f("ix_message_message_type_id"), "message", ["message_type", "id"], unique=False)
    op.add_column("pending", sa.Column("held", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("outcome", sa.Column("resolved_at", Instant(), nullable=True))
    for name, (columns, where) in _PARTIAL.items():
        held = sa.text(where)
        op.create_index(op.f(name), "outcome", columns, unique=False, sqlite_where=held, postgresql_where=held)
    op.create_table(
        "message_hold",
        _message(),
        sa.Column("held_at", Instant(), nullable=False),
        sa.Column("principal", sa.String(length=64), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        *_keys("message_hold"),
        comment="What an operator keeps out of the pipeline, or out of bulk replay",
    )
    op.create_table(
        "message_owner",
        _message(),
        sa.Column("owner", sa.String(length=64), nullable=False),
        sa.Column("assigned_at", Instant(), nullable=False),
        *_keys("message_owner"),
        comment="Who looks after an error or a held message",
    )
    op.create_index(op.f("ix_message_owner_owner_message_id"), "message_owner", ["owner", "message_id"], unique=False)
    op.create_table(
        "message_edit",
        _message(),
        sa.Column("edited_from", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        *_keys("message_edit"),
        sa.ForeignKeyConstraint(["edited_from"], ["message.id"], name=op.f("fk_message_edit_edited_from")),
        comment="Messages that an operator edited, and what each was made from",
    )
    op.create_index(op.f("ix_message_edit_edited_from"), "message_edit", ["edited_from"], unique=False)
    op.create_table(
        "message_patient",
        sa.Column("value", sa.Text(), nullable=False),
        _message(),
        *_keys("message_patient", "value"),
        comment="Patients named by messages that took no effect; what took effect is found by its audit events",
    )


def _message() -> sa.Column[int]:
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    return sa.Column("message_id", number, autoincrement=False, nullable=False)


def _keys(table: str, *before: str) -> tuple[sa.Constraint, ...]:
    return (
        sa.PrimaryKeyConstraint(*before, "message_id", name=op.f(f"pk_{table}")),
        sa.ForeignKeyConstraint(["message_id"], ["message.id"], name=op.f(f"fk_{table}_message_id")),
    )


def downgrade() -> None:
    """Bring the schema back."""
    for table in ("message_patient", "message_edit", "message_owner", "message_hold"):
        op.drop_table(table)
    for name in _PARTIAL:
        op.drop_index(op.f(name), table_name="outcome")
    op.drop_column("outcome", "resolved_at")
    op.drop_column("pending", "held")
    op.drop_index(op.f("ix_message_message_type_id"), table_name="message")
    op.drop_index(op.f("ix_message_source_id"), table_name="message")
