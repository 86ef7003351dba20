"""The first schema."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from adapters.store.schema import Instant

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema here."""
    op.create_table(
        "audit_event",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("action", sa.String(length=64), nullable=False),
        sa.Column("principal", sa.String(length=64), nullable=False),
        sa.Column("message_id", sa.BigInteger(), nullable=True),
        sa.Column("correlation", sa.Text(), nullable=False),
        sa.Column("patients", sa.JSON(), nullable=False),
        sa.Column("entities", sa.JSON(), nullable=False),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_event")),
        comment="The audit trail, written in the act's own transaction, immutable",
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_audit_event_at"), "audit_event", ["at"], unique=False)
    op.create_index(op.f("ix_audit_event_message_id"), "audit_event", ["message_id"], unique=False)
    op.create_table(
        "audit_seal",
        sa.Column("sequence", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("event_id", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_audit_seal")),
        sa.UniqueConstraint("event_id", name=op.f("uq_audit_seal_event_id")),
        comment="The hash chain over the audit trail, in sealing order",
    )
    op.create_table(
        "identity",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("authority", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("person_id", sa.String(length=36), nullable=False),
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("authoritative", sa.Boolean(), nullable=False),
        sa.Column("retired", sa.Boolean(), nullable=False),
        sa.Column("ins_authority", sa.Text(), nullable=True),
        sa.Column("ins_value", sa.Text(), nullable=True),
        sa.Column("origin_authority", sa.Text(), nullable=True),
        sa.Column("origin_value", sa.Text(), nullable=True),
        sa.Column("patient", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.Column("told_message", sa.BigInteger(), nullable=False),
        sa.Column("times", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_identity")),
        sa.UniqueConstraint("authority", "value", name=op.f("uq_identity_authority_value")),
        comment="One record per identification domain and identifier",
    )
    op.create_index(
        op.f("ix_identity_ins_value_ins_authority"), "identity", ["ins_value", "ins_authority"], unique=False
    )
    op.create_index(
        op.f("ix_identity_origin_value_origin_authority"),
        "identity",
        ["origin_value", "origin_authority"],
        unique=False,
    )
    op.create_index(op.f("ix_identity_person_id"), "identity", ["person_id"], unique=False)
    op.create_index(op.f("ix_identity_value"), "identity", ["value"], unique=False)
    op.create_table(
        "installation",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_installation")),
        comment="One row: this database's own identity, the namespace of the bus's message ids",
    )
    op.create_table(
        "message",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("received_at", Instant(), nullable=False),
        sa.Column("transport", sa.String(length=8), nullable=False),
        sa.Column("format", sa.String(length=8), nullable=False),
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("principal", sa.String(length=64), nullable=False),
        sa.Column("control_id", sa.Text(), nullable=False),
        sa.Column("message_type", sa.String(length=64), nullable=False),
        sa.Column("code", sa.String(length=2), nullable=False),
        sa.Column("expects", sa.BigInteger(), nullable=True),
        sa.Column("reuses", sa.BigInteger(), nullable=True),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("partitions", sa.BigInteger(), nullable=False),
        sa.Column("raw", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_message")),
        comment="The inbox: every reception as it came, immutable",
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_message_control_id"), "message", ["control_id"], unique=False)
    op.create_table(
        "person",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("golden", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_person")),
        comment="Golden records, made anew whenever a member changes",
    )
    op.create_table(
        "subscription",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("secretariat", sa.String(length=64), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", "secretariat", name=op.f("pk_subscription")),
        comment="Durable cursors of the embedded bus",
    )
    op.create_table(
        "audit_patient",
        sa.Column("identity_id", sa.String(length=36), nullable=False),
        sa.Column("event_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.ForeignKeyConstraint(["event_id"], ["audit_event.id"], name=op.f("fk_audit_patient_event_id")),
        sa.PrimaryKeyConstraint("identity_id", "event_id", name=op.f("pk_audit_patient")),
        comment="Which events touched which identity",
    )
    op.create_index(op.f("ix_audit_patient_event_id"), "audit_patient", ["event_id"], unique=False)
    op.create_table(
        "audit_unsealed",
        sa.Column(
            "event_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False
        ),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["event_id"], ["audit_event.id"], name=op.f("fk_audit_unsealed_event_id")),
        sa.PrimaryKeyConstraint("event_id", name=op.f("pk_audit_unsealed")),
        comment="Events that the sealer has not appended to the chain yet; a row is seen once its transaction is over",
    )
    op.create_table(
        "focus",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("identity_id", sa.String(length=36), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("fact_type", sa.String(length=32), nullable=True),
        sa.Column("fact", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=True),
        sa.Column("told_message", sa.BigInteger(), nullable=False),
        sa.Column("times", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("message_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("held", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.Column("updated_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(["identity_id"], ["identity.id"], name=op.f("fk_focus_identity_id")),
        sa.ForeignKeyConstraint(["message_id"], ["message.id"], name=op.f("fk_focus_message_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_focus")),
        comment="Appointments, reports, documents, stays and identity questions as they stand",
    )
    op.create_index(op.f("ix_focus_message_id"), "focus", ["message_id"], unique=False)
    op.create_table(
        "outcome",
        sa.Column(
            "message_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False
        ),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("error", sa.String(length=64), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("notes", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.Column("duplicate_of", sa.BigInteger(), nullable=True),
        sa.Column("ended_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(["message_id"], ["message.id"], name=op.f("fk_outcome_message_id")),
        sa.PrimaryKeyConstraint("message_id", name=op.f("pk_outcome")),
        comment="How each message ended",
    )
    op.create_index(op.f("ix_outcome_state_message_id"), "outcome", ["state", "message_id"], unique=False)
    op.create_table(
        "pending",
        sa.Column(
            "message_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False
        ),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("partitions", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["message_id"], ["message.id"], name=op.f("fk_pending_message_id")),
        sa.PrimaryKeyConstraint("message_id", name=op.f("pk_pending")),
        comment="What the pipeline has still to do",
    )
    op.create_table(
        "received_key",
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("control_id", sa.Text(), nullable=False),
        sa.Column("content_hash", sa.String(length=64), nullable=False),
        sa.Column("message_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("code", sa.String(length=2), nullable=False),
        sa.Column("answer", sa.LargeBinary(), nullable=False),
        sa.Column("received_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(["message_id"], ["message.id"], name=op.f("fk_received_key_message_id")),
        sa.PrimaryKeyConstraint("source", "control_id", "content_hash", name=op.f("pk_received_key")),
        comment="First answers within the duplicate window",
    )
    op.create_index(op.f("ix_received_key_received_at"), "received_key", ["received_at"], unique=False)
    op.create_table(
        "focus_key",
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("authority", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("focus_id", sa.String(length=36), nullable=False),
        sa.ForeignKeyConstraint(["focus_id"], ["focus.id"], name=op.f("fk_focus_key_focus_id")),
        sa.PrimaryKeyConstraint("kind", "authority", "value", name=op.f("pk_focus_key")),
        comment="Business identifiers by which objects are found",
    )
    op.create_index(op.f("ix_focus_key_focus_id"), "focus_key", ["focus_id"], unique=False)
    op.create_table(
        "work_item",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("secretariat", sa.String(length=64), nullable=False),
        sa.Column("priority", sa.String(length=8), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("identity_id", sa.String(length=36), nullable=False),
        sa.Column("focus_id", sa.String(length=36), nullable=False),
        sa.Column("title", sa.String(length=64), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("rule", sa.String(length=64), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("source_message", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("updated_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(["focus_id"], ["focus.id"], name=op.f("fk_work_item_focus_id")),
        sa.ForeignKeyConstraint(["identity_id"], ["identity.id"], name=op.f("fk_work_item_identity_id")),
        sa.ForeignKeyConstraint(["source_message"], ["message.id"], name=op.f("fk_work_item_source_message")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_work_item")),
        sa.UniqueConstraint("focus_id", "secretariat", name=op.f("uq_work_item_focus_id_secretariat")),
        comment="Work items, each on exactly one queue",
    )
    op.create_index(op.f("ix_work_item_identity_id"), "work_item", ["identity_id"], unique=False)
    op.create_index(op.f("ix_work_item_secretariat_state"), "work_item", ["secretariat", "state"], unique=False)
    op.create_table(
        "outbox",
        sa.Column("sequence", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("message_id", sa.String(length=36), nullable=False),
        sa.Column("secretariat", sa.String(length=64), nullable=False),
        sa.Column("order_key", sa.String(length=36), nullable=False),
        sa.Column("item_id", sa.String(length=36), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(["item_id"], ["work_item.id"], name=op.f("fk_outbox_item_id")),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_outbox")),
        sa.UniqueConstraint("message_id", name=op.f("uq_outbox_message_id")),
        comment="Transactional outbox: what the bus is to be told, and the embedded bus's log",
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_outbox_secretariat_sequence"), "outbox", ["secretariat", "sequence"], unique=False)
    op.create_table(
        "work_item_history",
        sa.Column("item_id", sa.String(length=36), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("priority", sa.String(length=8), nullable=False),
        sa.Column("title", sa.String(length=64), nullable=False),
        sa.Column("message_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("principal", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["item_id"], ["work_item.id"], name=op.f("fk_work_item_history_item_id")),
        sa.ForeignKeyConstraint(["message_id"], ["message.id"], name=op.f("fk_work_item_history_message_id")),
        sa.PrimaryKeyConstraint("item_id", "version", name=op.f("pk_work_item_history")),
        comment="Every version of every item",
    )
    op.create_index(op.f("ix_work_item_history_message_id"), "work_item_history", ["message_id"], unique=False)
    op.create_table(
        "outbox_pending",
        sa.Column(
            "sequence", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False
        ),
        sa.ForeignKeyConstraint(["sequence"], ["outbox.sequence"], name=op.f("fk_outbox_pending_sequence")),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_outbox_pending")),
        comment="What no broker has confirmed yet",
    )


def downgrade() -> None:
    """Go back."""
    op.drop_table("outbox_pending")
    op.drop_index(op.f("ix_work_item_history_message_id"), table_name="work_item_history")
    op.drop_table("work_item_history")
    op.drop_index(op.f("ix_outbox_secretariat_sequence"), table_name="outbox")
    op.drop_table("outbox")
    op.drop_index(op.f("ix_work_item_secretariat_state"), table_name="work_item")
    op.drop_index(op.f("ix_work_item_identity_id"), table_name="work_item")
    op.drop_table("work_item")
    op.drop_index(op.f("ix_focus_key_focus_id"), table_name="focus_key")
    op.drop_table("focus_key")
    op.drop_index(op.f("ix_received_key_received_at"), table_name="received_key")
    op.drop_table("received_key")
    op.drop_table("pending")
    op.drop_index(op.f("ix_outcome_state_message_id"), table_name="outcome")
    op.drop_table("outcome")
    op.drop_index(op.f("ix_focus_message_id"), table_name="focus")
    op.drop_table("focus")
    op.drop_table("audit_unsealed")
    op.drop_index(op.f("ix_audit_patient_event_id"), table_name="audit_patient")
    op.drop_table("audit_patient")
    op.drop_table("subscription")
    op.drop_table("person")
    op.drop_index(op.f("ix_message_control_id"), table_name="message")
    op.drop_table("message")
    op.drop_table("installation")
    op.drop_index(op.f("ix_identity_value"), table_name="identity")
    op.drop_index(op.f("ix_identity_person_id"), table_name="identity")
    op.drop_index(op.f("ix_identity_origin_value_origin_authority"), table_name="identity")
    op.drop_index(op.f("ix_identity_ins_value_ins_authority"), table_name="identity")
    op.drop_table("identity")
    op.drop_table("audit_seal")
    op.drop_index(op.f("ix_audit_event_message_id"), table_name="audit_event")
    op.drop_index(op.f("ix_audit_event_at"), table_name="audit_event")
    op.drop_table("audit_event")
