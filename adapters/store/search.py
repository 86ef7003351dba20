"""Messages found among millions: by an index, in the order of their numbers, a page at a time.

A search walks the numbers that its most telling condition has, a chunk at a time, and looks at the other conditions of
those only. However much is stored and whatever is asked, a page looks at a bounded number of messages; where that is
not enough to fill it, it says from which number on to ask again.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    Select,
    and_,
    func,
    literal,
    select,
    true,
    union,
)

from adapters.store import schema
from adapters.store.audit import AuditTrail
from adapters.store.database import Database
from adapters.store.inbox import StoredMessage, listing, stored
from gateway.reception import State

CHUNK = 5_000
"""Numbers whose other conditions are looked at by one statement: few enough that each is found by its key."""

EXAMINED = 50_000
"""Numbers that one page looks at, at most."""

DISORDER = timedelta(hours=1)
"""How far the clock may jump back between two messages without a search by period missing one."""

GROUPS = 200
"""Groups of errors shown, the largest."""

_message, _outcome, _pending = schema.message, schema.outcome, schema.pending
_RARE = frozenset({State.QUARANTINED, State.DUPLICATE, State.IGNORED})
_hold, _owner, _named = schema.message_hold, schema.message_owner, schema.message_patient


@dataclass(frozen=True, slots=True)
class MessageFilter:
    """Which messages to find; every condition given must hold.

    Attributes:
        state: how they ended, or ``pending``.
        source: the site's source id.
        message_type: ``ADT^A01``, ``Appointment:create``.
        control_id: MSH-10 or X-Request-Id.
        patient: an identifier's value (IPP, INS, a department's number) of a patient whom they named or touched.
        error: name of the error that they ended with.
        owner: who looks after them.
        held: only those that an operator holds.
        unresolved: only errors that are still to be dealt with.
        since: received from this instant on.
        until: received before this instant.

    """

    state: str = ""
    source: str = ""
    message_type: str = ""
    control_id: str = ""
    patient: str = ""
    error: str = ""
    owner: str = ""
    held: bool = False
    unresolved: bool = False
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """Some of the messages that match.

    Attributes:
        messages: oldest first.
        before: ask again for those before this number; None where no older one matches.

    """

    messages: list[StoredMessage]
    before: int | None


@dataclass(frozen=True, slots=True)
class ErrorGroup:
    """Open errors of one kind.

    Attributes:
        error: name of the error.
        rule: what was expected.
        count: how many messages.
        first: the oldest message's number.
        last: the newest message's number.

    """

    error: str
    rule: str
    count: int
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class _Condition:
    """Something that must hold, and the column of the numbers for which it does: an index gives them in order."""

    numbers: ColumnElement[int]
    where: tuple[ColumnElement[Any], ...] = ()

    def holds_for(self, number: ColumnElement[int]) -> ColumnElement[bool]:
        return select(literal(1)).where(self.numbers == number, *self.where).exists()


class MessageSearch:
    """The search over one database's inbox."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._trail = AuditTrail(database)

    def page(self, wanted: MessageFilter, *, before: int | None = None, limit: int = 100) -> Page:
        """Give the newest messages that match, of those before a number."""
        conditions = self._conditions(wanted)
        with self._database.read() as connection:
            lowest, highest = _span(connection, wanted)
            top = highest if before is None else min(before, highest)
            walk = _Walk(conditions, lowest, top, newest_first=True)
            found: list[int] = []
            while not walk.over and len(found) < limit and walk.examined < EXAMINED:
                found += walk.next(connection, limit - len(found))
            rows = connection.execute(listing().where(_message.c.id.in_(found)).order_by(_message.c.id)).all()
            return Page([stored(row) for row in rows], None if walk.over else walk.edge)

    def numbers(self, wanted: MessageFilter, size: int) -> Iterator[list[int]]:
        """Give the numbers of all that match now, in order, so many at a time; each list is a read of its own."""
        conditions = self._conditions(wanted)
        with self._database.read() as connection:
            lowest, highest = _span(connection, wanted)
        walk = _Walk(conditions, lowest, highest, newest_first=False)
        while not walk.over:
            with self._database.read() as connection:
                found = walk.next(connection, size)
            if found:
                yield found

    def span(self, wanted: MessageFilter) -> tuple[int, int]:
        """Give a number from which on the messages of a period are, and one before which they are."""
        with self._database.read() as connection:
            return _span(connection, wanted)

    def error_groups(self) -> list[ErrorGroup]:
        """Count the errors that are still to be dealt with, by error and rule, the most frequent first."""
        number, count = _outcome.c.message_id, func.count()
        statement = (
            select(_outcome.c.error, _outcome.c.rule, count, func.min(number), func.max(number))
            .where(schema.OPEN_ERROR)
            .group_by(_outcome.c.error, _outcome.c.rule)
            .order_by(count.desc(), _outcome.c.error, _outcome.c.rule)
            .limit(GROUPS)
        )
        with self._database.read() as connection:
            return [ErrorGroup(*row) for row in connection.execute(statement)]

    def _conditions(self, wanted: MessageFilter) -> list[_Condition]:
        """Give the conditions, the most telling first: that one is walked, the others are looked at."""
        state, message, outcome = wanted.state, _message.c, _outcome.c
        ended = _Condition(outcome.message_id, (outcome.state == state,))
        asked = [
            (wanted.control_id, _Condition(message.id, (message.control_id == wanted.control_id,))),
            (wanted.held, _Condition(_hold.c.message_id)),
            (wanted.owner, _Condition(_owner.c.message_id, (_owner.c.owner == wanted.owner,))),
            (state == State.PENDING, _Condition(_pending.c.message_id)),
            (wanted.error, _Condition(outcome.message_id, (schema.NAMED_ERROR, outcome.error == wanted.error))),
            (wanted.unresolved, _Condition(outcome.message_id, (schema.OPEN_ERROR,))),
            (state in _RARE, ended),
            (wanted.message_type, _Condition(message.id, (message.message_type == wanted.message_type,))),
            (wanted.source, _Condition(message.id, (message.source == wanted.source,))),
            (state == State.PROCESSED, ended),
        ]
        found = [condition for given, condition in asked if given]
        if wanted.patient:
            found.insert(0, _Condition(_of_patient(wanted.patient, self._trail.identities(wanted.patient))))
        return [*(found or [_Condition(message.id)]), *_received(wanted)]


