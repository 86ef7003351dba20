"""Identities stored many at a time, as an admissions system exports them: with their persons and blocking keys."""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
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
    while batch := dict(islice(coming, LOADED_BATCH)):
        stored = _store(database, source, batch, event)
        done = Loaded(done.read + len(batch), done.stored + stored.stored, done.keys + stored.keys)
        yield done


def _store(
    database: Database, source: str, told: dict[Identifier, Patient], event: Callable[[Loaded], AuditEvent]
) -> Loaded:
    with database.write() as connection:
        database.hold_pipeline(connection)
        known = _known(connection, told)
        fresh = [_identity(source, key, patient) for key, patient in told.items() if key not in known]
        if not fresh:
            return Loaded(len(told))
        keys = _keys(fresh)
        persons = (golden_record(one.person, [one]) for one in fresh)
        copy_rows(connection, schema.person, [rows.person_row(person) for person in persons])
        copy_rows(connection, _record, [rows.identity_row(one) for one in fresh])
        copy_rows(connection, schema.blocking_key, keys)
        done = Loaded(len(told), len(fresh), len(keys))
        append(connection, [event(done)])
    return done


def _known(connection: Connection, keys: Collection[Identifier]) -> set[Identifier]:
    values = among(connection, _record.c.value, [key.value for key in keys])
    found = connection.execute(select(_record.c.authority, _record.c.value).where(values))
    return {Identifier(row.authority, row.value) for row in found}


def _identity(source: str, key: Identifier, patient: Patient) -> Identity:
    """A record that no message told: whatever a message tells of it is newer."""
    return Identity(str(uuid4()), key, str(uuid4()), Told(source, 0), authoritative=True, patient=patient)


def _keys(identities: Sequence[Identity]) -> list[dict[str, str]]:
    return [{"hash": key, "identity_id": one.id} for one in identities for key in sorted(filed_keys(one))]
