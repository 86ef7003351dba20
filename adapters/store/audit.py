"""The audit trail in the store: appended with each act, sealed into a chain, searched and verified."""

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from typing import Any

from sqlalchemy import Connection, Select, func, select

from adapters.store import schema
from adapters.store.asking import ask
from adapters.store.audit_search import actors, count, find, records_of
from adapters.store.bulk import Together, next_numbers
from adapters.store.chain import UNREADABLE, entries, event_of, readable_keys
from adapters.store.database import Database
from adapters.store.keys import among, one_of, told
from gateway import audit, verification
from gateway.audit import AuditEvent, Problem
from gateway.audit_export import Header
from gateway.audit_query import AuditPage, AuditQuery, Place, Tally
from gateway.checkpoint import KeyRing, KeyStatement, Signed
from gateway.errors import GatewayError
from gateway.facts import Identifier, IdentifierKind
from gateway.verification import Link, Verification, Witness, exact

SEAL_BATCH = 2_000
"""Events sealed by one transaction."""

READ = 5_000
"""Events read at a time where all that match are wanted."""

_events = schema.audit_event


class AuditUnreadable(GatewayError):
    """A row of the trail was changed so that it cannot be read."""


def append(connection: Connection, events: Sequence[AuditEvent]) -> None:
    """Write events in the act's own transaction."""
    together = Together()
    append_with(together, connection, events)
    together.write(connection)


def append_with(
    together: Together, connection: Connection, events: Sequence[AuditEvent], numbers: Sequence[int] = ()
) -> None:
    """Have events written with the other writes of the act's own transaction.

    Args:
        together: the writes.
        connection: gives the numbers that lack.
        events: the events.
        numbers: numbers that the first events have already.

    """
    if lacking := len(events) - len(numbers):
        numbers = [*numbers, *next_numbers(connection, lacking, _events, taken=len(numbers))[0]]
    numbered = [replace(event, id=number) for event, number in zip(events, numbers, strict=True)]
    together.insert(_events, [_row(event) for event in numbered])
    together.insert(schema.audit_unsealed, [_unsealed_row(event) for event in numbered])
    touched = [
        {"identity_id": patient, "event_id": event.id}
        for event in numbered
        for patient in dict.fromkeys(event.patients)
    ]
    together.insert(schema.audit_patient, touched)


def _row(event: AuditEvent) -> dict[str, Any]:
    return {
        "id": event.id,
        "at": event.at,
        "action": event.action,
        "principal": event.principal,
        "message_id": event.message,
        "correlation": event.correlation,
        "patients": list(event.patients),
        "entities": list(event.entities),
        "detail": dict(sorted(event.detail.items())),  # as the canonical form has it: read again without being parsed
    }


def _unsealed_row(event: AuditEvent) -> dict[str, Any]:
    return {"event_id": event.id, "fingerprint": audit.fingerprint(audit.canonical(event))}


