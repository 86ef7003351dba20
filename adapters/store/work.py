"""The pipeline's side of the store: claim a batch, load what it may touch, flush what was decided.

One statement per table loads and one writes, whatever the size of the batch.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from functools import cache, partial
from itertools import islice
from typing import Any

from sqlalchemy import (
    ARRAY,
    CompoundSelect,
    Connection,
    Delete,
    Integer,
    Select,
    Text,
    and_,
    bindparam,
    case,
    cast,
    delete,
    func,
    literal,
    or_,
    select,
    text,
    union_all,
)

from adapters.store import rows, schema
from adapters.store.alike import Alike, file_keys, find_alike
from adapters.store.asking import ask
from adapters.store.audit import append_with
from adapters.store.bulk import Together, next_numbers, within
from adapters.store.database import Database
from adapters.store.inbox import name_patients
from adapters.store.keys import among, lock_all, on_keys, one_of, told
from adapters.store.models import InForce
from adapters.store.news import PUBLISHED
from gateway import partition
from gateway.directory import entry_key
from gateway.errors import POSITIVE
from gateway.facts import OrderReported
from gateway.focus import FocusKind
from gateway.outbox import OutboxEntry
from gateway.partition import PARTITIONS, numbers_of
from gateway.pipeline import Changes, Needs, question_keys
from gateway.reception import Format
from gateway.state import State
from gateway.worklist import IN_HOUSE, ItemState

BATCH_MESSAGES = 200
BATCH_BYTES = 16 * 1024 * 1024
"""A batch holds at most so many messages and bytes, but at least one message."""

LOOK_AHEAD = 400
"""Pending messages among which a claim looks for its batch."""

SHARE = PARTITIONS // 2
"""Partitions that one claim takes at most, unless the oldest message has more: so several workers find work."""

PATIENCE = 5
"""Claims on end in which others hold some of the oldest message's partitions; the next one waits for these.

Workers under a steady stream would otherwise each always hold what another lacks.
"""

MOST_LOCKS = 2_000
"""Names that one batch locks one by one; the server's lock table has room for about 6,400 by its defaults."""

MOST_KEY_LOCKS = 800
"""Blocking keys that one batch locks one by one; of more, it takes one lock that stands for every key."""

Name = tuple[str, ...]
"""Of what is locked: its kind, and what it is."""

_KEY_LOCK = "key"
_EVERY_KEY = ("every-key",)

_PARTITION_LOCKS = 0x9A27
_OUTBOX_LOCK = 0x0B0C
_UNHELD = ~schema.pending.c.held

OVERDUE_FOCI = 100
"""Placeholders shown to a person by one transaction."""

_ENDED = (ItemState.DONE, ItemState.WITHDRAWN)


_record, _key, _item = schema.identity, schema.focus_key, schema.work_item
_BY_NUMBER = (_record.c.authority, _record.c.value)
_KEY_COLUMNS = (_key.c.kind, _key.c.authority, _key.c.value)


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


class Crowded(Exception):
    """The batch names more than is locked one by one: it is to be processed alone."""


