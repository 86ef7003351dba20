"""The outbox in the store: what no broker has confirmed, and the embedded bus's durable cursors."""

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any

from sqlalchemy import Connection, delete, func, select
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.sql.dml import ReturningDelete

from adapters.store import schema
from adapters.store.asking import ask
from adapters.store.audit import append
from adapters.store.database import Database
from adapters.store.keys import among, one_of, told
from gateway.audit import AuditAction, AuditEvent
from gateway.outbox import OutboxEntry

_outbox = schema.outbox


class StoredOutbox:
    """The relay's side of one database, and the embedded bus's (gateway.outbox.Outbox and Subscriptions)."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def unconfirmed(self, limit: int, excluding: Collection[str] = ()) -> Sequence[OutboxEntry]:
        """Give the oldest entries that no broker has confirmed, by sequence, but for some secretariats'."""
        pending = schema.outbox_pending
        # The sum says to the planner which way to go: from the few that wait to the many that there are.
        waiting = pending.join(_outbox, _outbox.c.sequence == pending.c.sequence + 0)
        statement = select(_outbox).select_from(waiting).order_by(pending.c.sequence).limit(limit)
        if excluding:
            statement = statement.where(_outbox.c.secretariat.not_in(excluding))
        with self._database.read() as connection:
            return [_entry(row) for row in connection.execute(statement)]

    def waiting(self) -> int:
        """Count the entries that no broker has confirmed."""
        with self._database.read() as connection:
            return connection.execute(select(func.count()).select_from(schema.outbox_pending)).scalar_one()

    def confirm(self, entries: Sequence[OutboxEntry]) -> None:
        """Record that the broker has taken these entries (audited, one transaction); again is nothing new."""
        if not entries:
            return
        now = datetime.now(UTC)
        sequences = [entry.sequence for entry in entries]
        with self._database.write() as connection:
            known = ask(connection, _confirming(connection.dialect.name), {"keys": told(sequences)})
            taken = {sequence for (sequence,) in known}
            about = _about(connection, entries)
            append(connection, [_published(e, about, now) for e in entries if e.sequence in taken])

    def position(self, name: str, secretariat: str) -> int:
        """Give the last sequence that this subscription has acknowledged; 0 if it is new."""
        cursor = schema.subscription
        statement = select(cursor.c.position).where(cursor.c.name == name, cursor.c.secretariat == secretariat)
        with self._database.read() as connection:
            return connection.execute(statement).scalar() or 0

    def published(self, secretariat: str, after: int, limit: int) -> Sequence[OutboxEntry]:
        """Give the entries of a secretariat after a sequence, oldest first."""
        statement = (
            select(_outbox)
            .where(_outbox.c.secretariat == secretariat, _outbox.c.sequence > after)
            .order_by(_outbox.c.sequence)
            .limit(limit)
        )
        with self._database.read() as connection:
            return [_entry(row) for row in connection.execute(statement)]

    def acknowledge(self, name: str, secretariat: str, sequence: int) -> None:
        """Move the subscription's cursor."""
        statement = (sqlite_insert if self._database.sqlite else postgresql_insert)(schema.subscription).values(
            name=name, secretariat=secretariat, position=sequence, moved_at=datetime.now(UTC)
        )
        fresh = {column: statement.excluded[column] for column in ("position", "moved_at")}
        moved = statement.on_conflict_do_update(index_elements=["name", "secretariat"], set_=fresh)
        with self._database.write() as connection:
            connection.execute(moved)


@cache
def _confirming(dialect: str) -> ReturningDelete[Any]:
    sequence = schema.outbox_pending.c.sequence
    return delete(schema.outbox_pending).where(one_of(dialect, sequence)).returning(sequence)


def _about(connection: Connection, entries: Sequence[OutboxEntry]) -> dict[tuple[str, int], tuple[str, int | None]]:
    """Give whose item each version is of, and the message that it came of; None where a person made it."""
    item, step = schema.work_item, schema.work_item_history
    statement = (
        select(step.c.item_id, step.c.version, step.c.message_id, step.c.deed, item.c.identity_id)
        .join(item, item.c.id == step.c.item_id)
        .where(among(connection, step.c.item_id, {entry.item for entry in entries if entry.about_item}))
        .where(among(connection, step.c.version, {entry.version for entry in entries if entry.about_item}))
    )
    rows = connection.execute(statement)
    return {(r.item_id, r.version): (r.identity_id, None if r.deed else r.message_id) for r in rows}


_Known = Mapping[tuple[str, int], tuple[str, int | None]]


def _published(entry: OutboxEntry, known: _Known, now: datetime) -> AuditEvent:
    if not entry.about_item:
        about = (f"identity-event/{entry.item}",)
        return AuditEvent(
            now, AuditAction.IDENTITY_PUBLISHED, "relay", entities=about, correlation=entry.message_id, detail={}
        )
    patient, message = known[entry.item, entry.version]
    return AuditEvent(
        now,
        AuditAction.ITEM_PUBLISHED,
        "relay",
        (patient,),
        message,
        (f"item/{entry.item}", f"secretariat/{entry.secretariat}"),
        entry.message_id,
        {"version": entry.version},
    )


def _entry(row: Any) -> OutboxEntry:
    return OutboxEntry(
        sequence=row.sequence,
        message_id=row.message_id,
        secretariat=row.secretariat,
        order_key=row.order_key,
        item=row.item_id or row.subject,
        version=row.version,
        body=bytes(row.body),
        created_at=row.created_at,
    )
