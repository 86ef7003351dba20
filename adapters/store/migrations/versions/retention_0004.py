"""Bodies stand in a table of their own, so that they can be purged; what waits for its object is found by its age."""

import re
from collections import Counter
from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from adapters.store.schema import Instant

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_QUEUE = "autovacuum_vacuum_scale_factor=0.01, autovacuum_vacuum_threshold=1000, autovacuum_vacuum_cost_delay=0"
_CHANGED = "fillfactor=85, autovacuum_vacuum_scale_factor=0.02"
_PURGED = "autovacuum_vacuum_scale_factor=0.02"
STORAGE = {
    **dict.fromkeys(("pending", "outbox_pending", "audit_unsealed"), _QUEUE),
    **dict.fromkeys(("identity", "person", "focus", "work_item"), _CHANGED),
    "message_body": f"{_PURGED}, toast.{_PURGED}",
    "outbox": f"{_PURGED}, toast.{_PURGED}",
    "received_key": _PURGED,
}
"""How PostgreSQL keeps its tables slim.

A queue's rows are inserted and deleted, as many as there are messages, so it is vacuumed by their number and not by the
few that are there; room in its pages would be of no use. What is changed in place finds room on its own page, so that
its indexes need not change. What is purged in bulk is vacuumed soon, so that its room is used again.
"""


def upgrade() -> None:
    """Bring the schema here."""
    op.create_table(
        "message_body",
        sa.Column(
            "message_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False
        ),
        sa.Column("raw", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["message_id"], ["message.id"], name=op.f("fk_message_body_message_id")),
        sa.PrimaryKeyConstraint("message_id", name=op.f("pk_message_body")),
        comment="What each reception held, byte for byte, until the retention time has passed",
    )
    op.execute("INSERT INTO message_body (message_id, raw) SELECT id, raw FROM message ORDER BY id")
    op.drop_column("message", "raw")
    op.add_column("subscription", sa.Column("moved_at", Instant(), nullable=True))
    subscription = sa.table("subscription", sa.column("moved_at", Instant()))
    op.execute(subscription.update().values(moved_at=datetime.now(UTC)))
    op.add_column("focus", sa.Column("overdue", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.create_table(
        "waiting_fact",
        sa.Column("focus_id", sa.String(length=36), nullable=False),
        sa.Column("message_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("facts", sa.Integer(), nullable=False),
        sa.Column("since", Instant(), nullable=True),
        sa.ForeignKeyConstraint(["focus_id"], ["focus.id"], name=op.f("fk_waiting_fact_focus_id")),
        sa.ForeignKeyConstraint(["message_id"], ["message.id"], name=op.f("fk_waiting_fact_message_id")),
        sa.PrimaryKeyConstraint("focus_id", "message_id", name=op.f("pk_waiting_fact")),
        comment="Messages whose facts wait for an object that has not come; since when, until a person sees them",
    )
    op.create_index(op.f("ix_waiting_fact_message_id"), "waiting_fact", ["message_id"], unique=False)
    op.create_index(op.f("ix_waiting_fact_since"), "waiting_fact", ["since"], unique=False)
    _note_what_waits()
    if op.get_bind().dialect.name == "postgresql":
        for table, parameters in STORAGE.items():
            op.execute(f"ALTER TABLE {table} SET ({parameters})")


def _note_what_waits() -> None:
    """Enter what placeholders hold already."""
    connection = op.get_bind()
    held = sa.Column("held", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"))
    focus = sa.table("focus", sa.column("id"), sa.column("fact_type"), held, sa.column("updated_at", Instant()))
    waiting = sa.table(
        "waiting_fact", *map(sa.column, ("focus_id", "message_id", "facts")), sa.column("since", Instant())
    )
    for placeholder in connection.execute(sa.select(focus).where(focus.c.fact_type.is_(None))).all():
        of_message = Counter(fact["message"] for fact in placeholder.held)
        rows = [
            {"focus_id": placeholder.id, "message_id": message, "facts": facts, "since": placeholder.updated_at}
            for message, facts in of_message.items()
        ]
        if rows:
            connection.execute(waiting.insert(), rows)


def downgrade() -> None:
    """Go back; a message whose body was purged is left with an empty one."""
    if op.get_bind().dialect.name == "postgresql":
        for table, parameters in STORAGE.items():
            op.execute(f"ALTER TABLE {table} RESET ({re.sub('=[^,]*', '', parameters)})")
    op.drop_table("waiting_fact")
    op.drop_column("focus", "overdue")
    op.drop_column("subscription", "moved_at")
    op.add_column("message", sa.Column("raw", sa.LargeBinary(), nullable=False, server_default=sa.text("''")))
    op.execute("UPDATE message SET raw = b.raw FROM message_body b WHERE b.message_id = message.id")
    op.drop_table("message_body")
