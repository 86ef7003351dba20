"""The tables, one schema for PostgreSQL and SQLite.

Received bodies and audit events are only ever inserted. What is still to do stands in small tables that rows are
deleted from (``pending``, ``outbox_pending``), so that the cost of a message does not grow with what is stored.
"""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON as PLAIN_JSON
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    false,
    literal_column,
    true,
)
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP
from sqlalchemy.types import TypeEngine

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class Instant(TypeDecorator[datetime]):
    """An aware instant with microseconds: timestamptz in PostgreSQL, UTC without offset in SQLite."""

    impl = DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Use the timezone-aware type where there is one."""
        if dialect.name == "postgresql":
            return dialect.type_descriptor(TIMESTAMP(timezone=True))
        return dialect.type_descriptor(DateTime())

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Give UTC to the driver."""
        if value is None:
            return None
        utc = value.astimezone(UTC)
        return utc if dialect.name == "postgresql" else utc.replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 - SQLAlchemy's signature
        """Give an aware instant in UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


Json = PLAIN_JSON().with_variant(JSONB(), "postgresql")
Serial = BigInteger().with_variant(Integer(), "sqlite")
"""SQLite numbers rows by itself only in an INTEGER primary key."""


configuration = Table(
    "configuration",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("version", String(16), nullable=False),
    Column("description", Json, nullable=False),
    Column("principal", String(64), nullable=False),
    Column("at", Instant, nullable=False),
    comment="Versions of the site's configuration that a service has run with, in order",
)
installation = Table(
    "installation",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("created_at", Instant, nullable=False),
    comment="One row: this database's own identity, the namespace of the bus's message ids",
)

message = Table(
    "message",
    metadata,
    Column("id", Serial, primary_key=True),
    Column("received_at", Instant, nullable=False),
    Column("transport", String(8), nullable=False),
    Column("format", String(8), nullable=False),
    Column("source", String(64), nullable=False),
    Column("principal", String(64), nullable=False),
    Column("control_id", Text, nullable=False),
    Column("message_type", String(64), nullable=False),
    Column("code", String(2), nullable=False),
    Column("expects", BigInteger),
    Column("reuses", BigInteger),
    Column("size", Integer, nullable=False),
    Column("partitions", BigInteger, nullable=False),
    Index(None, "control_id"),
    Index(None, "source", "id"),
    Index(None, "message_type", "id"),
    sqlite_autoincrement=True,
    comment="The inbox: every reception as it came, immutable",
)

message_body = Table(
    "message_body",
    metadata,
    Column("message_id", ForeignKey("message.id"), primary_key=True, autoincrement=False),
    Column("raw", LargeBinary, nullable=False),
    comment="What each reception held, byte for byte, until the retention time has passed",
)

received_key = Table(
    "received_key",
    metadata,
    Column("source", String(64), primary_key=True),
    Column("control_id", Text, primary_key=True),
    Column("content_hash", String(64), primary_key=True),
    Column("message_id", ForeignKey("message.id"), nullable=False),
    Column("code", String(2), nullable=False),
    Column("answer", LargeBinary, nullable=False),
    Column("received_at", Instant, nullable=False),
    Index(None, "received_at"),
    comment="First answers within the duplicate window",
)

reply_due = Table(
    "reply_due",
    metadata,
    Column("message_id", ForeignKey("message.id"), primary_key=True, autoincrement=False),
    Column("source", String(64), nullable=False),
    Index(None, "source", "message_id"),
    comment="Application acknowledgments that an address of the source's own is still to be told",
)

pending = Table(
    "pending",
    metadata,
    Column("message_id", ForeignKey("message.id"), primary_key=True, autoincrement=False),
    Column("size", Integer, nullable=False),
    Column("partitions", BigInteger, nullable=False),
    Column("held", Boolean, nullable=False, server_default=false()),
    comment="What the pipeline has still to do",
)

OPEN_ERROR: ColumnElement[Any] = literal_column("state = 'quarantined' AND resolved_at IS NULL")
NAMED_ERROR: ColumnElement[Any] = literal_column("error <> ''")
REPETITION: ColumnElement[Any] = literal_column("duplicate_of IS NOT NULL")
"""What the partial indexes hold: written out, for a parameter would hide from the planner that they serve."""

outcome = Table(
    "outcome",
    metadata,
    Column("message_id", ForeignKey("message.id"), primary_key=True, autoincrement=False),
    Column("state", String(16), nullable=False),
    Column("error", String(64), nullable=False),
    Column("path", Text, nullable=False),
    Column("rule", Text, nullable=False),
    Column("notes", Json, nullable=False),
    Column("duplicate_of", BigInteger),
    Column("ended_at", Instant, nullable=False),
    Column("resolved_at", Instant),
    Index(None, "state", "message_id"),
    Index(None, "message_id", "error", "rule", sqlite_where=OPEN_ERROR, postgresql_where=OPEN_ERROR),
    Index(None, "error", "message_id", sqlite_where=NAMED_ERROR, postgresql_where=NAMED_ERROR),
    Index(None, "duplicate_of", sqlite_where=REPETITION, postgresql_where=REPETITION),
    comment="How each message ended",
)

message_hold = Table(
    "message_hold",
    metadata,
    Column("message_id", ForeignKey("message.id"), primary_key=True, autoincrement=False),
    Column("held_at", Instant, nullable=False),
    Column("principal", String(64), nullable=False),
    Column("reason", Text, nullable=False),
    comment="What an operator keeps out of the pipeline, or out of bulk replay",
)

message_owner = Table(
    "message_owner",
    metadata,
    Column("message_id", ForeignKey("message.id"), primary_key=True, autoincrement=False),
    Column("owner", String(64), nullable=False),
    Column("assigned_at", Instant, nullable=False),
    Index(None, "owner", "message_id"),
    comment="Who looks after an error or a held message",
)

message_edit = Table(
    "message_edit",
    metadata,
    Column("message_id", ForeignKey("message.id"), primary_key=True, autoincrement=False),
    Column("edited_from", ForeignKey("message.id"), nullable=False),
    Index(None, "edited_from"),
    comment="Messages that an operator edited, and what each was made from",
)

message_patient = Table(
    "message_patient",
    metadata,
    Column("value", Text, primary_key=True),
    Column("message_id", ForeignKey("message.id"), primary_key=True),
    comment="Patients named by messages that took no effect; what took effect is found by its audit events",
)

person = Table(
    "person",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("golden", Json, nullable=False),
    comment="Golden records, made anew whenever a member changes",
)

NOTABLE: ColumnElement[Any] = literal_column("notes <> ''")
"""What the partial index of identities holds, written out like those of outcomes."""

identity = Table(
    "identity",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("authority", Text, nullable=False),
    Column("value", Text, nullable=False),
    Column("person_id", String(36), nullable=False),
    Column("source", String(64), nullable=False),
    Column("authoritative", Boolean, nullable=False),
    Column("retired", Boolean, nullable=False),
    Column("ins_authority", Text),
    Column("ins_value", Text),
    Column("origin_authority", Text),
    Column("origin_value", Text),
    Column("patient", Json, nullable=False),
    Column("told_message", BigInteger, nullable=False),
    Column("times", Json, nullable=False),
    Column("rulings", Json, nullable=False, server_default="[]"),
    Column("frozen", Boolean, nullable=False, server_default=false()),
    Column("requests", Json, nullable=False, server_default="[]"),
    Column("birth_date", String(10), nullable=False, server_default=""),
    Column("notes", Text, nullable=False, server_default=""),
    Column("identifier_change", String(16)),
    Column("provenance", Json, nullable=False, server_default="[]"),
    UniqueConstraint("authority", "value"),
    Index(None, "birth_date"),
    Index(None, "told_message", "id", sqlite_where=NOTABLE, postgresql_where=NOTABLE),
    Index(None, "person_id"),
    Index(None, "value"),
    Index(None, "ins_value", "ins_authority"),
    Index(None, "origin_value", "origin_authority"),
    comment="One record per identification domain and identifier",
)

matching_model = Table(
    "matching_model",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("trained_at", Instant, nullable=False),
    Column("principal", String(64), nullable=False),
    Column("reason", Text, nullable=False),
    Column("records", BigInteger, nullable=False),
    Column("pairs", BigInteger, nullable=False),
    Column("matches", BigInteger, nullable=False),
    Column("content", Json, nullable=False),
    comment="Models of the matcher, learnt from stored identities, insert-only; number 0 is the shipped one",
)

matching_model_use = Table(
    "matching_model_use",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("model", Integer, nullable=False),
    Column("since", Instant, nullable=False),
    Column("principal", String(64), nullable=False),
    Column("reason", Text, nullable=False),
    comment="Which model of the matcher is in force since when, insert-only; the last row holds",
)

identity_decision = Table(
    "identity_decision",
    metadata,
    Column("id", Serial, primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("standing", String(16), nullable=False),
    Column("one", ForeignKey("identity.id"), nullable=False),
    Column("other", ForeignKey("identity.id")),
    Column("content", Json, nullable=False),
    Index(None, "standing", "kind", "id"),
    sqlite_autoincrement=True,
    comment="What the identity desk decided of records and persons, with all that undoing it needs",
)

identity_decision_record = Table(
    "identity_decision_record",
    metadata,
    Column("identity_id", ForeignKey("identity.id"), primary_key=True),
    Column("decision_id", ForeignKey("identity_decision.id"), primary_key=True),
    Index(None, "decision_id"),
    comment="Which records each decision was about",
)

blocking_key = Table(
    "blocking_key",
    metadata,
    Column("hash", String(24), primary_key=True),
    Column("identity_id", ForeignKey("identity.id"), primary_key=True),
    Index(None, "identity_id"),
    comment="Hashes under which records that may be of one person are found: a letter for the kind, and no trait",
)

focus = Table(
    "focus",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("identity_id", ForeignKey("identity.id"), nullable=False),
    Column("version", Integer, nullable=False),
    Column("fact_type", String(32)),
    Column("fact", Json),
    Column("told_message", BigInteger, nullable=False),
    Column("times", Json, nullable=False),
    Column("source", String(64), nullable=False),
    Column("message_id", ForeignKey("message.id"), nullable=False),
    Column("held", Json, nullable=False),
    Column("overdue", Boolean, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Index(None, "message_id"),
    comment="Appointments, reports, documents, stays and identity questions as they stand",
)

focus_key = Table(
    "focus_key",
    metadata,
    Column("kind", String(16), primary_key=True),
    Column("authority", Text, primary_key=True),
    Column("value", Text, primary_key=True),
    Column("focus_id", ForeignKey("focus.id"), nullable=False),
    Index(None, "focus_id"),
    comment="Business identifiers by which objects are found",
)

UNSHOWN: ColumnElement[Any] = literal_column("NOT shown")
"""What the partial index of orders holds: those that a person has not seen yet to lack their result."""

order_expected = Table(
    "order_expected",
    metadata,
    Column("focus_id", ForeignKey("focus.id"), primary_key=True),
    Column("unit", Text, nullable=False),
    Column("since", Instant, nullable=False),
    Column("shown", Boolean, nullable=False, server_default=true()),
    Index(None, "since"),
    Index(None, "unit", "since"),
    Index("ix_order_expected_unshown", "since", sqlite_where=UNSHOWN, postgresql_where=UNSHOWN),
    comment="Orders of which no result has come yet; since when they were told",
)

OPEN_CONVOCATION: ColumnElement[Any] = literal_column("open")
"""Convocations that what is learnt of the patient may still change."""

convocation = Table(
    "convocation",
    metadata,
    Column("focus_id", ForeignKey("focus.id"), primary_key=True),
    Column("identity_id", ForeignKey("identity.id"), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("outcome", String(16), nullable=False),
    Column("open", Boolean, nullable=False),
    Column("notice", String(16), nullable=False),
    Column("state", String(16), nullable=False),
    Column("channel", String(16), nullable=False),
    Column("starts", Instant),
    Column("content", Json, nullable=False),
    Column("version", Integer, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Index(None, "identity_id", sqlite_where=OPEN_CONVOCATION, postgresql_where=OPEN_CONVOCATION),
    Index(None, "state", "starts"),
    comment="What patients are told of an appointment or a planned stay, one row each; the columns say of the last",
)

directory_entry = Table(
    "directory_entry",
    metadata,
    Column("kind", String(16), primary_key=True),
    Column("authority", Text, primary_key=True),
    Column("value", Text, primary_key=True),
    Column("label", Text, nullable=False),
    Column("unit", Text, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("source", String(64), nullable=False),
    Column("told_at", Instant),
    comment="Practitioners and units as their master files tell them",
)

waiting_fact = Table(
    "waiting_fact",
    metadata,
    Column("focus_id", ForeignKey("focus.id"), primary_key=True),
    Column("message_id", ForeignKey("message.id"), primary_key=True),
    Column("facts", Integer, nullable=False),
    Column("since", Instant),
    Index(None, "message_id"),
    Index(None, "since"),
    comment="Messages whose facts wait for an object that has not come; since when, until a person sees them",
)

OPEN_ITEM: ColumnElement[Any] = literal_column("state IN ('new', 'claimed', 'on-hold')")
"""What the partial index of items holds, written out like those of outcomes."""

ESCALATES: ColumnElement[Any] = literal_column("escalates_at IS NOT NULL AND state IN ('new', 'claimed', 'on-hold')")
ON_HOLD: ColumnElement[Any] = literal_column("state = 'on-hold'")
IN_HAND: ColumnElement[Any] = literal_column("state = 'claimed'")
"""What the clockwork looks at, each by a partial index."""

DEED: ColumnElement[Any] = literal_column("deed <> ''")
"""What the partial index of steps holds that no message made: what people do, and time."""

LATE: ColumnElement[Any] = literal_column("rungs > 0 AND state IN ('new', 'claimed', 'on-hold')")
"""What the partial index of items that were late holds."""

work_item = Table(
    "work_item",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("secretariat", String(64), nullable=False, server_default=""),
    Column("priority", String(8), nullable=False),
    Column("state", String(16), nullable=False),
    Column("identity_id", ForeignKey("identity.id"), nullable=False),
    Column("focus_id", ForeignKey("focus.id"), nullable=False),
    Column("title", String(64), nullable=False),
    Column("detail", Text, nullable=False),
    Column("rule", String(64), nullable=False),
    Column("reason", Text, nullable=False),
    Column("source_message", ForeignKey("message.id"), nullable=False),
    Column("version", Integer, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Column("remarks", Json, nullable=False, server_default="[]"),
    Column("origin", String(64), nullable=False),
    Column("due", Instant),
    Column("place", String(33), nullable=False, server_default=""),
    Column("holder", String(64), nullable=False, server_default=""),
    Column("hand", Json, nullable=False, server_default="{}"),
    Column("held_until", Instant),
    Column("active_at", Instant),
    Column("deadline", String(64), nullable=False, server_default=""),
    Column("rungs", Integer, nullable=False, server_default="0"),
    Column("escalates_at", Instant),
    Column("alarmed", Boolean, nullable=False, server_default=false()),
    UniqueConstraint("focus_id", "origin", name="uq_work_item_focus_id_secretariat"),
    Index(None, "secretariat", "state", "created_at"),
    Index(None, "secretariat", "place", "id", sqlite_where=OPEN_ITEM, postgresql_where=OPEN_ITEM),
    Index(None, "identity_id"),
    Index(None, "escalates_at", sqlite_where=ESCALATES, postgresql_where=ESCALATES),
    Index(None, "held_until", sqlite_where=ON_HOLD, postgresql_where=ON_HOLD),
    Index(None, "active_at", sqlite_where=IN_HAND, postgresql_where=IN_HAND),
    Index(None, "secretariat", "alarmed", sqlite_where=LATE, postgresql_where=LATE),
    comment="Work items, each on exactly one queue",
)

work_item_history = Table(
    "work_item_history",
    metadata,
    Column("item_id", ForeignKey("work_item.id"), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("at", Instant, nullable=False),
    Column("state", String(16), nullable=False),
    Column("priority", String(8), nullable=False),
    Column("title", String(64), nullable=False),
    Column("message_id", ForeignKey("message.id"), nullable=False),
    Column("principal", String(64), nullable=False),
    Column("secretariat", String(64), nullable=False, server_default=""),
    Column("holder", String(64), nullable=False, server_default=""),
    Column("deed", String(32), nullable=False, server_default=""),
    Column("note", Text, nullable=False, server_default=""),
    Column("changed", Json, nullable=False, server_default="[]"),
    Column("former", Json),
    Index(None, "message_id"),
    Index(None, "secretariat", "deed", "at", sqlite_where=DEED, postgresql_where=DEED),
    comment="Every version of every item",
)

outbox = Table(
    "outbox",
    metadata,
    Column("sequence", Serial, primary_key=True),
    Column("message_id", String(36), nullable=False, unique=True),
    Column("secretariat", String(64), nullable=False),
    Column("order_key", String(36), nullable=False),
    Column("item_id", ForeignKey("work_item.id")),
    Column("subject", String(36)),
    Column("version", Integer, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("created_at", Instant, nullable=False),
    Index(None, "secretariat", "sequence"),
    sqlite_autoincrement=True,
    comment="Transactional outbox: what the bus is to be told, and the embedded bus's log",
)

outbox_pending = Table(
    "outbox_pending",
    metadata,
    Column("sequence", ForeignKey("outbox.sequence"), primary_key=True, autoincrement=False),
    comment="What no broker has confirmed yet",
)

subscription = Table(
    "subscription",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("secretariat", String(64), primary_key=True),
    Column("position", BigInteger, nullable=False),
    Column("moved_at", Instant),
    comment="Durable cursors of the embedded bus",
)

OURSELVES = ("gateway", "relay")
"""Who leaves most of the audit events; nobody asks for all of theirs."""

SOMEBODY: ColumnElement[Any] = literal_column("principal NOT IN ('gateway', 'relay')")
"""What the partial index of actors holds, written out like those of outcomes."""

audit_event = Table(
    "audit_event",
    metadata,
    Column("id", Serial, primary_key=True),
    Column("at", Instant, nullable=False),
    Column("action", String(64), nullable=False),
    Column("principal", String(64), nullable=False),
    Column("message_id", BigInteger),
    Column("correlation", Text, nullable=False),
    Column("patients", PLAIN_JSON, nullable=False),
    Column("entities", PLAIN_JSON, nullable=False),
    Column("detail", PLAIN_JSON, nullable=False),
    Index(None, "message_id"),
    Index(None, "at"),
    Index(None, "principal", "at", sqlite_where=SOMEBODY, postgresql_where=SOMEBODY),
    sqlite_autoincrement=True,
    comment="The audit trail, written in the act's own transaction, immutable",
)

audit_patient = Table(
    "audit_patient",
    metadata,
    Column("identity_id", String(36), primary_key=True),
    Column("event_id", ForeignKey("audit_event.id"), primary_key=True),
    Index(None, "event_id"),
    comment="Which events touched which identity",
)

audit_unsealed = Table(
    "audit_unsealed",
    metadata,
    Column("event_id", ForeignKey("audit_event.id"), primary_key=True, autoincrement=False),
    Column("fingerprint", String(64), nullable=False),
    comment="Events that the sealer has not appended to the chain yet; a row is seen once its transaction is over",
)

audit_seal = Table(
    "audit_seal",
    metadata,
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("event_id", BigInteger, nullable=False, unique=True),
    Column("digest", String(64), nullable=False),
    comment="The hash chain over the audit trail, in sealing order",
)

audit_key = Table(
    "audit_key",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("id", String(32), nullable=False, unique=True),
    Column("content", Text, nullable=False),
    comment="Public keys that sign checkpoints, as they are exported, insert-only",
)

audit_checkpoint = Table(
    "audit_checkpoint",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("last", BigInteger, nullable=False, unique=True),
    Column("at", Instant, nullable=False),
    Column("content", Text, nullable=False),
    comment="Signed checkpoints of the chain, as they leave the machine, insert-only",
)

audit_sink = Table(
    "audit_sink",
    metadata,
    Column("name", String(16), primary_key=True),
    Column("number", BigInteger, nullable=False),
    Column("told_at", Instant),
    comment="Which checkpoint each place outside has taken last",
)

audit_purge = Table(
    "audit_purge",
    metadata,
    Column("reason", Text, primary_key=True),
    comment="A row lets the transaction that inserts it, and removes it, change the audit trail (a purge by law)",
)

serving = Table(
    "serving",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("role", String(16), nullable=False),
    Column("host", String(255), nullable=False),
    Column("pid", Integer, nullable=False),
    Column("version", String(32), nullable=False),
    Column("started_at", Instant, nullable=False),
    Column("beat_at", Instant, nullable=False),
    Column("intake", String(16), nullable=False),
    Column("broker", Boolean),
    Column("connections", Integer, nullable=False),
    Column("certificate_ends", Instant),
    comment="Processes that serve: each renews its row every other second and removes it when it ends in order",
)

source_seen = Table(
    "source_seen",
    metadata,
    Column("source", String(64), primary_key=True),
    Column("last_at", Instant, nullable=False),
    comment="When each source last sent something, to within two seconds",
)

traffic = Table(
    "traffic",
    metadata,
    Column("slot", BigInteger, primary_key=True, autoincrement=False),
    Column("source", String(64), primary_key=True),
    Column("process", String(36), primary_key=True),
    Column("messages", Integer, nullable=False),
    comment="Messages received in each ten seconds of the last hour, by source and process",
)

tally = Table(
    "tally",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("labels", String(160), primary_key=True),
    Column("amount", Float, nullable=False),
    comment="What all processes have counted and timed since the database was made, added to every other second",
)

alarm = Table(
    "alarm",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("subject", String(64), primary_key=True),
    Column("raised_at", Instant, nullable=False),
    Column("value", Float, nullable=False),
    Column("threshold", Float, nullable=False),
    comment="Alarms under way; a row is removed when its alarm is resolved",
)

alarm_notice = Table(
    "alarm_notice",
    metadata,
    Column("sequence", Serial, primary_key=True),
    Column("id", String(36), nullable=False),
    Column("name", String(32), nullable=False),
    Column("subject", String(64), nullable=False),
    Column("raised", Boolean, nullable=False),
    Column("at", Instant, nullable=False),
    Column("value", Float),
    Column("threshold", Float),
    sqlite_autoincrement=True,
    comment="What the alarm webhook is still to be told; a row is removed when it was",
)