@dataclass(frozen=True, slots=True)
class Claim:
    """Messages that are one worker's to process, oldest first.

    Attributes:
        messages: the messages.
        transaction: gives the connection on which to load and flush; None if somebody else has taken them meanwhile.
        alone: no other worker processes anything meanwhile.

    """

    messages: Sequence[PendingMessage]
    transaction: Callable[[], AbstractContextManager[Connection | None]]
    alone: bool = False


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A pending message as the claim sees it."""

    message_id: int
    size: int
    partitions: int


@dataclass(frozen=True, slots=True)
class _Torn:
    """The oldest message that waits, where a claim had some of its partitions and somebody else had the others.

    Attributes:
        message: its number; 0 if there is none.
        times: in how many claims on end.

    """

    message: int = 0
    times: int = 0

    def after(self, waiting: Sequence[_Waiting], held: int) -> "_Torn":
        """Give what is so after one more claim, which held these partitions."""
        oldest = next(iter(waiting), None)
        if oldest is None or not oldest.partitions & held or not oldest.partitions & ~held:
            return _Torn()
        return _Torn(oldest.message_id, self.times + 1 if oldest.message_id == self.message else 1)


class Work:
    """The pipeline's side of one database, for one worker.

    Args:
        database: the database.
        batch: messages in a batch at most.

    """

    def __init__(self, database: Database, batch: int = BATCH_MESSAGES) -> None:
        self._database = database
        self._batch = batch
        self._torn = _Torn()
        self._model = InForce()

    @contextmanager
    def claim(self) -> Iterator[Claim]:
        """Give the oldest pending messages that nobody else processes, bounded in number and bytes.

        On PostgreSQL by the locks of their partitions, held in one transaction from the claim to the flush: it is the
        lease, so a worker that is killed leaves nothing behind. On SQLite there is one worker, and the file is written
        to by nobody longer than the flush takes.
        """
        if self._database.sqlite:
            with self._database.read() as connection:
                waiting = _oldest(connection, self._batch)
                messages = _messages(connection, within(BATCH_BYTES, waiting))
            yield Claim(messages, partial(self.alone, [m.number for m in messages]), alone=True)
            return
        with self._database.write() as connection:
            self._database.share_pipeline(connection)
            messages = _messages(connection, within(BATCH_BYTES, self._due(connection)))
            yield Claim(messages, partial(nullcontext, connection))

    @contextmanager
    def alone(self, numbers: Sequence[int]) -> Iterator[Connection | None]:
        """Give a transaction in which nobody else processes anything; None unless all these still wait, unheld."""
        with self._database.write() as connection:
            self._database.hold_pipeline(connection)
            own = select(func.count()).where(among(connection, schema.pending.c.message_id, numbers), _UNHELD)
            yield connection if connection.execute(own).scalar_one() == len(numbers) else None

    def _due(self, connection: Connection) -> list[_Waiting]:
        """Take what partitions can be had of those in which the oldest messages wait; then see what waits in them.

        Two statements: the second sees what the last holder of a partition has committed (READ COMMITTED).
        """
        waiting = _oldest(connection, LOOK_AHEAD)
        if not waiting:
            return []
        first = numbers_of(waiting[0].partitions)
        if self._torn.message == waiting[0].message_id and self._torn.times >= PATIENCE:
            _wait_for(connection, first)
        tried = {"locks": _PARTITION_LOCKS, "wanted": partition.wanted(waiting), "most": max(SHARE, len(first))}
        held = sum(1 << number for (number,) in ask(connection, _TRY_PARTITIONS, tried))
        waiting = _oldest(connection, LOOK_AHEAD)
        self._torn = self._torn.after(waiting, held)
        return list(islice(partition.due(waiting, held), self._batch))

    def hold(self, connection: Connection, needs: Needs) -> "Found | None":
        """Keep everything that a batch may touch from the other workers, to the end of the transaction (PostgreSQL).

        First the keys that the messages name, then the people and objects that these find, and the blocking keys of
        those whom admissions does not vouch for: whoever holds a person holds its records, questions and items. Two
        workers that meet one new patient by one key make one identity, and by two keys two that know of each other.

        Returns:
            What the batch's keys find, which stays so; None if it names nothing.

        Raises:
            Crowded: they are too many.

        """
        named = (
            ("identity", needs.identities),
            ("ins", needs.ins),
            ("focus", needs.foci),
            ("directory", needs.directory),
        )
        names: set[Name] = {(kind, *key) for kind, keys in named for key in keys}
        held: set[Name] = set()
        found = None
        while names - held:
            if len(names | held) > MOST_LOCKS:
                raise Crowded
            shared = set() if _EVERY_KEY in names | held else {_EVERY_KEY}
            lock_all(connection, names - held, shared if any(kind == _KEY_LOCK for kind, *_ in names - held) else ())
            held |= names
            found = _found(connection, needs)
            names = found.locks()
        return found

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Give a connection to load from when nothing is to be written."""
        with self._database.read() as connection:
            yield connection

    def load(self, connection: Connection, needs: Needs, found: "Found | None" = None) -> State:
        """Load everything that a batch may touch; what its keys find is known where it is held."""
        state, dialect = State(), connection.dialect.name
        found = found or _found(connection, needs)
        people = {name for kind, name in found.names if kind == PERSON}
        for row in _rows(connection, _people(dialect), keys=people):
            state.load_identity(rows.identity(row))
            if state.persons.get(row["person_id"]) is None:
                state.persons.load(row["person_id"], rows.person(row["golden"]))
        identities = [i for i, _ in state.identities.rows()]
        state.load_alike((key, i) for key, i in found.alike.pairs if state.identities.get(i))
        if found.keys:
            state.model = self._model.read(connection)
        state.left_out.update(found.alike.bulky)
        for row in _rows(connection, _foci(dialect), keys=[*needs.foci, *question_keys(identities)]):
            focus = state.foci.get(row["id"]) or rows.focus(row)
            state.load_focus(focus, [(row["kind"], row["authority"], row["value"])])
        foci = [focus for focus, _ in state.foci.rows()]
        for row in _rows(connection, _convocations(dialect), foci=foci, identities=identities):
            state.convocations.load(row["convened"], rows.convocations(row["content"]))
            if state.foci.get(row["id"]) is None:
                state.load_focus(rows.focus(row), ())
                foci.append(row["id"])
        for row in _rows(connection, _items(dialect), foci=foci, identities=identities):
            state.load_item(rows.item(row))
        if needs.directory:
            _load_directory(connection, state, needs)
        return state

    def overdue(self, before: datetime, asked_before: datetime) -> Needs:
        """Name what has waited, unseen, since before an instant; the oldest, bounded.

        Args:
            before: placeholders on which a fact has waited since before then.
            asked_before: orders that expect a result since before then.

        """
        waiting, key, order = schema.waiting_fact, schema.focus_key, schema.order_expected
        oldest = select(waiting.c.focus_id).where(waiting.c.since < before).order_by(waiting.c.since)
        asked = select(order.c.focus_id).where(schema.UNSHOWN, order.c.since < asked_before).order_by(order.c.since)
        with self._database.read() as connection:
            foci = set(connection.execute(oldest.limit(OVERDUE_FOCI)).scalars())
            foci |= set(connection.execute(asked.limit(OVERDUE_FOCI)).scalars())
            keys = connection.execute(select(key).where(among(connection, key.c.focus_id, foci))).mappings().all()
        named = frozenset((FocusKind(k["kind"]), k["authority"], k["value"]) for k in keys)
        return Needs(frozenset(), frozenset(), named)

    def flush(self, connection: Connection, state: State, changes: Changes, now: datetime) -> None:
        """Write what was decided: effect, outbox and audit, in the transaction that is under way."""
        together = Together()
        together.upsert(schema.person, [rows.person_row(p) for _, p in state.persons.changes()])
        together.upsert(schema.identity, [rows.identity_row(i) for _, i in state.identities.changes()])
        file_keys(together, connection, state)
        together.upsert(schema.focus, [rows.focus_row(f) for _, f in state.foci.changes()])
        together.upsert(
            schema.focus_key,
            [{"kind": k, "authority": a, "value": v, "focus_id": f} for (k, a, v), f in state.focus_keys.changes()],
        )
        self._note_waiting(together, connection, state)
        _note_expected(together, state)
        together.upsert(schema.convocation, [rows.convocation_row(c) for _, c in state.convocations.changes()])
        together.upsert(schema.work_item, [rows.item_row(i) for _, i in state.items.changes()])
        together.insert(schema.work_item_history, [_history_row(h, now) for h in changes.history])
        together.upsert(schema.directory_entry, [rows.entry_row(e) for _, e in state.directory.changes()])
        append_with(together, connection, changes.audit)
        self._end(together, changes, now)
        together.write(connection)
        self._publish(connection, changes.outbox)

    @staticmethod
    def _note_waiting(together: Together, connection: Connection, state: State) -> None:
        """Keep which messages' facts wait, by what the objects that changed hold now."""
        changed = [focus for focus, _ in state.waits.changes()]
        if not changed:
            return
        ask(connection, _forgetting(connection.dialect.name), {"keys": told(changed)})
        together.insert(schema.waiting_fact, [row for focus in changed for row in rows.waiting_rows(state.foci[focus])])

    @staticmethod
    def _publish(connection: Connection, entries: Sequence[OutboxEntry]) -> None:
        """Write to the outbox, last of all: its order is that of the commits, so no reader's cursor passes an entry."""
        if not entries:
            return
        if connection.dialect.name != "sqlite":
            ask(connection, _OUTBOX_TURN)
        (sequences,) = next_numbers(connection, len(entries), schema.outbox)
        together = Together()
        numbered = zip(sequences, entries, strict=True)
        together.insert(schema.outbox, [_outbox_row(entry) | {"sequence": number} for number, entry in numbered])
        together.insert(schema.outbox_pending, [{"sequence": number} for number in sequences])
        together.tell(PUBLISHED)
        together.write(connection)

    @staticmethod
    def _end(together: Together, changes: Changes, now: datetime) -> None:
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
        together.insert(schema.outcome, ended)
        together.delete(schema.pending.c.message_id, [e.outcome.message for e in changes.endings])
        name_patients(together, {e.outcome.message: e.named for e in changes.endings})


