"""What operations people watch, in the store: vitals, who serves, sources' traffic, alarms and their notices.

No statement's cost grows with what is stored: what is to do is counted in the small tables that hold it, everything
else by an index and up to a bound.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import ColumnElement, Connection, Insert, Table, case, delete, func, insert, literal, select
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from adapters.store import schema
from adapters.store.audit import append
from adapters.store.checkpoints import Checkpointing, checkpointing
from adapters.store.database import Database
from gateway.alarm import AlarmChange, AlarmKey, AlarmName
from gateway.audit import AuditAction, AuditEvent
from gateway.worklist import ItemState

COUNTED = 10_000
"""What lies in tables that keep everything is counted up to here."""

SLOT_SECONDS = 10
"""Traffic is kept by ten seconds."""

HOUR_SLOTS, MINUTES_SLOTS = 3_600 // SLOT_SECONDS, 300 // SLOT_SECONDS
"""Slots of the last hour and of the last five minutes."""

ALIVE = timedelta(seconds=10)
"""A process that has not renewed its row for so long serves no more."""

_FORGOTTEN = timedelta(hours=1)
_OPEN = tuple(s for s in ItemState if s not in {ItemState.DONE, ItemState.WITHDRAWN})


Tallies = Mapping[tuple[str, str], float]
"""Name and labels, joined by a bar, of what is counted -> how much."""

KEYS_LEFT_OUT = "keys_left_out"
"""Name of the tally of the blocking keys that were left out of look-ups, by kind."""

MISSING = "missing"
"""Name of the tally of the messages that never came, by source."""


@dataclass(frozen=True, slots=True)
class Serving:
    """A process that serves.

    Attributes:
        id: its own identifier (UUID text).
        role: what it runs.
        host: name of its machine.
        pid: its process id there.
        version: of the program.
        started_at: since when.
        beat_at: when it last renewed its row.
        intake: ``open``, or why it takes nothing in; empty where it has no intake.
        broker: whether its relay has its broker; None where it does not relay.
        connections: MLLP connections open.
        certificate_ends: when its MLLPS certificate in use ends; None where it shows none.

    """

    id: str
    role: str
    host: str
    pid: int
    version: str
    started_at: datetime
    beat_at: datetime
    intake: str = ""
    broker: bool | None = None
    connections: int = 0
    certificate_ends: datetime | None = None


@dataclass(frozen=True, slots=True)
class StandingAlarm:
    """An alarm under way."""

    key: AlarmKey
    raised_at: datetime
    value: float
    threshold: float


@dataclass(frozen=True, slots=True)
class AlarmNotice:
    """What the webhook is to be told: an alarm that was raised or resolved."""

    sequence: int
    id: str
    key: AlarmKey
    raised: bool
    at: datetime
    value: float | None
    threshold: float | None


@dataclass(frozen=True, slots=True)
class RepliesDue:
    """Application acknowledgments that a source's own address is still to be told, and since when the first is due."""

    count: int
    oldest: datetime


@dataclass(frozen=True, slots=True)
class LateItems:
    """Open items of a secretariat that were late, counted up to COUNTED in all.

    Attributes:
        escalated: of which somebody was told.
        alarmed: of which the alarm is raised.

    """

    escalated: int
    alarmed: int


@dataclass(frozen=True, slots=True)
class Vitals:
    """How the gateway is, at one instant.

    Attributes:
        backlog: messages that wait for the pipeline.
        oldest_pending: since when the first of them has waited.
        outbox: item versions that wait for the broker.
        oldest_outbox: since when the first of them has waited.
        quarantined: messages in quarantine that nobody has resolved, counted up to COUNTED.
        unsealed: audit events without a seal, counted up to COUNTED.
        oldest_unsealed: when the first of them was written.
        checkpoints: how far checkpoints and their sinks are.
        seen: when each source last sent something.
        serving: the processes that serve.
        alarms: those under way.
        tallies: name and labels -> what all processes have counted and timed.
        replies: source -> what its own address is still to be told.
        late: secretariat -> its items that were late.

    """

    backlog: int
    oldest_pending: datetime | None
    outbox: int
    oldest_outbox: datetime | None
    quarantined: int
    unsealed: int
    oldest_unsealed: datetime | None
    seen: Mapping[str, datetime]
    serving: Sequence[Serving]
    alarms: Sequence[StandingAlarm]
    tallies: Tallies = field(default_factory=dict)
    replies: Mapping[str, RepliesDue] = field(default_factory=dict)
    checkpoints: Checkpointing = field(default_factory=Checkpointing)
    late: Mapping[str, LateItems] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OpenItems:
    """A secretariat's open items, counted up to COUNTED, and when the oldest was made."""

    secretariat: str
    count: int
    oldest: datetime | None


