"""Audit events found among millions: by an index, in the order of their time, a page at a time.

What names a patient, a message, an item, a reference or an actor is found by its index. Where only other conditions are
given, the events of the period are looked at in order, a chunk at a time; a page looks at a bounded number of them, and
says where it stopped (promise P9).
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    ColumnCollection,
    ColumnElement,
    Connection,
    Select,
    Text,
    case,
    cast,
    func,
    intersect,
    or_,
    select,
    union,
)

from adapters.store import schema
from adapters.store.keys import among
from gateway.audit_query import AuditQuery, Place, Tally

CHUNK = 5_000
"""Events that one statement looks at."""

EXAMINED = 50_000
"""Events that one page looks at, at most, where no index knows what is asked for."""

COUNTED = 200_000
"""Events that a count looks at, at most."""

_LONGEST = 36
"""Characters of a record's id: a longer one, which PostgreSQL would cut, is nobody's."""

_events, _touched, _item = schema.audit_event, schema.audit_patient, schema.work_item
_Columns = ColumnCollection[str, ColumnElement[Any]]
_Ids = Select[tuple[int]]


def find(connection: Connection, query: AuditQuery) -> tuple[Sequence[Any], Place | None]:
    """Give the rows of a page in the order asked for, and where to go on; None where nothing is left."""
    own = _found_by_index(connection, query)
    if own is not None:
        named = intersect(*own).cte("own").prefix_with("MATERIALIZED")
        source = select(_events).join(named, named.c.id == _events.c.id)
        return _page(connection, source, query)
    if _is_in_order(query):
        return _page(connection, select(_events), query)
    return _walk(connection, query)


def count(connection: Connection, query: AuditQuery) -> Tally | None:
    """Count what matches; None where more would have to be looked at than is bearable (COUNTED)."""
    own = _found_by_index(connection, query)
    source = select(_events.c.id, _events.c.action, _events.c.principal, _events.c.correlation)
    source = source.add_columns(_events.c.patients, _events.c.entities, _events.c.message_id, _events.c.detail)
    source = source.where(*_within(query, None))
    if own is not None:
        named = intersect(*own).cte("own").prefix_with("MATERIALIZED")
        source = source.join(named, named.c.id == _events.c.id)
    source = source.where(*_by_actor(_events.c, query))
    looked_at = source.limit(COUNTED + 1).cte("looked_at").prefix_with("MATERIALIZED")
    if connection.execute(select(func.count()).select_from(looked_at)).scalar_one() > COUNTED:
        return None
    matching = select(looked_at).where(*_conditions(connection, looked_at.c, query)).subquery()
    named_in_each: ColumnElement[int] = func.json_array_length(matching.c.patients)
    if query.identities is not None:
        asked_for = among(connection, _touched.c.identity_id, query.identities)
        each = select(func.count()).where(_touched.c.event_id == matching.c.id, asked_for)
        named_in_each = each.scalar_subquery()
    shares = func.coalesce(func.sum(case((named_in_each > 1, named_in_each), else_=1)), 0)
    return Tally(*map(int, connection.execute(select(func.count(), shares).select_from(matching)).one()))


def actors(connection: Connection) -> list[str]:
    """Name everybody who has left an event, but the gateway itself: from one to the next in the index."""
    actor = _events.c.principal
    first = select(func.min(actor).label("principal")).where(schema.SOMEBODY)
    known = first.cte("known", recursive=True)
    following = select(func.min(actor)).where(actor > known.c.principal, schema.SOMEBODY)
    known = known.union_all(select(following.scalar_subquery()).where(known.c.principal.is_not(None)))
    return list(connection.execute(select(known.c.principal).where(known.c.principal.is_not(None))).scalars())


def records_of(connection: Connection, value: str, authority: str = "") -> list[str]:
    """Give the ids of all records of the people whom an identifier names, of whatever authority if none is said."""
    record = schema.identity
    own, ins = [record.c.value == value], [record.c.ins_value == value]
    if authority:
        own.append(record.c.authority == authority)
        ins.append(record.c.ins_authority == authority)
    people = union(select(record.c.person_id).where(*own), select(record.c.person_id).where(*ins))
    return list(connection.execute(select(record.c.id).where(record.c.person_id.in_(people))).scalars())


def _page(connection: Connection, source: Select[Any], query: AuditQuery) -> tuple[Sequence[Any], Place | None]:
    statement = source.where(*_within(query, query.after), *_conditions(connection, _events.c, query))
    rows = connection.execute(_ordered(statement, _events.c, query).limit(query.limit + 1)).all()
    return rows[: query.limit], _place(rows[query.limit - 1]) if len(rows) > query.limit else None


def _walk(connection: Connection, query: AuditQuery) -> tuple[Sequence[Any], Place | None]:
    """Look at the events of the period chunk by chunk until the page is full, or has looked at enough."""
    found: list[Any] = []
    edge: Place | None = query.after
    for _ in range(EXAMINED // CHUNK):
        period = _ordered(select(_events).where(*_within(query, edge), *_by_actor(_events.c, query)), _events.c, query)
        chunk = period.limit(CHUNK).cte("chunk").prefix_with("MATERIALIZED")
        statement = _ordered(select(chunk).where(*_conditions(connection, chunk.c, query)), chunk.c, query)
        found += connection.execute(statement.limit(query.limit + 1 - len(found))).all()
        if len(found) > query.limit:
            return found[: query.limit], _place(found[query.limit - 1])
        last = connection.execute(period.with_only_columns(_events.c.at, _events.c.id).offset(CHUNK - 1).limit(1))
        if (end := last.first()) is None:
            return found, None
        edge = _place(end)
    return found, edge


def _place(row: Any) -> Place:
    return Place(row.at, row.id)


def _ordered(statement: Select[Any], columns: _Columns, query: AuditQuery) -> Select[Any]:
    if query.oldest_first:
        return statement.order_by(columns["at"], columns["id"])
    return statement.order_by(columns["at"].desc(), columns["id"].desc())


def _within(query: AuditQuery, after: Place | None) -> list[ColumnElement[bool]]:
    """The period, and where the page before ended; the time by itself bounds what the index reads."""
    at, number = _events.c.at, _events.c.id
    bounds = [at >= query.since] if query.since else []
    bounds += [at < query.until] if query.until else []
    bounds += [number <= query.until_event] if query.until_event is not None else []
    if after is None:
        return bounds
    if query.oldest_first:
        return [*bounds, at >= after.at, or_(at > after.at, number > after.event)]
    return [*bounds, at <= after.at, or_(at < after.at, number < after.event)]


def _is_in_order(query: AuditQuery) -> bool:
    """Whether an index has what is asked for in the order of its time: all of it, or what one actor did."""
    narrowed = (query.actions, query.principals, query.entities, query.addresses, query.holding)
    apart = query.action or query.principal in schema.OURSELVES
    return not apart and all(given is None for given in narrowed)


def _conditions(connection: Connection, columns: _Columns, query: AuditQuery) -> list[ColumnElement[bool]]:
    """What each row is looked at for."""
    found: list[ColumnElement[bool]] = []
    if query.action:
        found.append(columns["action"].startswith(query.action, autoescape=True))
    if query.actions is not None:
        found.append(among(connection, columns["action"], query.actions))
    found += _by_actor(columns, query)
    if query.principals is not None:
        found.append(among(connection, columns["principal"], query.principals))
    if query.entities is not None:
        found.append(or_(*(_names(columns["entities"], entity) for entity in query.entities)))
    if query.addresses is not None:
        found.append(columns["detail"]["address"].as_string().in_(query.addresses))
    if query.holding is not None:
        found.append(or_(*(cast(columns[part], Text).not_in(("", "[]")) for part in query.holding)))
    return found


def _by_actor(columns: _Columns, query: AuditQuery) -> list[ColumnElement[bool]]:
    """What the index of actors has in the order of its time, but for the gateway's own."""
    if not query.principal:
        return []
    own = columns["principal"] == query.principal
    return [own] if query.principal in schema.OURSELVES else [own, schema.SOMEBODY]


