"""The audit log as a stream, for whoever verifies or exports it: links with their events, checkpoints, keys."""

import json
import math
from collections.abc import Generator, Iterator, Sequence
from contextlib import suppress
from typing import Any

from sqlalchemy import Connection, TextClause, select, text
from sqlalchemy.exc import DBAPIError

from adapters.store import schema
from adapters.store.keys import among
from gateway import audit
from gateway.audit import AuditAction, AuditEvent
from gateway.checkpoint import KeyStatement, Signed, key_of, signed_of
from gateway.verification import Entry, Link

PAGE = 5_000
"""Links read at a time."""

_events, _checkpoints = schema.audit_event, schema.audit_checkpoint
_ACTIONS = frozenset(AuditAction)
UNREADABLE = (ValueError, TypeError, KeyError, AttributeError)
"""What reading a row raises that was changed beyond what its columns may hold (SQLite checks no types)."""

_TEXT = {"sqlite": "json_quote({})", "postgresql": "to_json({})"}
_LIST = {"sqlite": "json({})", "postgresql": "CAST({} AS text)"}
_AT = {
    "sqlite": "replace(e.at, ' ', 'T')",
    "postgresql": """to_char(e.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US')""",
}
_TOGETHER = {"sqlite": "group_concat", "postgresql": "string_agg"}


def _links(dialect: str) -> TextClause:
    """Links with what is most likely their event's canonical form, and the patients under whom it is found.

    Made by the store, which takes a fifth of the time; the form's hash then says whether it is the one.
    """
    member = {name: _TEXT[dialect].format(f"e.{name}") for name in ("action", "correlation", "principal")}
    member |= {name: _LIST[dialect].format(f"e.{name}") for name in ("detail", "entities", "patients")}
    member |= {"at": f"""'"' || {_AT[dialect]} || '+00:00"'""", "id": "e.id"}
    member["message"] = "coalesce(CAST(e.message_id AS text), 'null')"
    form = " || ',".join(f""""{name}":' || {member[name]}""" for name in sorted(member))
    index = f"""coalesce('["' || {_TOGETHER[dialect]}(p.identity_id, '","') || '"]', '[]')"""
    return text(
        f"SELECT s.sequence, s.event_id, s.digest, e.id AS found, '{{{form} || '}}' AS form,"  # noqa: S608 - our words
        f" {member['patients']} AS named, (SELECT {index} FROM audit_patient p WHERE p.event_id = s.event_id) AS under"
        " FROM audit_seal s LEFT JOIN audit_event e ON e.id = s.event_id"
        " WHERE s.sequence > :after ORDER BY s.sequence LIMIT :limit"
    )


_LINKS = {dialect: _links(dialect) for dialect in _TEXT}


def entries(connection: Connection) -> Generator[Entry, None, None]:
    """Give the log: its links by sequence, and each checkpoint behind the last link that it covers."""
    checkpoints = _all_checkpoints(connection)
    coming = next(checkpoints, _END)
    for link in _all_links(connection):
        while coming[0] < link.sequence:
            yield coming[1]
            coming = next(checkpoints, _END)
        yield link
    while coming is not _END:
        yield coming[1]
        coming = next(checkpoints, _END)


_END: tuple[float, Signed | None] = (math.inf, None)


def _all_links(connection: Connection) -> Iterator[Link]:
    after = 0
    while page := _Page(connection, after).links:
        yield from page
        after = page[-1].sequence


class _Page:
    """Some links.

    Args:
        connection: of a transaction that sees one state.
        after: sequence of the link before.

    """

    def __init__(self, connection: Connection, after: int) -> None:
        self._connection = connection
        self._exact: dict[int, bytes] | None = None
        self.links: list[Link] = []
        asked = {"after": after, "limit": PAGE}
        try:
            rows = connection.execute(_LINKS[connection.dialect.name], asked).all()
        except DBAPIError:  # SQLite checks no types: something that is no JSON
            if connection.dialect.name != "sqlite":
                raise
            self._slowly(asked)
        else:
            self._numbers = [row[1] for row in rows]
            self.links = [
                Link(
                    sequence,
                    event,
                    digest if isinstance(digest, str) else "",
                    None if found is None else (form or "").encode(),
                    named == under or _same(named, under),
                    self.again,
                )
                for sequence, event, digest, found, form, named, under in rows
            ]

    def _slowly(self, asked: dict[str, int]) -> None:
        seals = schema.audit_seal
        wanted = select(seals).where(seals.c.sequence > asked["after"]).order_by(seals.c.sequence).limit(asked["limit"])
        rows = self._connection.execute(wanted).all()
        self._numbers = [row.event_id for row in rows]
        index = _indexed(self._connection, self._numbers)
        for row in rows:
            form = self.again(row.event_id)
            indexed = not form or set(json.loads(form)["patients"]) == index.get(row.event_id, set())
            digest = row.digest if isinstance(row.digest, str) else ""
            self.links.append(Link(row.sequence, row.event_id, digest, form, indexed))

    def again(self, event: int) -> bytes | None:
        """Give an event's canonical form from its values; None where it is gone, empty where it cannot be read."""
        if self._exact is None:
            self._exact = _forms(self._connection, self._numbers)
        return self._exact.get(event)


