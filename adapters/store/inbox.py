"""The inbox in the store: receptions on disk, their outcomes, lists, replay."""

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from itertools import islice
from typing import Any

from sqlalchemy import (
    CompoundSelect,
    Connection,
    Select,
    bindparam,
    cast,
    delete,
    func,
    insert,
    literal,
    null,
    select,
    union_all,
)

from adapters.store import schema
from adapters.store.asking import ask
from adapters.store.audit import append, append_with
from adapters.store.bulk import Together, next_numbers
from adapters.store.database import Database
from adapters.store.keys import among, keys_given, lock_all, on_keys, told
from adapters.store.news import PENDING, tell
from gateway.audit import AuditAction, AuditEvent
from gateway.errors import AckCode, ResourceNotFound, ResourcePurged, StateConflict
from gateway.partition import partitions_of
from gateway.reception import Objection, Outcome, Reception, Recorded, State, storable

DUPLICATE_WINDOW = timedelta(hours=24)
"""How long the same message again gets the first answer again."""

MOST_NAMED = 50
"""Identifiers by which a message that took no effect is found, at most."""

_Key = tuple[str, str, str]
PURGED = "the body was purged when its retention time had passed"
_message, _body, _outcome, _key = schema.message, schema.message_body, schema.outcome, schema.received_key
_waiting = schema.waiting_fact


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """A received message as a list shows it.

    Attributes:
        id: number in the inbox.
        received_at: aware instant.
        transport: how it came.
        format: ``hl7v2`` or ``fhir``.
        source: the site's source id.
        message_type: ``ADT^A01``, ``Appointment:create``.
        control_id: MSH-10 or X-Request-Id.
        size: bytes.
        code: acknowledgment answered.
        waiting: how many of its facts wait for an object that has not come.
        purged: its body is gone, for its retention time has passed; the record stays.
        outcome: how it ended.
        notes: facts, flags, segments kept, counts.
        duplicate_of: the first message's number.
        reuses: an earlier message of the source under the same control ID, with other content.
        ended_at: when it ended; None while it is pending.
        resolved_at: when an operator said that its error needs nothing more.
        owner: who looks after it.
        held_at: since when an operator holds it; None if nobody does.
        held_by: who holds it.
        held_for: why.
        edited_from: the message that it was edited from.
        expects: version of the object that it is meant to change (If-Match); None if of whatever version.

    """

    id: int
    received_at: datetime
    transport: str
    format: str
    source: str
    message_type: str
    control_id: str
    size: int
    code: str
    waiting: int
    purged: bool
    outcome: Outcome
    notes: dict[str, Any]
    duplicate_of: int | None
    reuses: int | None
    ended_at: datetime | None
    resolved_at: datetime | None
    owner: str
    held_at: datetime | None
    held_by: str
    held_for: str
    edited_from: int | None
    expects: int | None