def _note_expected(together: Together, state: State) -> None:
    """Keep which orders expect a result, as they stand now."""
    orders = [focus for _, focus in state.foci.changes() if focus.kind is FocusKind.ORDER]
    expecting = [focus for focus in orders if isinstance(focus.fact, OrderReported) and focus.fact.expects]
    together.upsert(schema.order_expected, list(map(rows.expected_row, expecting)))
    done = {focus.id for focus in orders} - {focus.id for focus in expecting}
    together.delete(schema.order_expected.c.focus_id, sorted(done))


_OUTBOX_TURN = select(func.pg_advisory_xact_lock(_OUTBOX_LOCK))
_TRY_PARTITIONS = text(
    "SELECT each FROM unnest(CAST(:wanted AS int[])) AS each WHERE pg_try_advisory_xact_lock(:locks, each) LIMIT :most"
)


@cache
def _forgetting(dialect: str) -> Delete:
    return delete(schema.waiting_fact).where(one_of(dialect, schema.waiting_fact.c.focus_id))


def _oldest(connection: Connection, limit: int) -> list[_Waiting]:
    return [_Waiting(*row) for row in ask(connection, _WAITING, {"limit": limit})]


_pending = schema.pending.c
_WAITING = (
    select(_pending.message_id, _pending.size, _pending.partitions)
    .where(_UNHELD)
    .order_by(_pending.message_id)
    .limit(bindparam("limit", type_=Integer))
)