class WatchStore:
    """What is watched of one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # -- reading ---------------------------------------------------------------------------------------------------

    def vitals(self, now: datetime) -> Vitals:
        """Give how the gateway is."""
        with self._database.read() as connection:
            return Vitals(
                backlog=_count(connection, schema.pending),
                oldest_pending=_pending_since(connection),
                outbox=_count(connection, schema.outbox_pending),
                oldest_outbox=_first_at(
                    connection, schema.outbox_pending.c.sequence, schema.outbox.c.sequence, schema.outbox.c.created_at
                ),
                quarantined=_count(connection, schema.outcome, schema.OPEN_ERROR),
                unsealed=_count(connection, schema.audit_unsealed, literal(value=True)),
                oldest_unsealed=_first_at(
                    connection, schema.audit_unsealed.c.event_id, schema.audit_event.c.id, schema.audit_event.c.at
                ),
                seen={row.source: row.last_at for row in connection.execute(select(schema.source_seen))},
                serving=_serving(connection, now),
                alarms=_standing(connection),
                checkpoints=checkpointing(connection),
                tallies={(row.name, row.labels): row.amount for row in connection.execute(select(schema.tally))},
                replies=_replies(connection),
                late=_late(connection),
            )

    def traffic(self, now: datetime, slots: int) -> dict[str, int]:
        """Count what each source sent in the last so many slots, the one that has begun included."""
        table, current = schema.traffic, _slot(now)
        statement = (
            select(table.c.source, func.sum(table.c.messages))
            .where(table.c.slot > current - slots, table.c.slot <= current)
            .group_by(table.c.source)
        )
        with self._database.read() as connection:
            return {source: int(count) for source, count in connection.execute(statement)}

    def open_items(self, secretariats: Iterable[str]) -> list[OpenItems]:
        """Give each secretariat's open items."""
        with self._database.read() as connection:
            return [_open_items(connection, secretariat) for secretariat in secretariats]

    # -- who serves, and what came -----------------------------------------------------------------------------------

    def beat(
        self,
        serving: Serving,
        seen: Mapping[str, datetime] | None = None,
        counted: Mapping[str, int] | None = None,
        tallies: Tallies | None = None,
    ) -> None:
        """Renew a process's row, with what it saw since the last time; what is too old to be asked for goes.

        Args:
            serving: the process.
            seen: source -> when it last sent something.
            counted: source -> how many messages were recorded since the last time.
            tallies: what was counted and timed since the last time.

        """
        now, slot = serving.beat_at, _slot(serving.beat_at)
        last = [{"source": source, "last_at": at} for source, at in sorted((seen or {}).items())]
        flow = [
            {"slot": slot, "source": source, "process": serving.id, "messages": count}
            for source, count in sorted((counted or {}).items())
        ]
        with self._database.write() as connection:
            self._renew(connection, serving)
            if last:
                connection.execute(self._upsert(schema.source_seen, ("last_at",)), last)
            self._add(connection, schema.traffic, "messages", flow)
            self._add(connection, schema.tally, "amount", _tally_rows(tallies or {}))
            old = schema.traffic.c.slot < slot - HOUR_SLOTS
            connection.execute(delete(schema.traffic).where(old))
            connection.execute(delete(schema.serving).where(schema.serving.c.beat_at < now - _FORGOTTEN))

    def _renew(self, connection: Connection, serving: Serving) -> None:
        values = asdict(serving)
        connection.execute(self._upsert(schema.serving, [name for name in values if name != "id"]), [values])

    def _add(self, connection: Connection, table: Table, column: str, rows: list[dict[str, Any]]) -> None:
        """Add to what stands; in the order of the keys, so that processes cannot deadlock."""
        if rows:
            fresh, keys = self._insert(table), [c.name for c in table.primary_key]
            more = {column: table.c[column] + fresh.excluded[column]}
            connection.execute(fresh.on_conflict_do_update(index_elements=keys, set_=more), rows)

    def leave(self, process: str) -> None:
        """Remove a process's row: it serves no more."""
        with self._database.write() as connection:
            connection.execute(delete(schema.serving).where(schema.serving.c.id == process))

    # -- alarms ------------------------------------------------------------------------------------------------------

    def change_alarms(self, changes: Sequence[AlarmChange], now: datetime, *, notify: bool) -> list[AlarmChange]:
        """Write alarms that are raised or resolved, with their audit events and notices, in one transaction.

        Args:
            changes: what to write.
            now: aware instant.
            notify: whether a webhook is to be told.

        Returns:
            What was new: an alarm that stands is not raised again, one that does not is not resolved.

        """
        with self._database.write() as connection:
            done = [change for change in changes if self._change(connection, change, now)]
            append(connection, [_event(change, now) for change in done])
            if notify and done:
                connection.execute(insert(schema.alarm_notice), [_notice_row(change, now) for change in done])
        return done

    def _change(self, connection: Connection, change: AlarmChange, now: datetime) -> bool:
        table, key = schema.alarm, change.key
        if change.raised:
            row = {"name": key.name, "subject": key.subject, "raised_at": now}
            fresh = self._insert(table).values(**row, value=change.value, threshold=change.limit)
            written = connection.execute(fresh.on_conflict_do_nothing().returning(table.c.name))
        else:
            own = (table.c.name == key.name) & (table.c.subject == key.subject)
            written = connection.execute(delete(table).where(own).returning(table.c.name))
        return written.first() is not None

    def next_notice(self) -> AlarmNotice | None:
        """Give the oldest notice that the webhook has not taken; None if there is none."""
        table = schema.alarm_notice
        with self._database.read() as connection:
            row = connection.execute(select(table).order_by(table.c.sequence).limit(1)).first()
        if row is None:
            return None
        key = AlarmKey(AlarmName(row.name), row.subject)
        return AlarmNotice(row.sequence, row.id, key, row.raised, row.at, row.value, row.threshold)

    def end_notice(self, notice: AlarmNotice) -> None:
        """Remove a notice that was delivered, or that is given up."""
        with self._database.write() as connection:
            connection.execute(delete(schema.alarm_notice).where(schema.alarm_notice.c.sequence == notice.sequence))

    # -- the two dialects --------------------------------------------------------------------------------------------

    def _insert(self, table: Table) -> Any:
        return (sqlite_insert if self._database.sqlite else postgresql_insert)(table)

    def _upsert(self, table: Table, columns: Collection[str]) -> Insert:
        fresh = self._insert(table)
        keys = [c.name for c in table.primary_key]
        upsert: Insert = fresh.on_conflict_do_update(
            index_elements=keys, set_={name: fresh.excluded[name] for name in columns}
        )
        return upsert