class _Walk:
    """The numbers that match, in order, a chunk at a time.

    Attributes:
        examined: numbers looked at so far.
        edge: where the walk stands: the next number is beyond it (downwards) or from it on (upwards).
        over: whether nothing is left.

    """

    def __init__(self, conditions: Sequence[_Condition], lowest: int, highest: int, *, newest_first: bool) -> None:
        self._first, *self._others = conditions
        self._lowest, self._highest, self._down = lowest, highest, newest_first
        self.edge = highest if newest_first else lowest
        self.examined = 0
        self.over = lowest >= highest

    def next(self, connection: Connection, limit: int) -> list[int]:
        """Give at most so many numbers of the next chunk."""
        size = CHUNK if self._others else limit
        chunk = self._chunk(size)
        number = chunk.c.number
        statement = select(number).where(*(c.holds_for(number) for c in self._others))
        found = list(connection.execute(statement.order_by(self._ordered(number)).limit(limit)).scalars())
        if len(found) == limit:
            self.examined += limit
            self._move(found[-1])
            return found
        last = func.min(number) if self._down else func.max(number)
        count, end = connection.execute(select(func.count(), last).select_from(chunk)).one()
        self.examined += count
        self.over = count < size
        if end is not None:
            self._move(end)
        return found

    def _chunk(self, size: int) -> FromClause:
        numbers, (low, high) = self._first.numbers, self._left()
        within = and_(*self._first.where, numbers >= low, numbers < high)
        return (
            select(numbers.label("number")).where(within).order_by(self._ordered(numbers)).limit(size).subquery("chunk")
        )

    def _left(self) -> tuple[int, int]:
        return (self._lowest, self.edge) if self._down else (self.edge, self._highest)

    def _ordered(self, number: ColumnElement[int]) -> ColumnElement[int]:
        return number.desc() if self._down else number.asc()

    def _move(self, last: int) -> None:
        self.edge = last if self._down else last + 1
        low, high = self._left()
        self.over = self.over or low >= high


def _received(wanted: MessageFilter) -> list[_Condition]:
    at = _message.c.received_at
    since = at >= wanted.since if wanted.since else true()
    until = at < wanted.until if wanted.until else true()
    return [_Condition(_message.c.id, (since, until))] if wanted.since or wanted.until else []


def _of_patient(value: str, identities: Sequence[str]) -> ColumnElement[int]:
    """The numbers of messages that touched a patient's records, named the value to no effect, or repeat such a one."""
    event, touch = schema.audit_event, schema.audit_patient
    touched = (
        select(event.c.message_id)
        .join(touch, touch.c.event_id == event.c.id)
        .where(touch.c.identity_id.in_(identities), event.c.message_id.is_not(None))
    )
    named = select(_named.c.message_id).where(_named.c.value == value)
    own = union(touched, named).subquery("own")
    repeated = select(_outcome.c.message_id).where(
        schema.REPETITION, _outcome.c.duplicate_of.in_(select(own.c.message_id))
    )
    column: ColumnElement[int] = union(select(own.c.message_id), repeated).subquery("patient").c.message_id
    return column


def _span(connection: Connection, wanted: MessageFilter) -> tuple[int, int]:
    """Give the numbers between which the messages of the period are: found by halving, for time follows numbers."""
    # Each a query of its own: asked for both at once, SQLite reads the whole index.
    ends = (select(end(_message.c.id)).scalar_subquery() for end in (func.min, func.max))
    lowest, highest = connection.execute(select(*ends)).one()
    if lowest is None:
        return 0, 0
    end = highest + 1
    start = _number_at(connection, wanted.since - DISORDER, lowest, end) if wanted.since else lowest
    return start, _number_at(connection, wanted.until + DISORDER, lowest, end) if wanted.until else end


def _number_at(connection: Connection, instant: datetime, low: int, high: int) -> int:
    """Give a number before which messages were received before an instant, and from which on they were not."""
    probe: Select[Any] = select(_message.c.id, _message.c.received_at).order_by(_message.c.id).limit(1)
    while low < high:
        middle = (low + high) // 2
        found = connection.execute(probe.where(_message.c.id >= middle)).first()
        if found is None or found.received_at >= instant:
            high = middle
        else:
            low = found.id + 1
    return low
