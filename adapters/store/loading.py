"""Identities stored many at a time, as an admissions system exports them: with their persons and blocking keys."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from uuid import uuid4

from sqlalchemy import Connection, select

from adapters.store import rows, schema
from adapters.store.audit import append
from adapters.store.bulk import copy_rows
from adapters.store.database import Database
from adapters.store.keys import among
from gateway.audit import AuditEvent
from gateway.facts import Identifier, Patient
from gateway.identity import Identity, golden_record
from gateway.likeness import filed_keys
from gateway.told import Told

LOADED_BATCH = 2_000
"""Records stored by one transaction, while nothing is processed."""

_record = schema.identity


@dataclass(frozen=True, slots=True)
class Loaded:
    """How far a load has come.

    Attributes:
        read: records read.
        stored: of these, those that were not known.
        keys: blocking keys under which they are filed.

    """

    read: int = 0
    stored: int = 0
    keys: int = 0

    def and_then(self, more: "Loaded") -> "Loaded":
        """Give how far it is after some more."""
        return Loaded(self.read + more.read, self.stored + more.stored, self.keys + more.keys)


def load(
    database: Database,
    source: str,
    told: Iterable[tuple[Identifier, Patient]],
    event: Callable[[Loaded], AuditEvent],
) -> Iterator[Loaded]:
    """Store who admissions vouches for, each with a person of its own; give how far it has come after each batch.

    A number that is known already stays as it is: so a load that was stopped is begun anew, and goes on.

    Args:
        database: the database.
        source: the site's source id of the admissions system.
        told: each number, and who the patient is.
        event: gives the audit event of a batch, by what it stored.

    """
    done, coming = Loaded(), iter(told)
    with ThreadPoolExecutor(1) as writer:  # the store writes one batch while the next is made ready
        writing: Future[Loaded] | None = None
        while batch := _ready(source, islice(coming, LOADED_BATCH)):
            if writing is not None:
                done = done.and_then(writing.result())
                yield done
            writing = writer.submit(_store, database, batch, event)
        if writing is not None:
            yield done.and_then(writing.result())


@dataclass(frozen=True, slots=True)
class _Ready:
    """One record with its person and blocking keys, as rows."""

    person: rows.Row
    identity: rows.Row
    keys: list[rows.Row]


def _ready(source: str, told: Iterable[tuple[Identifier, Patient]]) -> dict[Identifier, _Ready]:
    """Rows by number. No message told them: whatever a message tells is newer."""
    found = {}
    for key, patient in told:
        one = Identity(str(uuid4()), key, str(uuid4()), Told(source, 0), authoritative=True, patient=patient)
        keys: list[rows.Row] = [{"hash": each, "identity_id": one.id} for each in sorted(filed_keys(one))]
        found[key] = _Ready(rows.person_row(golden_record(one.person, [one])), rows.identity_row(one), keys)
    return found


def _store(database: Database, told: Mapping[Identifier, _Ready], event: Callable[[Loaded], AuditEvent]) -> Loaded:
    with database.write() as connection:
        database.hold_pipeline(connection)
        known = _already_stored(connection, told)
        fresh = [one for key, one in told.items() if key not in known]
        keys = [key for one in fresh for key in one.keys]
        done = Loaded(len(told), len(fresh), len(keys))
        if fresh:
            copy_rows(connection, schema.person, [one.person for one in fresh])
            copy_rows(connection, _record, [one.identity for one in fresh])
            copy_rows(connection, schema.blocking_key, keys)
        append(connection, [event(done)])
    return done


def _already_stored(connection: Connection, keys: Collection[Identifier]) -> set[Identifier]:
    values = among(connection, _record.c.value, [key.value for key in keys])
    found = connection.execute(select(_record.c.authority, _record.c.value).where(values))
    return {Identifier(row.authority, row.value) for row in found}
