"""The purge: what has been kept for its time goes, in small batches, each with its audit event in its transaction.

Numbers rise with time, so the end of what may be due is found by halving, and what is kept beyond it is never read.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Column, Connection, Select, delete, func, select

from adapters.store import schema
from adapters.store.audit import append
from adapters.store.database import Database, SessionLock
from adapters.store.keys import among
from gateway.audit import AuditAction, AuditEvent
from gateway.errors import StoreInUse
from gateway.reception import State
from gateway.retention import Matter, Purge, Terms, releases_bus_message

BATCH_ROWS = 500
BATCH_BYTES = 16 * 1024 * 1024
"""A batch purges at most so many rows and bytes, but at least one row: the pipeline waits for none of it for long."""

_RETENTION_LOCK = 0x4E7E
_message, _body, _outcome = schema.message, schema.message_body, schema.outcome
_outbox, _key = schema.outbox, schema.received_key


class Retention:
    """The purge of one database.

    Args:
        database: the database.
        terms: how long each matter is kept.

    """

    def __init__(self, database: Database, terms: Terms) -> None:
        self._database = database
        self._terms = terms
        self._turn = SessionLock(database, _RETENTION_LOCK)

    def run(self, principal: str, now: datetime, *, dry_run: bool = False) -> Iterator[Purge]:
        """Purge all that is due, batch by batch, and give each batch once it is committed.

        Args:
            principal: who purges, for the audit trail.
            now: the instant from which the terms count back.
            dry_run: only look; nothing is locked, changed or audited.

        Raises:
            StoreInUse: another process is at it.

        """
        try:
            if not dry_run and not self._turn.hold():
                raise StoreInUse("another process purges")
            for matter in Matter:
                cutoff = self._terms.cutoff(matter, now)
                if cutoff is not None:
                    yield from self._purge(matter, cutoff, now, "" if dry_run else principal)
        finally:
            self._turn.release()

    def _purge(self, matter: Matter, cutoff: datetime, now: datetime, principal: str) -> Iterator[Purge]:
        work = _WORK[matter](self._terms, cutoff, now, purges=bool(principal))
        with self._database.read() as connection:
            reached, end = work.bounds(connection)
        while reached < end:
            with self._database.write() if principal else self._database.read() as connection:
                numbers, reached = work.batch(connection, reached, end)
                first, last = min(numbers, default=0), max(numbers, default=0)
                done = Purge(matter, cutoff, len(numbers), first, last, reached, end)
                if numbers and principal:
                    append(connection, [_event(done, principal, now)])
            yield done


def _event(done: Purge, principal: str, now: datetime) -> AuditEvent:
    numbers = {"count": done.count, "first": done.first, "last": done.last}
    detail = {"matter": done.matter.value, "before": done.cutoff.isoformat(), **numbers}
    return AuditEvent(now, AuditAction.STORE_PURGED, principal, detail=detail)


@dataclass(frozen=True, slots=True)
class _Purging:
    """The purge of one matter.

    Attributes:
        terms: how long each matter is kept.
        cutoff: nothing younger is due.
        now: the instant of the purge.
        purges: whether what is due is deleted, or only counted.

    """

    terms: Terms
    cutoff: datetime
    now: datetime
    purges: bool

    def bounds(self, connection: Connection) -> tuple[int, int]:
        """Give after which number and up to which one something may be due."""
        raise NotImplementedError

    def batch(self, connection: Connection, after: int, end: int) -> tuple[Sequence[int], int]:
        """Purge a batch of what follows a number; give the numbers purged, and up to which one was looked."""
        raise NotImplementedError


class _Bodies(_Purging):
    """Bodies of messages that have ended; a message that waits for the pipeline or a person has no due outcome."""

    def bounds(self, connection: Connection) -> tuple[int, int]:
        start = _first(connection, _body.c.message_id)
        return start - 1, _last_before(connection, _message.c.id, _message.c.received_at, start, self.cutoff)

    def batch(self, connection: Connection, after: int, end: int) -> tuple[Sequence[int], int]:
        page = _page(connection, _body.c.message_id, after, end)
        taken: list[int] = []
        total = 0
        for row in connection.execute(self._ended(connection, page)):
            waits = row.waits is not None
            if not self.terms.releases_body(State(row.state), row.received_at, self.now, waits=waits):
                continue
            total += row.size
            if taken and total > BATCH_BYTES:
                return self._delete(connection, taken), taken[-1]
            taken.append(row.message_id)
        return self._delete(connection, taken), page[-1] if page else end

    def _ended(self, connection: Connection, numbers: Sequence[int]) -> Select[Any]:
        """Give the outcomes; to purge, locked against a replay, and without those that are being replayed."""
        waits = select(schema.waiting_fact.c.message_id).where(schema.waiting_fact.c.message_id == _message.c.id)
        columns = (_outcome.c.message_id, _outcome.c.state, _message.c.received_at, _message.c.size)
        ended = (
            select(*columns, waits.limit(1).scalar_subquery().label("waits"))
            .join_from(_outcome, _message, _message.c.id == _outcome.c.message_id)
            .where(among(connection, _outcome.c.message_id, numbers))
            .order_by(_outcome.c.message_id)
        )
        return ended.with_for_update(of=_outcome, skip_locked=True) if self.purges else ended

    def _delete(self, connection: Connection, numbers: list[int]) -> list[int]:
        if numbers and self.purges:
            connection.execute(delete(_body).where(among(connection, _body.c.message_id, numbers)))
        return numbers


class _BusMessages(_Purging):
    """Entries that the broker has confirmed, and that every subscription which still moves has read."""

    def bounds(self, connection: Connection) -> tuple[int, int]:
        start = _first(connection, _outbox.c.sequence)
        return start - 1, _last_before(connection, _outbox.c.sequence, _outbox.c.created_at, start, self.cutoff)

    def batch(self, connection: Connection, after: int, end: int) -> tuple[Sequence[int], int]:
        page = _page(connection, _outbox.c.sequence, after, end)
        read_up_to = self._read_up_to(connection)
        pending = schema.outbox_pending
        unconfirmed = select(pending.c.sequence).where(pending.c.sequence == _outbox.c.sequence).exists()
        statement = select(_outbox.c.sequence, _outbox.c.secretariat).where(
            among(connection, _outbox.c.sequence, page), _outbox.c.created_at < self.cutoff, ~unconfirmed
        )
        found = connection.execute(statement.order_by(_outbox.c.sequence)).all()
        taken = [r.sequence for r in found if releases_bus_message(r.sequence, read_up_to, r.secretariat)]
        if taken and self.purges:
            connection.execute(delete(_outbox).where(among(connection, _outbox.c.sequence, taken)))
        return taken, page[-1] if page else end

    def _read_up_to(self, connection: Connection) -> dict[str, int]:
        """Give for each secretariat how far its slowest subscription is, of those that still move."""
        cursor = schema.subscription
        slowest = select(cursor.c.secretariat, func.min(cursor.c.position).label("read_up_to"))
        moving = slowest.where(cursor.c.moved_at >= self.cutoff).group_by(cursor.c.secretariat)
        return {row.secretariat: row.read_up_to for row in connection.execute(moving)}


class _FirstAnswers(_Purging):
    """First answers outside the duplicate window; they have no number of their own, so they are counted."""

    def bounds(self, connection: Connection) -> tuple[int, int]:
        due = select(func.count()).select_from(_key).where(_key.c.received_at < self.cutoff)
        return 0, connection.execute(due).scalar_one()

    def batch(self, connection: Connection, after: int, end: int) -> tuple[Sequence[int], int]:
        due = select(_key.c.message_id, _key.c.received_at).where(_key.c.received_at < self.cutoff)
        oldest = due.order_by(_key.c.received_at).limit(BATCH_ROWS).offset(0 if self.purges else after)
        found = connection.execute(oldest).all()
        if not found or not self.purges:
            return [row.message_id for row in found], after + len(found) if found else end
        # Not by key: one that has just become the first answer anew is younger now, and stays.
        gone = delete(_key).where(_key.c.received_at <= found[-1].received_at).returning(_key.c.message_id)
        numbers = connection.execute(gone).scalars().all()
        return numbers, after + len(numbers) if numbers else end


_WORK: dict[Matter, type[_Purging]] = {
    Matter.BODY: _Bodies,
    Matter.BUS_MESSAGE: _BusMessages,
    Matter.FIRST_ANSWER: _FirstAnswers,
}


def _first(connection: Connection, number: Column[int]) -> int:
    return connection.execute(select(func.min(number))).scalar() or 1


def _page(connection: Connection, number: Column[int], after: int, end: int) -> Sequence[int]:
    """Give the next numbers, for a second statement to look at: one for both might be planned to read all records."""
    following = select(number).where(number > after, number <= end)
    return connection.execute(following.order_by(number).limit(BATCH_ROWS)).scalars().all()


def _last_before(connection: Connection, number: Column[int], at: Column[Any], start: int, cutoff: datetime) -> int:
    """Give the number up to which rows are older than the cut-off.

    Found by halving, for numbers rise with time: an index on the time would be paid for by each message. Where the
    clock was put back, the number is that of one of the places; each row's own time is looked at all the same.
    """
    low, high = start, (connection.execute(select(func.max(number))).scalar() or 0) + 1
    while low < high:
        middle = (low + high) // 2
        row = connection.execute(select(number, at).where(number >= middle).order_by(number).limit(1)).first()
        if row is None or row[1] >= cutoff:
            high = middle
        else:
            low = row[0] + 1
    return low - 1