def _wait_for(connection: Connection, partitions: Sequence[int]) -> None:
    """Take partitions once their holders have let them go; rising and before any other, so nobody deadlocks."""
    each = func.unnest(cast(partitions, ARRAY(Integer))).column_valued("each")
    connection.execute(select(func.count(func.pg_advisory_xact_lock(_PARTITION_LOCKS, each))))


def _messages(connection: Connection, numbers: Iterable[int]) -> list[PendingMessage]:
    if not (wanted := list(numbers)):
        return []
    return [
        PendingMessage(
            m.id,
            m.source,
            Format(m.format),
            m.message_type,
            m.control_id,
            bytes(m.raw),
            m.received_at,
            refused=m.code not in POSITIVE,
            expects=m.expects,
        )
        for m in ask(connection, _stored(connection.dialect.name), {"keys": told(wanted)})
    ]


@cache
def _stored(dialect: str) -> Select[Any]:
    message, body = schema.message, schema.message_body
    whole = select(message, body.c.raw).join_from(message, body)
    return whole.where(one_of(dialect, message.c.id)).order_by(message.c.id)


def _rows(
    connection: Connection, statement: Select[Any] | CompoundSelect[Any], **keys: Collection[Any]
) -> list[dict[str, Any]]:
    """Give what a statement finds by the keys told; without any it is not asked."""
    if not any(keys.values()):
        return []
    found = ask(connection, statement, {name: told(each) for name, each in keys.items()})
    return [row._asdict() for row in found]


@cache
def _people(dialect: str) -> Select[Any]:
    """The records of people, each with its person's golden record."""
    person = schema.person
    whole = select(_record, person.c.golden).join_from(_record, person, person.c.id == _record.c.person_id)
    return whole.where(one_of(dialect, _record.c.person_id))


@cache
def _items(dialect: str) -> CompoundSelect[Any]:
    """The items about objects, and those of people that are still open or say who lies here; one may come twice."""
    # The state is concatenated so that no planner takes an index by it: most items of a table that is small are open.
    still_open = and_(*(_item.c.state + "" != state for state in _ENDED))
    here = or_(*(_item.c.title == title for title in sorted(IN_HOUSE))) & (_item.c.state + "" == ItemState.DONE)
    counts = or_(still_open, here)
    by_object = one_of(dialect, _item.c.focus_id, bindparam("foci", type_=Text))
    by_patient = one_of(dialect, _item.c.identity_id, bindparam("identities", type_=Text))
    return union_all(select(_item).where(by_object), select(_item).where(by_patient, counts))