def _same(named: str | None, under: str) -> bool:
    """Whether an event is found under exactly the patients that it names; of one that is gone nothing is asked."""
    if named is None:
        return True
    try:
        return set(json.loads(named)) == set(json.loads(under))
    except UNREADABLE:
        return False


def _forms(connection: Connection, numbers: Sequence[int]) -> dict[int, bytes]:
    try:
        found = connection.execute(
            select(_events).where(among(connection, _events.c.id, numbers)).order_by(_events.c.id)
        )
        return {row.id: audit.canonical(event_of(row)) for row in found}
    except UNREADABLE:
        if len(numbers) == 1:
            return {numbers[0]: b""}
        middle = len(numbers) // 2
        return _forms(connection, numbers[:middle]) | _forms(connection, numbers[middle:])


def sealed_form(connection: Connection, event: int) -> tuple[int, bytes]:
    """Give an event's place in the chain and its canonical form; empty where it has no seal or cannot be read."""
    place = connection.execute(
        select(schema.audit_seal.c.sequence).where(schema.audit_seal.c.event_id == event)
    ).scalar()
    return (0, b"") if place is None else (place, _forms(connection, [event]).get(event, b""))


def _indexed(connection: Connection, numbers: Sequence[int]) -> dict[int, set[str]]:
    touched = schema.audit_patient
    found: dict[int, set[str]] = {}
    for row in connection.execute(select(touched).where(among(connection, touched.c.event_id, numbers))):
        found.setdefault(row.event_id, set()).add(row.identity_id)
    return found


def event_of(row: Any) -> AuditEvent:
    """Give the event of a row; raises one of UNREADABLE where it was changed beyond what its columns may hold."""
    return AuditEvent(
        at=row.at,
        action=AuditAction(row.action) if row.action in _ACTIONS else str(row.action),
        principal=row.principal,
        patients=tuple(row.patients),
        message=row.message_id,
        entities=tuple(row.entities),
        correlation=_text(row.correlation),
        detail=dict(row.detail),
        id=row.id,
    )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("a text is expected")
    return value


# -- checkpoints and keys ----------------------------------------------------------------------------------------------


def _all_checkpoints(connection: Connection) -> Iterator[tuple[float, Signed | None]]:
    """Give each checkpoint behind the sequence of the last link that it covers; none, at once, where it is no more."""
    number = 0
    wanted = select(_checkpoints.c.number, _checkpoints.c.content).order_by(_checkpoints.c.number).limit(PAGE)
    while page := connection.execute(wanted.where(_checkpoints.c.number > number)).all():
        for row in page:
            try:
                signed = signed_in(row.content)
            except UNREADABLE:
                yield 0, None
            else:
                yield signed.checkpoint.last, signed
        number = page[-1].number


def checkpoints(connection: Connection, after: int, limit: int) -> list[Signed]:
    """Give the checkpoints that follow a number, in order."""
    told = _checkpoints.c
    wanted = select(told.content).where(told.number > after).order_by(told.number).limit(limit)
    return [signed_in(content) for content in connection.execute(wanted).scalars()]


def signed_in(content: str) -> Signed:
    """Give the checkpoint of a row's content."""
    return signed_of(json.loads(content))


def keys(connection: Connection) -> list[KeyStatement]:
    """Give all keys of the log, the first one first."""
    contents = connection.execute(select(schema.audit_key.c.content).order_by(schema.audit_key.c.number)).scalars()
    return [key_of(json.loads(content)) for content in contents]


def readable_keys(connection: Connection) -> list[KeyStatement]:
    """Give the keys of the log that can still be read: what another has signed, nobody has who is known."""
    found = []
    for content in connection.execute(select(schema.audit_key.c.content).order_by(schema.audit_key.c.number)).scalars():
        with suppress(*UNREADABLE):
            found.append(key_of(json.loads(content)))
    return found