def _names(entities: ColumnElement[Any], entity: str) -> ColumnElement[bool]:
    return cast(entities, Text).contains(f'"{entity}"', autoescape=True)


def _found_by_index(connection: Connection, query: AuditQuery) -> list[_Ids] | None:
    """Give the numbers of the events that each condition finds that an index knows; None if there is no such one."""
    own: list[_Ids] = []
    if query.event is not None:
        own.append(select(_events.c.id).where(_events.c.id == query.event))
    if query.message is not None:
        own.append(select(_events.c.id).where(_events.c.message_id == query.message))
    if query.item:
        own.append(_of_item(query.item))
    if query.identities is not None:
        own.append(_of_records(connection, query.identities))
    if query.patient:
        own.append(_of_patient(connection, records_of(connection, query.patient)))
    if query.correlation:
        own.append(_of_reference(query.correlation))
    return own or None


def _of_records(connection: Connection, identities: Sequence[str]) -> _Ids:
    known = [identity for identity in identities if len(identity) <= _LONGEST]
    return select(_touched.c.event_id.label("id")).where(among(connection, _touched.c.identity_id, known))


def _of_patient(connection: Connection, identities: Sequence[str]) -> _Ids:
    """What touched a record, and all that the same messages led to."""
    touched = _of_records(connection, identities)
    messages = select(_events.c.message_id).where(_events.c.id.in_(touched), _events.c.message_id.is_not(None))
    return _either(touched, select(_events.c.id).where(_events.c.message_id.in_(messages)))


def _of_item(item: str) -> _Ids:
    """What names an item: by its messages, and by the patients whom it was ever about."""
    step = schema.work_item_history
    messages = select(step.c.message_id).where(step.c.item_id == item)
    named = _names(_events.c.entities, f"item/{item}")
    told = select(_events.c.id).where(_events.c.message_id.in_(messages), named)
    about = union(
        select(_item.c.identity_id).where(_item.c.id == item),
        select(_touched.c.identity_id).where(_touched.c.event_id.in_(told)),
    )
    touched = select(_events.c.id).join(_touched, _touched.c.event_id == _events.c.id)
    return _either(told, touched.where(_touched.c.identity_id.in_(about), named))


def _of_reference(correlation: str) -> _Ids:
    """What came of the messages with this reference, and what the bus was told under this message id."""
    message, outbox = schema.message, schema.outbox
    messages = select(message.c.id).where(message.c.control_id == correlation)
    about = (
        select(_item.c.identity_id)
        .join(outbox, outbox.c.item_id == _item.c.id)
        .where(outbox.c.message_id == correlation)
    )
    touched = select(_events.c.id).join(_touched, _touched.c.event_id == _events.c.id)
    published = touched.where(_touched.c.identity_id.in_(about), _events.c.correlation == correlation)
    return _either(select(_events.c.id).where(_events.c.message_id.in_(messages)), published)


def _either(one: _Ids, other: _Ids) -> _Ids:
    both = union(one, other).subquery()
    return select(both.c.id)