def _tally_rows(tallies: Tallies) -> list[dict[str, Any]]:
    return [{"name": name, "labels": labels, "amount": amount} for (name, labels), amount in sorted(tallies.items())]


def _slot(at: datetime) -> int:
    return int(at.timestamp()) // SLOT_SECONDS


def _count(connection: Connection, table: Table, condition: ColumnElement[bool] | None = None) -> int:
    """Count a small table, or, under a condition, up to COUNTED."""
    if condition is None:
        return connection.execute(select(func.count()).select_from(table)).scalar_one()
    some = select(literal(1).label("one")).select_from(table).where(condition).limit(COUNTED).subquery("counted")
    return connection.execute(select(func.count()).select_from(some)).scalar_one()


def _late(connection: Connection) -> dict[str, LateItems]:
    item = schema.work_item.c
    some = select(item.secretariat, item.alarmed).where(schema.LATE).limit(COUNTED).subquery("counted")
    alarmed = func.sum(case((some.c.alarmed, 1), else_=0))
    counts = select(some.c.secretariat, func.count(), alarmed).group_by(some.c.secretariat)
    return {secretariat: LateItems(count, int(told)) for secretariat, count, told in connection.execute(counts)}


def _first_at(
    connection: Connection, waiting: ColumnElement[int], number: ColumnElement[int], at: ColumnElement[datetime]
) -> datetime | None:
    """Give the instant of the first that waits."""
    first = select(func.min(waiting)).scalar_subquery()
    return connection.execute(select(at).where(number == first)).scalar()


