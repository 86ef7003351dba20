"""The identity desk's side of the store: open questions, whole persons with what was decided of them, and decisions."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Table, Text, case, cast, exists, func, literal, select, tuple_

from adapters.store import rows, schema
from adapters.store.alike import Scanned, scan
from adapters.store.bulk import Together, next_numbers
from adapters.store.database import Database
from adapters.store.keys import among
from adapters.store.loading import Loaded, load
from adapters.store.work import Work
from gateway.audit import AuditEvent
from gateway.decision import REQUESTS, Circle, Decision, DecisionKind, Standing
from gateway.errors import LimitExceeded
from gateway.facts import Identifier, Patient
from gateway.focus import Discrepancies, Focus, Question
from gateway.identity import Identity
from gateway.notes import Note
from gateway.pipeline import Changes, Needs
from gateway.state import State
from gateway.worklist import ItemKind, ItemState, WorkItem

MOST_RECORDS = 500
"""Records that one decision may touch: more is no person."""

PROPOSED_BATCH = 100
"""Stored records about which questions are asked by one transaction, while nothing is processed."""

MOST_ITEMS = 1_000
"""Items named at most as told to others already."""

_record, _item, _outbox = schema.identity, schema.work_item, schema.outbox
_decision, _about = schema.identity_decision, schema.identity_decision_record
_PLACE = (_item.c.created_at, _item.c.id)
_OPEN = [s for s in ItemState if s not in {ItemState.DONE, ItemState.WITHDRAWN}]


@dataclass(frozen=True, slots=True)
class OpenQuestion:
    """A question that nobody has answered.

    Attributes:
        item: its work item.
        question: what is asked.
        record: the record that it is about.

    """

    item: WorkItem
    question: Question
    record: Identity


@dataclass(frozen=True, slots=True)
class Waiting:
    """Open questions of one kind: their title, how many, of these late ones, and when the oldest was asked."""

    title: str
    questions: int
    late: int
    since: datetime


@dataclass(frozen=True, slots=True)
class Tally:
    """What the identity desk has to do and has done, in numbers and without a person.

    Attributes:
        questions: open ones, by title.
        decisions: how many, by kind and where they stand.

    """

    questions: Sequence[Waiting]
    decisions: Mapping[tuple[str, str], int]


@dataclass(frozen=True, slots=True)
class Known:
    """What a decision looks at, as loaded, and the items that others have been told of already."""

    circle: Circle
    state: State
    told: tuple[WorkItem, ...]


@dataclass(frozen=True, slots=True)
class Written:
    """What a decision writes."""

    decisions: Sequence[Decision]
    changes: Changes


@dataclass(frozen=True, slots=True)
class Proposed:
    """How far the stored records have been looked at.

    Attributes:
        looked: records looked at.
        asked: questions that were asked.
        last: id of the last record looked at.

    """

    looked: int
    asked: int
    last: str


class IdentityDesk:
    """Decisions on the identities of one database.

    Args:
        database: the database.
        work: loads and flushes states.

    """

    def __init__(self, database: Database, work: Work) -> None:
        self._database = database
        self._work = work

    def look(self, identities: Collection[str], *, decision: int = 0) -> Known:
        """Give what is known of records, or of those of a decision."""
        with self._database.read() as connection:
            return self._load(connection, identities, decision)

    def act(
        self, identities: Collection[str], decide: Callable[[Known, int], Written], now: datetime, *, decision: int = 0
    ) -> None:
        """Let a decision take effect while nobody processes anything; it is told its number."""
        with self._database.write() as connection:
            self._database.hold_pipeline(connection)
            known = self._load(connection, identities, decision)
            ((number,),) = next_numbers(connection, 1, _decision)
            written = decide(known, number)
            self._work.flush(connection, known.state, written.changes, now)
            together = Together()
            together.upsert(_decision, [rows.decision_row(d) for d in written.decisions])
            together.write(connection)
            about = [{"identity_id": i, "decision_id": d.number} for d in written.decisions for i in _records(d)]
            together = Together()
            together.keep(_about, about)
            together.write(connection)

    def scan(self, told_of: Callable[[int], AuditEvent]) -> Iterator[Scanned]:
        """File every stored record under its blocking keys of now; give how far it has come after each batch."""
        return scan(self._database, told_of)

    def load(
        self, source: str, told: Iterable[tuple[Identifier, Patient]], event: Callable[[Loaded], AuditEvent]
    ) -> Iterator[Loaded]:
        """Store who admissions vouches for, many at a time; give how far it has come after each batch."""
        return load(self._database, source, told, event)

    def propose(
        self, decide: Callable[[State, Sequence[str]], tuple[Changes, int]], after: str = ""
    ) -> Iterator[Proposed]:
        """Let questions be asked about the stored records, in the order of their ids, in batches; give how far it is.

        Args:
            decide: what is written for a batch, and how many questions that asks.
            after: id of the record behind which to begin.

        """
        done = Proposed(0, 0, after)
        while True:
            with self._database.write() as connection:
                self._database.hold_pipeline(connection)
                wanted = select(_record).where(_record.c.id > done.last).order_by(_record.c.id).limit(PROPOSED_BATCH)
                batch = [rows.identity(dict(row)) for row in connection.execute(wanted).mappings()]
                if not batch:
                    return
                patients = {(one.key.authority, one.key.value): (one.patient,) for one in batch}
                needed = Needs(frozenset(patients), _ins_of(batch), frozenset(), patients=patients, anybody=True)
                state = self._work.load(connection, needed)
                changes, asked = decide(state, [one.id for one in batch])
                self._work.flush(connection, state, changes, datetime.now(UTC))
            done = Proposed(done.looked + len(batch), done.asked + asked, batch[-1].id)
            yield done

    def questions(
        self,
        titles: Collection[str],
        secretariats: Collection[str],
        limit: int,
        *,
        before: datetime | None = None,
        after: tuple[datetime, str] | None = None,
    ) -> list[OpenQuestion]:
        """Give open questions, oldest first: those asked before an instant, and those after an item's time and id."""
        statement = (
            select(_item)
            .where(_item.c.secretariat.in_(secretariats), _item.c.state.in_(_OPEN))
            .where(_item.c.kind == ItemKind.IDENTITY, _item.c.title.in_(titles))
            .order_by(_item.c.created_at, _item.c.id)
            .limit(limit)
        )
        if before is not None:
            statement = statement.where(_item.c.created_at < before)
        if after is not None:
            at, item = (literal(value, column.type) for value, column in zip(after, _PLACE, strict=True))
            statement = statement.where(tuple_(*_PLACE) > tuple_(at, item))
        with self._database.read() as connection:
            items = [rows.item(dict(row)) for row in connection.execute(statement).mappings()]
            foci = {r["id"]: rows.focus(r) for r in _by_id(connection, schema.focus, {i.focus for i in items})}
            owners = {f.identity for f in foci.values()}
            records = {r["id"]: rows.identity(r) for r in _by_id(connection, _record, owners)}
        once = {item.focus: item for item in reversed(items)}
        asked = ((item, foci[item.focus]) for item in items if once[item.focus] is item)
        return [OpenQuestion(i, found, records[f.identity]) for i, f in asked if (found := _asked(f)) is not None]

    def notable(self, note: Note, limit: int, after: tuple[int, str] | None = None) -> list[Identity]:
        """Give records of which something is notable, what was told last first, after a record's message and id."""
        place = (_record.c.told_message, _record.c.id)
        statement = (
            select(_record)
            .where(schema.NOTABLE, _record.c.notes.contains(f" {note} "))
            .order_by(*(column.desc() for column in place))
            .limit(limit)
        )
        if after is not None:
            told, record = (literal(value, column.type) for value, column in zip(after, place, strict=True))
            statement = statement.where(tuple_(*place) < tuple_(told, record))
        with self._database.read() as connection:
            return [rows.identity(dict(row)) for row in connection.execute(statement).mappings()]

    def tally(self, secretariats: Collection[str], before: datetime) -> Tally:
        """Count open questions and decisions; a question is late that was asked before an instant."""
        late = func.sum(case((_item.c.created_at < before, 1), else_=0))
        asked = (
            select(_item.c.title, func.count(), late, func.min(_item.c.created_at))
            .where(_item.c.secretariat.in_(secretariats), _item.c.state.in_(_OPEN), _item.c.kind == ItemKind.IDENTITY)
            .group_by(_item.c.title)
        )
        made = select(_decision.c.kind, _decision.c.standing, func.count()).group_by(
            _decision.c.kind, _decision.c.standing
        )
        with self._database.read() as connection:
            questions = [Waiting(*row) for row in connection.execute(asked.order_by(_item.c.title))]
            decisions = {(kind, standing): count for kind, standing, count in connection.execute(made)}
        return Tally(questions, decisions)

    def decisions(self, standing: Standing, kind: DecisionKind | None, limit: int, after: int = 0) -> list[Decision]:
        """Give decisions that stand so, after a number; of requests and freezes, those that still hold."""
        statement = select(_decision.c.content).where(_decision.c.standing == standing, _decision.c.id > after)
        if kind is not None:
            statement = statement.where(_decision.c.kind == kind)
        holds = {
            DecisionKind.FREEZE: _record.c.frozen,
            **dict.fromkeys(REQUESTS, cast(_record.c.requests, Text) != "[]"),
        }
        if standing is Standing.IN_FORCE and kind in holds:
            statement = statement.where(exists().where(_record.c.id == _decision.c.one, holds[kind]))
        with self._database.read() as connection:
            found = connection.execute(statement.order_by(_decision.c.id).limit(limit))
            decisions = [rows.decision(content) for content in found.scalars()]
            if kind not in REQUESTS:
                return decisions
            named = {i for d in decisions for i in (d.one, d.other) if i}
            records = {r["id"]: rows.identity(r) for r in _by_id(connection, _record, named)}
        circle = Circle(records)
        return [d for d in decisions if not circle.is_followed(d)]

    def _load(self, connection: Connection, identities: Collection[str], decision: int) -> Known:
        """Load whole persons, all decisions about any of their records, and the persons of those in turn."""
        wanted, seen = set(identities), set[str]()
        if decision:
            of_it = select(_about.c.identity_id).where(_about.c.decision_id == decision)
            wanted |= set(connection.execute(of_it).scalars())
        while True:
            decisions = _decisions(connection, wanted)
            wanted |= {i for d in decisions for i in _records(d)}
            persons = select(_record.c.person_id).where(among(connection, _record.c.id, wanted))
            members = select(_record.c.id).where(_record.c.person_id.in_(persons)).limit(MOST_RECORDS + 1)
            wanted |= set(connection.execute(members).scalars())
            if wanted == seen:
                break
            if len(wanted) > MOST_RECORDS:
                raise LimitExceeded(f"a decision on at most {MOST_RECORDS} records is taken")
            seen = set(wanted)
        keys = select(_record.c.authority, _record.c.value).where(among(connection, _record.c.id, wanted))
        named = frozenset((row.authority, row.value) for row in connection.execute(keys))
        state = self._work.load(connection, Needs(named, frozenset(), frozenset()))
        records = {i: record for i, record in state.identities.rows() if i in wanted}
        return Known(Circle(records, decisions), state, _told(connection, wanted))