class AuditTrail:
    """The audit trail of one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def record(self, *events: AuditEvent) -> None:
        """Write acts that change nothing else (reads, refusals), each an event."""
        with self._database.write() as connection:
            append(connection, events)

    def seal(self) -> int:
        """Append what is written but not sealed to the chain; give how many events.

        One sealer at a time: on SQLite by the one writer, on PostgreSQL by a lock held to the end of the transaction.
        """
        sealed = count = self._seal_batch()
        while count == SEAL_BATCH:
            count = self._seal_batch()
            sealed += count
        return sealed

    def _seal_batch(self) -> int:
        with self._database.write() as connection:
            if not self._database.sqlite:
                ask(connection, _SEALING)
            waiting = ask(connection, _UNSEALED)
            if not waiting:
                return 0
            together = Together()
            together.insert(schema.audit_seal, self._seals(connection, waiting))
            together.delete(schema.audit_unsealed.c.event_id, [row.event_id for row in waiting])
            together.write(connection)
        return len(waiting)

    @staticmethod
    def _seals(connection: Connection, waiting: Sequence[Any]) -> list[dict[str, Any]]:
        """Give the next links; what is sealed already has no second place in the chain."""
        known = ask(connection, _sealed(connection.dialect.name), {"keys": told([row.event_id for row in waiting])})
        sealed = {event for (event,) in known}
        last = next(iter(ask(connection, _LAST_SEAL)), None)
        sequence, digest = (last.sequence, last.digest) if last else (0, audit.GENESIS)
        links = []
        for row in waiting:
            if row.event_id not in sealed:
                sequence, digest = sequence + 1, audit.seal(digest, row.fingerprint)
                links.append({"sequence": sequence, "event_id": row.event_id, "digest": digest})
        return links

    def verify(
        self,
        trusted: set[str] | None = None,
        outside: Sequence[Signed] = (),
        progress: Callable[[int], None] = lambda _: None,
    ) -> Verification:
        """Seal what is written, then check the whole log against itself and against checkpoints.

        Args:
            trusted: hex public keys that the caller has from elsewhere; None: those that the log tells.
            outside: checkpoints that somebody else kept, read before.
            progress: told now and then how many links were walked.

        """
        from adapters.audit_key import verify  # noqa: PLC0415 - a cipher, which only a verification needs

        self.seal()
        with self._database.read() as connection:
            events = connection.execute(select(func.count()).select_from(_events)).scalar_one()
            unsealed = connection.execute(select(func.count()).select_from(schema.audit_unsealed)).scalar_one()
            log = connection.execute(select(schema.installation.c.id)).scalar_one()
            witness = Witness(KeyRing(readable_keys(connection), verify, trusted), outside, log=log)
            found = verification.verify(lambda: entries(connection), witness, events, unsealed, progress)
            bad = found.first_bad
            if bad is None or bad.problem is not Problem.SEAL_MISSING or bad.event is not None:
                return found
            without = _first_without_seal(connection)
            problem = Problem.EVENT_REMOVED if without is None else Problem.SEAL_MISSING
            return replace(found, first_bad=replace(bad, event=without, problem=problem))

    @contextmanager
    def exporting(self) -> Iterator[tuple[Header, list[KeyStatement], Iterator[Link | Signed]]]:
        """Seal what is written, then give the log as it stands: what an export says of itself, keys, and the chain."""
        self.seal()
        with self._database.read() as connection:
            log = connection.execute(select(schema.installation.c.id)).scalar_one()
            sealed = connection.execute(select(func.max(schema.audit_seal.c.sequence))).scalar() or 0
            with closing(entries(connection)) as chain:
                yield Header(log, datetime.now(UTC), sealed), readable_keys(connection), exact(chain)

    def search(self, query: AuditQuery) -> list[AuditEvent]:
        """Give the events that match, oldest first: the newest of them, unless the oldest are asked for.

        It looks as far as it takes; each page is a read of its own.

        Raises:
            AuditUnreadable: one cannot be read as it was written.

        """
        found: list[AuditEvent] = []
        after = query.after
        while True:
            page = self.page(replace(query, after=after, limit=query.limit - len(found)))
            found += page.events
            if (after := page.after) is None or len(found) == query.limit:
                return found if query.oldest_first else found[::-1]

    def page(self, query: AuditQuery) -> AuditPage:
        """Give a page of the events that match, in the order asked for.

        Raises:
            AuditUnreadable: one cannot be read as it was written.

        """
        with self._database.read() as connection:
            try:
                rows, after = find(connection, query)
                return AuditPage([event_of(row) for row in rows], after)
            except UNREADABLE:
                rule = "an event cannot be read as it was written: gateway audit verify names it"
                raise AuditUnreadable(rule) from None

    def each(self, query: AuditQuery) -> Iterator[AuditEvent]:
        """Give all events that match, oldest first, a page at a time; each page is a read of its own."""
        after: Place | None = None
        while True:
            page = self.page(replace(query, oldest_first=True, after=after, limit=READ))
            yield from page.events
            if (after := page.after) is None:
                return

    def actors(self) -> list[str]:
        """Name everybody who has left an event, but the gateway itself."""
        with self._database.read() as connection:
            return actors(connection)

    def last(self) -> int:
        """Give the number of the last event written; 0 if there is none."""
        with self._database.read() as connection:
            return connection.execute(select(func.max(_events.c.id))).scalar() or 0

    def count(self, query: AuditQuery) -> Tally | None:
        """Count what matches; None where that would take too long."""
        with self._database.read() as connection:
            return count(connection, query)

    def touched_by(self, message: int) -> list[str]:
        """Give the ids of the records that a message touched."""
        touched = schema.audit_patient
        statement = select(touched.c.identity_id).join(_events, _events.c.id == touched.c.event_id)
        with self._database.read() as connection:
            found = connection.execute(statement.where(_events.c.message_id == message).distinct())
            return sorted(found.scalars())

    def identifiers(self, identities: Collection[str]) -> dict[str, Identifier]:
        """Give the identifier of each of these records, by id."""
        record = schema.identity.c
        statement = select(record.id, record.authority, record.value)
        with self._database.read() as connection:
            rows = connection.execute(statement.where(among(connection, record.id, identities)))
            return {row.id: Identifier(row.authority, row.value, IdentifierKind.PATIENT) for row in rows}

    def identities(self, identifier: str, authority: str = "") -> list[str]:
        """Give the ids of all records of the people whom an identifier names, of any authority if none is said."""
        with self._database.read() as connection:
            return records_of(connection, identifier, authority)


_SEALER_LOCK = 0x5EA1
_SEALING = select(func.pg_advisory_xact_lock(_SEALER_LOCK))
_unsealed, _seals = schema.audit_unsealed, schema.audit_seal
_UNSEALED = select(_unsealed).order_by(_unsealed.c.event_id).limit(SEAL_BATCH)
_LAST_SEAL = select(_seals.c.sequence, _seals.c.digest).order_by(_seals.c.sequence.desc()).limit(1)


@cache
def _sealed(dialect: str) -> Select[Any]:
    return select(_seals.c.event_id).where(one_of(dialect, _seals.c.event_id))


def _first_without_seal(connection: Connection) -> int | None:
    sealed = select(schema.audit_seal.c.event_id).where(schema.audit_seal.c.event_id == _events.c.id)
    waiting = select(schema.audit_unsealed.c.event_id).where(schema.audit_unsealed.c.event_id == _events.c.id)
    statement = select(func.min(_events.c.id)).where(~sealed.exists(), ~waiting.exists())
    return connection.execute(statement).scalar()