class Inbox:
    """The inbox of one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def record(self, receptions: Sequence[Reception]) -> list[Recorded]:
        """Put receptions on disk, in order, by one commit; give what each is answered.

        The same again (source, control ID, content) within the window is a duplicate: it gets the first answer and
        is not processed. A refused one is kept and quarantined.

        Raises:
            StorageUnavailable: nothing was kept, so nothing may be promised.

        """
        keys = [_key_of(r) for r in receptions]
        with self._database.write() as connection:
            if not self._database.sqlite:
                lock_all(connection, {key[:2] if key[1] else key for key in keys})
            first, used = _known(connection, keys, receptions[0].received_at - DUPLICATE_WINDOW)
            recorded = []
            numbers, places = next_numbers(connection, len(receptions), _message, schema.audit_event)
            for number, reception, key in zip(numbers, receptions, keys, strict=True):
                answer = _decide(number, reception, first.get(key), used.get(key[:2]))
                recorded.append(answer)
                if answer.state is State.PENDING:
                    first[key] = answer
                    if key[1]:
                        used.setdefault(key[:2], number)
            together = Together()
            insert_messages(together, receptions, recorded)
            _insert_consequences(together, receptions, recorded, keys)
            events = [event for r, answer in zip(receptions, recorded, strict=True) for event in _events(r, answer)]
            append_with(together, connection, events, places)
            if any(answer.state is State.PENDING for answer in recorded):
                together.tell(PENDING)
            together.write(connection)
        return recorded

    def outcome(self, number: int) -> Outcome:
        """Give how a message ended; pending while it has not.

        Raises:
            ResourceNotFound: there is no such message.

        """
        return self.show(number).outcome

    def outcomes(self, numbers: Collection[int]) -> dict[int, Outcome]:
        """Give how those of the messages ended that have."""
        with self._database.read() as connection:
            found = connection.execute(select(*ENDED).where(among(connection, _outcome.c.message_id, numbers)))
            return {row.message_id: ending(row) for row in found}

    def summary(self) -> dict[str, int]:
        """Count what came in and how it ended (promise P4)."""
        with self._database.read() as connection:
            ended = connection.execute(select(_outcome.c.state, func.count()).group_by(_outcome.c.state))
            counts: dict[str, int] = {str(state): count for state, count in ended}
            pending = connection.execute(select(func.count()).select_from(schema.pending)).scalar_one()
            received = connection.execute(select(func.count()).select_from(_message)).scalar_one()
        states = (State.PROCESSED, State.DUPLICATE, State.IGNORED, State.QUARANTINED)
        return {"received": received, **{str(s): counts.get(s, 0) for s in states}, "pending": pending}

    def show(self, number: int) -> StoredMessage:
        """Give one message.

        Raises:
            ResourceNotFound: there is no such message.

        """
        with self._database.read() as connection:
            row = connection.execute(listing().where(_message.c.id == number)).first()
        if row is None:
            raise ResourceNotFound("no message has this number")
        return stored(row)

    def edits(self, number: int) -> list[int]:
        """Give the messages that were edited from this one, oldest first."""
        edit = schema.message_edit
        statement = select(edit.c.message_id).where(edit.c.edited_from == number).order_by(edit.c.message_id)
        with self._database.read() as connection:
            return list(connection.execute(statement).scalars())

    def raw(self, number: int) -> bytes:
        """Give a message's bytes as received.

        Raises:
            ResourceNotFound: there is no such message.
            ResourcePurged: its retention time has passed.

        """
        with self._database.read() as connection:
            statement = select(_body.c.raw).select_from(_message.outerjoin(_body)).where(_message.c.id == number)
            found = connection.execute(statement).first()
        if found is None:
            raise ResourceNotFound("no message has this number")
        if found.raw is None:
            raise ResourcePurged(PURGED)
        return bytes(found.raw)

    def replay(self, number: int, event: AuditEvent) -> None:
        """Make a message pending again, with the audit event of whoever asked; one that is in hand, once it has ended.

        Raises:
            ResourceNotFound: there is no such message.
            ResourcePurged: its body is gone, so there is nothing to process.
            StateConflict: an operator holds it.

        """
        self.show(number)
        held = select(schema.message_hold.c.message_id).where(schema.message_hold.c.message_id == number)
        with self._database.write() as connection:
            self._database.hold_pipeline(connection)
            # The purge locks the outcome: whoever of the two is second sees what the first has done.
            again = take_back(connection, [number])
            if connection.execute(select(_body.c.message_id).where(_body.c.message_id == number)).first() is None:
                raise ResourcePurged(PURGED)
            if connection.execute(held).first():
                raise StateConflict("the message is held: release it first")
            make_pending(connection, again)
            append(connection, [event])


ENDED = tuple(_outcome.c[name] for name in ("message_id", "state", "error", "path", "rule", "notes"))


def ending(row: Any) -> Outcome:
    """Give how a message ended, of a row with what ``ENDED`` asks for."""
    told = next(iter(row.notes.get("objections", ())), None)
    objection = Objection(told["error"], told["path"], told["rule"]) if told else None
    return Outcome(row.message_id, State(row.state), row.error, row.path, row.rule, objection)


def take_back(connection: Connection, numbers: Sequence[int]) -> list[int]:
    """Forget how messages ended; give those that had: they alone may be made pending, for the others are."""
    ended = delete(_outcome).where(among(connection, _outcome.c.message_id, numbers)).returning(_outcome.c.message_id)
    return sorted(connection.execute(ended).scalars())


def make_pending(connection: Connection, numbers: Sequence[int]) -> None:
    """Give messages without an ending to the pipeline, each in the place that its number has."""
    if numbers:
        columns = (_message.c.id, _message.c.size, _message.c.partitions)
        known = select(*columns).where(among(connection, _message.c.id, numbers))
        connection.execute(insert(schema.pending).from_select(["message_id", "size", "partitions"], known))
        tell(connection, PENDING)


def name_patients(together: Together, named: Mapping[int, Iterable[str]]) -> None:
    """Keep which patients messages named that took no effect."""
    rows = [
        {"value": value, "message_id": number}
        for number, values in named.items()
        for value in islice(dict.fromkeys(storable(value) for value in values), MOST_NAMED)
    ]
    together.keep(schema.message_patient, rows)


_WITHIN = _key.c.received_at >= bindparam("since", type_=_key.c.received_at.type)


def _known(
    connection: Connection, keys: Collection[_Key], since: datetime
) -> tuple[dict[_Key, Recorded], dict[tuple[str, str], int]]:
    """Give the first answer to each message that has come before, and for each control ID a message that has it.

    An empty control ID tells nothing apart.
    """
    first: dict[_Key, Recorded] = {}
    used: dict[tuple[str, str], int] = {}
    asked = {"keys": told(set(keys)), "used": told({key[:2] for key in keys if key[1]}), "since": since}
    for row in ask(connection, _knowing(connection.dialect.name), asked):
        if row.code is None:
            if row.message_id is not None:
                used[row.source, row.control_id] = row.message_id
        else:
            answer = Recorded(row.message_id, State.PENDING, AckCode(row.code), bytes(row.answer))
            first[row.source, row.control_id, row.content_hash] = answer
    return first, used


@cache
def _knowing(dialect: str) -> CompoundSelect[Any]:
    """Of one control ID one row is looked at: a sender that never changes it must not slow the others."""
    columns = (_key.c.source, _key.c.control_id, _key.c.content_hash, _key.c.message_id, _key.c.code, _key.c.answer)
    same = on_keys(dialect, select(*columns).where(_WITHIN), (_key.c.source, _key.c.control_id, _key.c.content_hash))
    wanted, (source, control_id) = keys_given(dialect, 2, "used")
    here = (_key.c.source == source, _key.c.control_id == control_id, _WITHIN)
    any_one = select(_key.c.message_id).where(*here).limit(1).scalar_subquery()
    nothing = (cast(null(), _key.c.code.type), cast(null(), _key.c.answer.type))
    return union_all(same, select(source, control_id, literal(""), any_one, *nothing).select_from(wanted))


def _key_of(reception: Reception) -> _Key:
    return reception.source, reception.control_id, hashlib.sha256(reception.raw).hexdigest()


def insert_messages(together: Together, receptions: Sequence[Reception], recorded: Sequence[Recorded]) -> None:
    """Put receptions in the inbox, under the numbers that were decided."""
    pairs = list(zip(receptions, recorded, strict=True))
    rows = [
        {
            "id": answer.message,
            "received_at": r.received_at,
            "transport": r.transport,
            "format": r.format,
            "source": r.source,
            "principal": r.principal,
            "control_id": r.control_id,
            "message_type": r.message_type,
            "code": r.code,
            "expects": r.expects,
            "reuses": answer.reuses,
            "size": len(r.raw),
            "partitions": partitions_of(r.subjects),
        }
        for r, answer in pairs
    ]
    together.insert(_message, rows)
    together.insert(_body, [{"message_id": answer.message, "raw": r.raw} for r, answer in pairs])


def _decide(number: int, reception: Reception, first: Recorded | None, used: int | None) -> Recorded:
    if first is not None:
        return Recorded(number, State.DUPLICATE, first.code, first.answer, duplicate_of=first.message)
    state = State.PENDING if reception.error is None else State.QUARANTINED
    return Recorded(number, state, reception.code, reception.answer, reuses=used)


def _insert_consequences(
    together: Together, receptions: Sequence[Reception], recorded: Sequence[Recorded], keys: Sequence[_Key]
) -> None:
    triples = list(zip(receptions, recorded, keys, strict=True))
    # A refused message leaves no first answer: sent again after a correction of the site's data, it is taken.
    new_keys = [_key_row(r, answer, key) for r, answer, key in triples if answer.state is State.PENDING]
    together.upsert(_key, new_keys)  # a key outside the window may still be there
    pending = [
        {"message_id": answer.message, "size": len(r.raw), "partitions": partitions_of(r.subjects)}
        for r, answer, _ in triples
        if answer.state is State.PENDING
    ]
    together.insert(schema.pending, pending)
    together.insert(
        _outcome, [_outcome_row(r, answer) for r, answer, _ in triples if answer.state is not State.PENDING]
    )
    name_patients(together, {answer.message: r.subjects for r, answer, _ in triples if r.error is not None})
    # Of a repetition the first one's end is told again: who sends again has not heard of it.
    due = {a.duplicate_of or a.message: r.source for r, a, _ in triples if r.replies and a.state in _TOLD_LATER}
    together.keep(schema.reply_due, [{"message_id": number, "source": source} for number, source in due.items()])


_TOLD_LATER = {State.PENDING, State.DUPLICATE}


def _key_row(reception: Reception, recorded: Recorded, key: _Key) -> dict[str, Any]:
    return {
        "source": key[0],
        "control_id": key[1],
        "content_hash": key[2],
        "message_id": recorded.message,
        "code": recorded.code,
        "answer": recorded.answer,
        "received_at": reception.received_at,
    }


def _outcome_row(reception: Reception, recorded: Recorded) -> dict[str, Any]:
    error = reception.error if recorded.duplicate_of is None else None
    return {
        "message_id": recorded.message,
        "state": recorded.state,
        "error": error.name if error else "",
        "path": error.path if error else "",
        "rule": error.rule if error else "",
        "notes": {},
        "duplicate_of": recorded.duplicate_of,
        "ended_at": reception.received_at,
    }


def _events(reception: Reception, recorded: Recorded) -> Iterable[AuditEvent]:
    at, control_id = reception.received_at, reception.control_id
    yield AuditEvent(
        at,
        AuditAction.MESSAGE_RECEIVED,
        reception.principal,
        message=recorded.message,
        correlation=control_id,
        detail={
            "type": reception.message_type if reception.error is None else "",
            "transport": reception.transport,
            "answer": recorded.code,
            **({"reuses": recorded.reuses} if recorded.reuses else {}),
        },
    )
    if recorded.duplicate_of is not None:
        yield AuditEvent(
            at,
            AuditAction.MESSAGE_DUPLICATE,
            "gateway",
            message=recorded.message,
            correlation=control_id,
            detail={"first": recorded.duplicate_of},
        )
    elif reception.error is not None:
        error = reception.error
        yield AuditEvent(
            at,
            AuditAction.MESSAGE_QUARANTINED,
            "gateway",
            message=recorded.message,
            correlation=control_id,
            detail={"error": error.name, "path": error.path, "rule": error.rule},
        )


def listing() -> Select[Any]:
    """Ask for messages as a list shows them."""
    hold, owner, edit = schema.message_hold, schema.message_owner, schema.message_edit
    body = select(_body.c.message_id).where(_body.c.message_id == _message.c.id)
    purged = (~body.exists()).label("purged")
    facts = select(func.sum(_waiting.c.facts)).where(_waiting.c.message_id == _message.c.id)
    waiting = func.coalesce(facts.scalar_subquery(), 0).label("waiting")
    ended = [c for c in _outcome.c if c.name != "message_id"]
    held = [hold.c.held_at, hold.c.principal.label("held_by"), hold.c.reason.label("held_for")]
    joined = _message
    for table in (_outcome, hold, owner, edit):
        joined = joined.outerjoin(table, table.c.message_id == _message.c.id)  # type: ignore[assignment]
    return select(*_message.c, waiting, purged, *ended, *held, owner.c.owner, edit.c.edited_from).select_from(joined)


def stored(row: Any) -> StoredMessage:
    """Give the message of a listing's row."""
    state = State(row.state) if row.state else State.PENDING
    outcome = Outcome(row.id, state, row.error or "", row.path or "", row.rule or "")
    return StoredMessage(
        id=row.id,
        received_at=row.received_at,
        transport=row.transport,
        format=row.format,
        source=row.source,
        message_type=row.message_type,
        control_id=row.control_id,
        size=row.size,
        code=row.code,
        waiting=row.waiting,
        purged=bool(row.purged),
        outcome=outcome,
        notes=row.notes or {},
        duplicate_of=row.duplicate_of,
        reuses=row.reuses,
        ended_at=row.ended_at,
        resolved_at=row.resolved_at,
        owner=row.owner or "",
        held_at=row.held_at,
        held_by=row.held_by or "",
        held_for=row.held_for or "",
        edited_from=row.edited_from,
        expects=row.expects,
    )
