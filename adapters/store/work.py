"""The pipeline's side of the store: claim a batch, load what it may touch, flush what was decided.

One statement per table loads (one per thousand keys) and one writes, whatever the size of the batch.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, Table, delete, func, insert, select
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from adapters.store import rows, schema
from adapters.store.audit import append
from adapters.store.database import Database
from adapters.store.keys import chunks, select_by_keys
from gateway.errors import AckCode
from gateway.outbox import OutboxEntry
from gateway.pipeline import Changes, Needs, question_keys
from gateway.reception import Format
from gateway.state import FocusKey, State
from gateway.worklist import ItemState

BATCH_MESSAGES = 200
BATCH_BYTES = 16 * 1024 * 1024
"""A batch holds at most so many messages and bytes, but at least one message."""

_OPEN = [s for s in ItemState if s not in {ItemState.DONE, ItemState.WITHDRAWN}]


@dataclass(frozen=True, slots=True)
class PendingMessage:
    """A message that waits for the pipeline.

    Attributes:
        number: its number.
        source: the site's source id.
        format: what it is written in.
        message_type: ``ADT^A01``, ``Appointment:create``.
        correlation: MSH-10 or X-Request-Id.
        raw: bytes as received.
        received_at: when it came; None if it is not stored.
        refused: it was answered with a refusal when it came; only a replay makes it pending.
        expects: version of the object that it is meant to change; None if of whatever version.

    """

    number: int
    source: str
    format: Format
    message_type: str
    correlation: str
    raw: bytes
    received_at: datetime | None = None
    refused: bool = False
    expects: int | None = None


class Work:
    """The pipeline's side of one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def oldest(self, limit: int = BATCH_MESSAGES) -> list[PendingMessage]:
        """Give the oldest pending messages, bounded in number and bytes."""
        with self._database.read() as connection:
            waiting = connection.execute(
                select(schema.pending.c.message_id, schema.pending.c.size)
                .order_by(schema.pending.c.message_id)
                .limit(limit)
            ).all()
            numbers = list(_within(BATCH_BYTES, waiting))
            message = schema.message
            found = connection.execute(select(message).where(message.c.id.in_(numbers)).order_by(message.c.id))
            return [
                PendingMessage(
                    m.id,
                    m.source,
                    Format(m.format),
                    m.message_type,
                    m.control_id,
                    bytes(m.raw),
                    m.received_at,
                    refused=m.code != AckCode.AA,
                    expects=m.expects,
                )
                for m in found
            ]

    @contextmanager
    def transaction(self, numbers: Sequence[int]) -> Iterator[Connection | None]:
        """Give a transaction in which these messages are ours alone and still pending; None if another took them.

        The pipeline takes one batch at a time: on PostgreSQL by a lock held to the end of the transaction.
        """
        with self._database.write() as connection:
            self._database.hold_pipeline(connection)
            own = select(func.count()).where(schema.pending.c.message_id.in_(numbers))
            yield connection if connection.execute(own).scalar_one() == len(numbers) else None

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Give a connection to load from when nothing is to be written."""
        with self._database.read() as connection:
            yield connection

    def load(self, connection: Connection, needs: Needs) -> State:
        """Load everything that a batch may touch."""
        state = State()
        for row in _load_identities(connection, needs):
            state.load_identity(rows.identity(row))
        identities = [i for i, _ in state.identities.rows()]
        for row in _select(connection, schema.person.c.id, [p for p, _ in state.members.rows()]):
            state.persons.load(row["id"], rows.person(row["golden"]))
        foci = _load_foci(connection, state, [*needs.foci, *question_keys(identities)])
        work_item = schema.work_item
        still_open = work_item.c.state.in_(_OPEN)
        about = _select(connection, work_item.c.focus_id, foci)
        for row in [*about, *_select(connection, work_item.c.identity_id, identities, still_open)]:
            state.load_item(rows.item(row))
        _load_missing_identities(connection, state, [item.identity for _, item in state.items.rows()])
        return state

    def flush(self, connection: Connection, state: State, changes: Changes, now: datetime) -> None:
        """Write what was decided: effect, outbox and audit, in the transaction that is under way."""
        self._upsert(connection, schema.person, [rows.person_row(p) for _, p in state.persons.changes()])
        self._upsert(connection, schema.identity, [rows.identity_row(i) for _, i in state.identities.changes()])
        self._upsert(connection, schema.focus, [rows.focus_row(f) for _, f in state.foci.changes()])
        self._upsert(
            connection,
            schema.focus_key,
            [{"kind": k, "authority": a, "value": v, "focus_id": f} for (k, a, v), f in state.focus_keys.changes()],
        )
        self._upsert(connection, schema.work_item, [rows.item_row(i) for _, i in state.items.changes()])
        self._insert(connection, schema.work_item_history, [_history_row(h, now) for h in changes.history])
        self._publish(connection, changes.outbox)
        append(connection, changes.audit)
        self._end(connection, changes, now)

    @staticmethod
    def _insert(connection: Connection, table: Table, values: list[dict[str, Any]]) -> None:
        if values:
            connection.execute(insert(table), values)

    def _upsert(self, connection: Connection, table: Table, values: list[dict[str, Any]]) -> None:
        if not values:
            return
        statement = (sqlite_insert if self._database.sqlite else postgresql_insert)(table)
        fresh = {c.name: statement.excluded[c.name] for c in table.c if not c.primary_key}
        keys = [c.name for c in table.primary_key]
        connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=fresh), values)

    def _publish(self, connection: Connection, entries: Sequence[OutboxEntry]) -> None:
        if not entries:
            return
        statement = insert(schema.outbox).returning(schema.outbox.c.sequence, sort_by_parameter_order=True)
        sequences = connection.execute(statement, [_outbox_row(e) for e in entries]).scalars().all()
        self._insert(connection, schema.outbox_pending, [{"sequence": s} for s in sequences])

    def _end(self, connection: Connection, changes: Changes, now: datetime) -> None:
        ended = [
            {
                "message_id": e.outcome.message,
                "state": e.outcome.state,
                "error": e.outcome.error,
                "path": e.outcome.path,
                "rule": e.outcome.rule,
                "notes": e.notes,
                "duplicate_of": None,
                "ended_at": now,
            }
            for e in changes.endings
        ]
        self._insert(connection, schema.outcome, ended)
        numbers = [e.outcome.message for e in changes.endings]
        connection.execute(delete(schema.pending).where(schema.pending.c.message_id.in_(numbers)))


def _within(limit: int, waiting: Iterable[Any]) -> Iterator[int]:
    total = 0
    for row in waiting:
        total += row.size
        if total > limit and total > row.size:
            return
        yield row.message_id


def _select(
    connection: Connection, column: Column[Any], keys: Collection[str], where: ColumnElement[bool] | None = None
) -> list[dict[str, Any]]:
    """Give the rows whose column is one of the keys."""
    found = []
    for chunk in chunks(keys):
        statement = select(column.table).where(column.in_(chunk))
        if where is not None:
            statement = statement.where(where)
        found += [dict(row) for row in connection.execute(statement).mappings()]
    return found


def _load_identities(connection: Connection, needs: Needs) -> list[dict[str, Any]]:
    """Every identity named, with all that belong to the same people."""
    record = schema.identity
    person = select(record.c.person_id)
    named = select_by_keys(connection, person, (record.c.authority, record.c.value), needs.identities)
    named += select_by_keys(connection, person, (record.c.ins_authority, record.c.ins_value), needs.ins)
    named += select_by_keys(connection, person, (record.c.origin_authority, record.c.origin_value), needs.identities)
    return _select(connection, record.c.person_id, {row["person_id"] for row in named})


def _load_foci(connection: Connection, state: State, keys: Sequence[FocusKey]) -> list[str]:
    key = schema.focus_key
    of_focus: dict[str, list[FocusKey]] = {}
    for row in select_by_keys(connection, select(key), (key.c.kind, key.c.authority, key.c.value), keys):
        of_focus.setdefault(row["focus_id"], []).append((row["kind"], row["authority"], row["value"]))
    identities = []
    for row in _select(connection, schema.focus.c.id, of_focus):
        state.load_focus(rows.focus(row), of_focus[row["id"]])
        identities.append(row["identity_id"])
    _load_missing_identities(connection, state, identities)
    return list(of_focus)


def _load_missing_identities(connection: Connection, state: State, identities: Sequence[str]) -> None:
    """An object named by a message, or an item about it, may be another record's: whose it is must be seen."""
    missing = {i for i in identities if state.identities.get(i) is None}
    people = {row["person_id"] for row in _select(connection, schema.identity.c.id, missing)}
    for row in _select(connection, schema.identity.c.person_id, people):
        state.load_identity(rows.identity(row))
    for row in _select(connection, schema.person.c.id, people):
        state.persons.load(row["id"], rows.person(row["golden"]))


def _history_row(step: Any, now: datetime) -> dict[str, Any]:
    return {
        "item_id": step.item.id,
        "version": step.item.version,
        "at": now,
        "state": step.item.state,
        "priority": step.item.priority,
        "title": step.item.title,
        "message_id": step.message,
        "principal": step.principal,
    }


def _outbox_row(entry: OutboxEntry) -> dict[str, Any]:
    return {
        "message_id": entry.message_id,
        "secretariat": entry.secretariat,
        "order_key": entry.order_key,
        "item_id": entry.item,
        "version": entry.version,
        "body": entry.body,
        "created_at": entry.created_at,
    }
