"""A database with a million messages in it: what a thousand real ones left, a thousand times over.

Each copy has numbers, keys and identifiers of its own, so that every index is as large as it would be.
"""

from sqlalchemy import Connection, text

from adapters.store import schema
from adapters.store.database import Database
from adapters.store.listening import session

_NUMBERS = {
    "message.id": "message",
    "message_body.message_id": "message",
    "outcome.message_id": "message",
    "received_key.message_id": "message",
    "identity.told_message": "message",
    "focus.told_message": "message",
    "focus.message_id": "message",
    "work_item.source_message": "message",
    "work_item_history.message_id": "message",
    "audit_event.message_id": "message",
    "audit_event.id": "audit_event",
    "audit_patient.event_id": "audit_event",
    "audit_seal.event_id": "audit_event",
    "audit_seal.sequence": "audit_seal",
    "outbox.sequence": "outbox",
}
"""Columns that hold a number of that table."""

_IDENTIFIERS = {
    "person.id",
    "identity.id",
    "identity.person_id",
    "focus.id",
    "focus.identity_id",
    "focus_key.focus_id",
    "work_item.id",
    "work_item.identity_id",
    "work_item.focus_id",
    "work_item_history.item_id",
    "outbox.message_id",
    "outbox.order_key",
    "outbox.item_id",
    "audit_patient.identity_id",
}
_TEXTS = {"message.control_id", "received_key.control_id", "identity.value", "focus_key.value"}
_TABLES = (
    *("message", "message_body", "received_key", "outcome", "person", "identity", "focus", "focus_key"),
    *("work_item", "work_item_history", "outbox", "audit_event", "audit_patient", "audit_seal"),
)
_SERIAL = {"message": "id", "outbox": "sequence", "audit_event": "id"}


def multiply(database: Database, times: int) -> None:
    """Let everything that is stored (PostgreSQL, nothing pending) stand so many times more."""
    with database.write() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))  # references hold by construction
        last = {table: _last(connection, table) for table in set(_NUMBERS.values())}
        for table in _TABLES:
            names = [column.name for column in schema.metadata.tables[table].c]
            copies = ", ".join(_copy(table, name, last) for name in names)
            series = f"generate_series(1, {times}) AS k"
            connection.execute(text(f"INSERT INTO {table} ({', '.join(names)}) SELECT {copies} FROM {table}, {series}"))
        for table, key in _SERIAL.items():
            connection.execute(text(f"SELECT setval('{table}_{key}_seq', (SELECT max({key}) FROM {table}))"))
    with session(database) as connection:
        connection.execute("VACUUM ANALYZE")


def _last(connection: Connection, table: str) -> int:
    (key,) = schema.metadata.tables[table].primary_key
    return int(connection.execute(text(f"SELECT coalesce(max({key.name}), 0) FROM {table}")).scalar_one())


def _copy(table: str, name: str, last: dict[str, int]) -> str:
    place = f"{table}.{name}"
    if place in _NUMBERS:
        return f"{name} + k::bigint * {last[_NUMBERS[place]]}"
    if place in _IDENTIFIERS:
        return f"md5({name} || '/' || k)::uuid::text"
    return f"{name} || '/' || k" if place in _TEXTS else name
