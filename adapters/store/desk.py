"""The operator's desk: held, released, discarded, replayed, edited, assigned and resolved messages.

A message is either pending or ended, at any time: what takes it from one to the other deletes the one row and inserts
the other in one transaction. What touches a pending message waits for the batches in hand, and finds how they left it.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from adapters.store import schema
from adapters.store.audit import append
from adapters.store.bulk import Together, next_numbers
from adapters.store.database import Database
from adapters.store.inbox import insert_messages, make_pending, take_back
from adapters.store.keys import among
from adapters.store.news import PENDING, tell
from gateway.audit import AuditEvent
from gateway.errors import POSITIVE, StateConflict
from gateway.reception import DISCARDED, EDITED, Reception, Recorded, State

_outcome, _pending = schema.outcome, schema.pending
_hold, _owner, _edit = schema.message_hold, schema.message_owner, schema.message_edit

Events = Callable[[Sequence[int]], Sequence[AuditEvent]]
"""Gives the audit events of an act on messages, once their numbers are known."""


class LeftOut(StrEnum):
    """Why a bulk replay leaves a message alone; some may be replayed singly."""

    PENDING = "pending"
    DUPLICATE = "duplicate"
    REFUSED = "refused"
    HELD = "held"
    DISCARDED = "discarded"
    RESOLVED = "resolved"
    PURGED = "purged"
    CHANGED = "changed"


@dataclass(slots=True)
class Sifted:
    """What a bulk replay makes of messages.

    Attributes:
        replayed: numbers of those that it takes.
        left_out: why it leaves the others alone, and how many for each reason.

    """

    replayed: list[int] = field(default_factory=list)
    left_out: Counter[LeftOut] = field(default_factory=Counter)


class MessageDesk:
    """What operators do with the messages of one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def hold(self, number: int, event: AuditEvent, reason: str) -> None:
        """Keep a pending message out of the pipeline, or a quarantined one out of bulk replay.

        Raises:
            StateConflict: it has ended otherwise, or is held already.

        """
        with self._database.write() as connection:
            self._database.hold_pipeline(connection)
            waits = update(_pending).where(_pending.c.message_id == number, ~_pending.c.held).values(held=True)
            state = State.PENDING if connection.execute(waits).rowcount else _ended(connection, number)
            if _is_held(connection, number):
                raise StateConflict("the message is held already")
            _require(state, "held", State.PENDING, State.QUARANTINED)
            held = {"message_id": number, "held_at": event.at, "principal": event.principal, "reason": reason}
            connection.execute(insert(_hold).values(held))
            append(connection, [event])

    def release(self, number: int, event: AuditEvent) -> None:
        """Let a held message go on.

        Raises:
            StateConflict: nobody holds it.

        """
        with self._database.write() as connection:
            # The pending row first, as every act does: a discard at the same time would be a deadlock otherwise.
            connection.execute(update(_pending).where(_pending.c.message_id == number).values(held=False))
            if not _let_go(connection, number):
                raise StateConflict("the message is not held")
            tell(connection, PENDING)
            append(connection, [event])

    def discard(self, number: int, event: AuditEvent) -> None:
        """End a pending, held or quarantined message without effect.

        Raises:
            StateConflict: it has ended otherwise.

        """
        with self._database.write() as connection:
            self._database.hold_pipeline(connection)
            if not _end_pending(connection, number, DISCARDED, event.at):
                _require(_ended(connection, number), "discarded", State.PENDING, State.QUARANTINED)
                ended = {"state": State.IGNORED, "error": "", "path": "", "rule": DISCARDED, "ended_at": event.at}
                connection.execute(update(_outcome).where(_outcome.c.message_id == number).values(ended))
            _let_go(connection, number)
            append(connection, [event])

    def resolve(self, number: int, event: AuditEvent) -> None:
        """Take an error off the error list: it needs nothing more. It stays quarantined, and may be replayed singly.

        Raises:
            StateConflict: it is no open error.

        """
        with self._database.write() as connection:
            if not _resolve(connection, number, event.at):
                _require(_ended(connection, number), "resolved", State.QUARANTINED)
                raise StateConflict("the message is resolved already")
            _let_go(connection, number)
            append(connection, [event])

    def assign(self, number: int, owner: str, event: AuditEvent) -> None:
        """Say who looks after an error or a held message.

        Raises:
            StateConflict: it is neither.

        """
        with self._database.write() as connection:
            if not _is_held(connection, number):
                _require(_ended(connection, number), "assigned unless it is held", State.QUARANTINED)
            assigned = {"owner": owner, "assigned_at": event.at}
            upsert = (sqlite_insert if self._database.sqlite else postgresql_insert)(_owner)
            upsert = upsert.values(message_id=number, **assigned)
            connection.execute(upsert.on_conflict_do_update(index_elements=["message_id"], set_=assigned))
            append(connection, [event])

    def edit(self, original: int, edited: Reception, events: Events) -> int:
        """Take edited bytes in a message's place, as a message of their own; give its number.

        The original keeps its bytes. Quarantined, it is resolved; pending, it ends without effect. The edited bytes are
        held against no first answer, and give none: a sender who sends them too is answered for itself.
        """
        with self._database.write() as connection:
            self._database.hold_pipeline(connection)
            ((number,),) = next_numbers(connection, 1, schema.message)
            together = Together()
            insert_messages(together, [edited], [Recorded(number, State.PENDING, edited.code, edited.answer)])
            together.write(connection)
            make_pending(connection, [number])
            connection.execute(insert(_edit).values(message_id=number, edited_from=original))
            if not _end_pending(connection, original, EDITED, edited.received_at):
                _resolve(connection, original, edited.received_at)
            _let_go(connection, original)
            append(connection, events([number]))
        return number

    def sift(self, numbers: Sequence[int], state: str = "") -> Sifted:
        """Tell which of these messages a bulk replay would take, and why not the others; change nothing.

        Args:
            numbers: those that a search found.
            state: how they must still have ended; empty: in any way that can be replayed.

        """
        with self._database.read() as connection:
            return _sift(connection, numbers, state)

    def replay_many(self, numbers: Sequence[int], state: str, events: Events) -> Sifted:
        """Make those of these messages pending again that `sift` names, by one transaction."""
        with self._database.write() as connection:
            self._database.hold_pipeline(connection)
            sifted = _sift(connection, numbers, state, lock=True)
            make_pending(connection, take_back(connection, sifted.replayed))
            append(connection, events(sifted.replayed))
        return sifted