@cache
def _convocations(dialect: str) -> CompoundSelect[Any]:
    """The convocations of objects, and those of people that may still change, each with its object; may come twice."""
    known, focus = schema.convocation, schema.focus
    own = known.c.focus_id.label("convened")
    whole = select(own, known.c.content, focus).join_from(known, focus, focus.c.id == known.c.focus_id)
    by_object = one_of(dialect, known.c.focus_id, bindparam("foci", type_=Text))
    by_patient = one_of(dialect, known.c.identity_id, bindparam("identities", type_=Text))
    return union_all(whole.where(by_object), whole.where(by_patient, schema.OPEN_CONVOCATION))


PERSON, OBJECT = "person", "object"
"""What a lock is on, in its name."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a batch's keys find.

    Attributes:
        names: people and objects.
        keys: blocking keys by which it looks for people like its patients.
        alike: what these find.

    """

    names: set[tuple[str, str]]
    keys: frozenset[str]
    alike: Alike

    def locks(self) -> set[Name]:
        """Give the names to be locked; of very many keys one for all, so that they do not fill the lock table."""
        keys: set[Name] = {(_KEY_LOCK, key) for key in self.keys}
        return {*self.names, *(keys if len(keys) <= MOST_KEY_LOCKS else {_EVERY_KEY})}


def _found(connection: Connection, needs: Needs) -> Found:
    """Name the people and objects that a batch's keys find, and the people to whom these and their items belong.

    The people whom identifiers name by their own key, their INS, or as the other side of a doubt, and those whom the
    patients are like.
    """
    given = {"identities": told(needs.identities), "ins": told(needs.ins), "foci": told(needs.foci)}
    found = ask(connection, _finding(connection.dialect.name), given)
    keys = needs.search_keys({(row.authority, row.value) for row in found if row.authority})
    alike = find_alike(connection, keys)
    people = {(PERSON, person) for person in alike.people} | {(PERSON, row.person_id) for row in found}
    return Found(people | {(OBJECT, row.focus_id) for row in found if row.focus_id}, keys, alike)


@cache
def _finding(dialect: str) -> CompoundSelect[Any]:
    nobody = literal("").label("authority"), literal("").label("value")
    named = select(literal("").label("focus_id"), _record.c.person_id, *nobody)
    vouched = (case((_record.c.authoritative, column), else_="").label(column.name) for column in _BY_NUMBER)
    by_number = select(literal("").label("focus_id"), _record.c.person_id, *vouched)
    by_name = [
        on_keys(dialect, by_number, _BY_NUMBER, "identities"),
        on_keys(dialect, named, (_record.c.ins_authority, _record.c.ins_value), "ins"),
        on_keys(dialect, named, (_record.c.origin_authority, _record.c.origin_value), "identities"),
    ]
    owned = select(_key.c.focus_id, _record.c.person_id, *nobody)
    by_object = [
        on_keys(dialect, owned.where(focus == _key.c.focus_id, identity == _record.c.id), _KEY_COLUMNS, "foci")
        for focus, identity in (
            (schema.focus.c.id, schema.focus.c.identity_id),
            (_item.c.focus_id, _item.c.identity_id),
        )
    ]
    return union_all(*by_name, *by_object)


@cache
def _foci(dialect: str) -> Select[Any]:
    """The objects that keys find; each comes once for each key that finds it."""
    focus = schema.focus
    found = select(focus, _key.c.authority, _key.c.value).where(focus.c.id == _key.c.focus_id)
    return on_keys(dialect, found, _KEY_COLUMNS)


def _load_directory(connection: Connection, state: State, needs: Needs) -> None:
    """Load the entries that are told, or asked for, which few batches do."""
    for row in _rows(connection, _entries(connection.dialect.name), keys=needs.directory):
        entry = rows.entry(row)
        state.directory.load(entry_key(entry.kind, entry.key), entry)


@cache
def _entries(dialect: str) -> Select[Any]:
    entry = schema.directory_entry
    return on_keys(dialect, select(entry), (entry.c.kind, entry.c.authority, entry.c.value))


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
        "secretariat": step.item.secretariat,
        "holder": step.item.hand.holder,
        "deed": step.deed,
        "note": step.note,
        "changed": list(step.changed),
        "former": rows.former_json(step.former),
    }


def _outbox_row(entry: OutboxEntry) -> dict[str, Any]:
    return {
        "message_id": entry.message_id,
        "secretariat": entry.secretariat,
        "order_key": entry.order_key,
        "item_id": entry.item if entry.about_item else None,
        "subject": None if entry.about_item else entry.item,
        "version": entry.version,
        "body": entry.body,
        "created_at": entry.created_at,
    }