def _asked(focus: Focus) -> Question | None:
    """Give the question of an object; of what differs, as if it were one."""
    if isinstance(focus.fact, Discrepancies):
        return Question(focus.fact.doubt, traits=focus.fact.traits)
    return focus.fact if isinstance(focus.fact, Question) else None


def _by_id(connection: Connection, table: Table, ids: Collection[str]) -> list[dict[str, Any]]:
    return [dict(row) for row in connection.execute(select(table).where(among(connection, table.c.id, ids))).mappings()]


def _ins_of(records: Sequence[Identity]) -> frozenset[tuple[str, str]]:
    return frozenset((one.ins.authority, one.ins.value) for one in records if one.ins)


def _records(decision: Decision) -> list[str]:
    named = (decision.one, decision.other, *decision.prints)
    return list(dict.fromkeys(filter(None, named)))


def _decisions(connection: Connection, identities: Collection[str]) -> tuple[Decision, ...]:
    about = select(_about.c.decision_id).where(among(connection, _about.c.identity_id, identities))
    found = select(_decision.c.content).where(_decision.c.id.in_(about)).order_by(_decision.c.id)
    return tuple(rows.decision(content) for content in connection.execute(found).scalars())


def _told(connection: Connection, identities: Collection[str]) -> tuple[WorkItem, ...]:
    """Give the items about records that somebody has worked on, or that the broker has taken."""
    waiting = exists(
        select(schema.outbox_pending.c.sequence).where(schema.outbox_pending.c.sequence == _outbox.c.sequence)
    )
    taken = exists(select(_outbox.c.sequence).where(_outbox.c.item_id == _item.c.id, ~waiting))
    worked = _item.c.state.in_([ItemState.DONE, ItemState.CLAIMED])
    own = among(connection, _item.c.identity_id, identities)
    statement = select(_item).where(own, _item.c.kind != ItemKind.IDENTITY, taken | worked).limit(MOST_ITEMS)
    return tuple(rows.item(dict(row)) for row in connection.execute(statement).mappings())