def _ended(connection: Connection, number: int) -> State:
    """Give how a message ended, and keep it so to the end of the transaction; pending if it has not."""
    statement = select(_outcome.c.state).where(_outcome.c.message_id == number).with_for_update()
    return State(connection.execute(statement).scalar() or State.PENDING)


def _require(state: State, done: str, *states: State) -> None:
    if state not in states:
        words = " or ".join(states)
        raise StateConflict(f"only a {words} message is {done}; this one is {state} by now")


def _is_held(connection: Connection, number: int) -> bool:
    return connection.execute(select(_hold.c.message_id).where(_hold.c.message_id == number)).first() is not None


def _let_go(connection: Connection, number: int) -> bool:
    return bool(connection.execute(delete(_hold).where(_hold.c.message_id == number)).rowcount)


def _end_pending(connection: Connection, number: int, rule: str, at: datetime) -> bool:
    """End a pending message as ignored; False if it is not pending, once whoever processes it is done."""
    if not connection.execute(delete(_pending).where(_pending.c.message_id == number)).rowcount:
        return False
    ending = {"message_id": number, "state": State.IGNORED, "error": "", "path": "", "rule": rule, "notes": {}}
    connection.execute(insert(_outcome).values(**ending, ended_at=at))
    return True


def _resolve(connection: Connection, number: int, at: datetime) -> bool:
    an_open_error = (_outcome.c.message_id == number, schema.OPEN_ERROR)
    return bool(connection.execute(update(_outcome).where(*an_open_error).values(resolved_at=at)).rowcount)


def _sift(connection: Connection, numbers: Sequence[int], state: str, *, lock: bool = False) -> Sifted:
    message = schema.message
    statement = (
        select(_outcome).where(among(connection, _outcome.c.message_id, numbers)).order_by(_outcome.c.message_id)
    )
    ended = {row.message_id: row for row in connection.execute(statement.with_for_update() if lock else statement)}
    held = set(
        connection.execute(select(_hold.c.message_id).where(among(connection, _hold.c.message_id, numbers))).scalars()
    )
    accepted = (among(connection, message.c.id, numbers), message.c.code.in_(POSITIVE))
    taken = set(connection.execute(select(message.c.id).where(*accepted)).scalars())
    body = schema.message_body.c.message_id
    kept = set(connection.execute(select(body).where(among(connection, body, numbers))).scalars())
    sifted = Sifted()
    for number in numbers:
        outcome = ended.get(number)
        cause = _cause(outcome, state, refused=number not in taken, held=number in held)
        if cause is None and number not in kept:
            cause = LeftOut.PURGED
        if cause is None:
            sifted.replayed.append(number)
        else:
            sifted.left_out[cause] += 1
    return sifted


def _cause(outcome: Row[Any] | None, state: str, *, refused: bool, held: bool) -> LeftOut | None:
    """Say why a bulk replay leaves a message alone; None where it takes it."""
    if held:
        return LeftOut.HELD
    if outcome is None:
        return LeftOut.PENDING
    causes = {
        LeftOut.DUPLICATE: outcome.state == State.DUPLICATE,
        LeftOut.REFUSED: refused,
        LeftOut.DISCARDED: outcome.state == State.IGNORED and outcome.rule in {DISCARDED, EDITED},
        LeftOut.RESOLVED: outcome.resolved_at is not None,
        LeftOut.CHANGED: bool(state) and outcome.state != state,
    }
    return next((cause for cause, holds in causes.items() if holds), None)