_SET_GOING = (AuditAction.MESSAGE_REPLAYED, AuditAction.MESSAGE_RELEASED)


def _pending_since(connection: Connection) -> datetime | None:
    """Give since when the first pending message that nobody holds has waited: received, or replayed or released."""
    first = connection.execute(select(func.min(schema.pending.c.message_id)).where(~schema.pending.c.held)).scalar()
    if first is None:
        return None
    received = connection.execute(select(schema.message.c.received_at).where(schema.message.c.id == first)).scalar()
    event = schema.audit_event
    replays = select(event.c.at).where(event.c.message_id == first, event.c.action.in_(_SET_GOING))
    replayed = connection.execute(replays.order_by(event.c.at.desc()).limit(1)).scalar()
    return max((at for at in (received, replayed) if at is not None), default=None)


def _replies(connection: Connection) -> dict[str, RepliesDue]:
    """What is to be told of messages that have ended; bounded, for no more is taken in than may be owed."""
    due, ended = schema.reply_due, schema.outcome
    joined = due.join(ended, ended.c.message_id == due.c.message_id)
    counted = select(due.c.source, func.count(), func.min(ended.c.ended_at)).select_from(joined).group_by(due.c.source)
    return {source: RepliesDue(count, oldest) for source, count, oldest in connection.execute(counted)}


def _serving(connection: Connection, now: datetime) -> list[Serving]:
    alive = select(schema.serving).where(schema.serving.c.beat_at > now - ALIVE)
    rows = connection.execute(alive.order_by(schema.serving.c.started_at, schema.serving.c.id)).mappings()
    return [Serving(**row) for row in rows]


def _standing(connection: Connection) -> list[StandingAlarm]:
    rows = connection.execute(select(schema.alarm).order_by(schema.alarm.c.raised_at, schema.alarm.c.name))
    return [StandingAlarm(AlarmKey(AlarmName(r.name), r.subject), r.raised_at, r.value, r.threshold) for r in rows]


def _open_items(connection: Connection, secretariat: str) -> OpenItems:
    item = schema.work_item
    own = (item.c.secretariat == secretariat) & item.c.state.in_(_OPEN)
    oldest = [
        connection.execute(
            select(func.min(item.c.created_at)).where(item.c.secretariat == secretariat, item.c.state == state)
        ).scalar()
        for state in _OPEN
    ]
    first = min((at for at in oldest if at is not None), default=None)
    return OpenItems(secretariat, _count(connection, item, own), first)


def _event(change: AlarmChange, now: datetime) -> AuditEvent:
    action = AuditAction.ALARM_RAISED if change.raised else AuditAction.ALARM_RESOLVED
    detail: dict[str, str | int | bool] = {"alarm": change.key.name, "subject": change.key.subject}
    if change.value is not None:
        detail["value"] = int(change.value)
    return AuditEvent(now, action, "gateway", detail=detail)


def _notice_row(change: AlarmChange, now: datetime) -> dict[str, Any]:
    return {
        "id": str(uuid4()),
        "name": change.key.name,
        "subject": change.key.subject,
        "raised": change.raised,
        "at": now.astimezone(UTC),
        "value": change.value,
        "threshold": change.limit,
    }
