"""Who is like a batch's patients: records found by blocking keys, by one statement, whatever the size of the batch."""

from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from functools import cache

from sqlalchemy import Connection, Delete, TextClause, delete, func, select, text

from adapters.store import rows, schema
from adapters.store.asking import ask
from adapters.store.audit import append_with
from adapters.store.bulk import Together
from adapters.store.database import Database
from adapters.store.keys import among, one_of, told
from gateway.audit import AuditEvent
from gateway.likeness import filed_keys
from gateway.matching.blocking import Key
from gateway.state import State

BULKY = 50
"""Records under one key from which it tells nobody apart: they are not compared, and that is counted."""


@dataclass(frozen=True, slots=True)
class Alike:
    """What blocking keys find.

    Attributes:
        pairs: key and identity.
        people: persons to whom the identities belong.
        bulky: how many keys of each kind were left out.

    """

    pairs: frozenset[tuple[Key, str]] = frozenset()
    people: frozenset[str] = frozenset()
    bulky: Counter[str] = field(default_factory=Counter)


def find_alike(connection: Connection, keys: Collection[Key]) -> Alike:
    """Give the records that share one of these keys; without any the store is not asked."""
    if not keys:
        return Alike()
    found = ask(connection, _finding(connection.dialect.name), {"keys": told(sorted(keys)), "most": BULKY})
    pairs = frozenset((row.key, row.identity_id) for row in found if row.identity_id)
    people = frozenset(row.person_id for row in found if row.person_id)
    return Alike(pairs, people, Counter(row.key[0] for row in found if row.size > BULKY))


@cache
def _finding(dialect: str) -> TextClause:
    """The records under each key that is not bulky, and how many are under it; no key is read beyond its limit."""
    if dialect == "sqlite":
        wanted = "SELECT value AS key FROM json_each(:keys)"
    else:
        wanted = "SELECT value AS key FROM json_array_elements_text(CAST(:keys AS json))"
    size = "SELECT count(*) FROM (SELECT 1 FROM blocking_key b WHERE b.hash = wanted.key LIMIT :most + 1) counted"
    return text(
        f"WITH wanted AS ({wanted}), sized AS MATERIALIZED (SELECT key, ({size}) AS size FROM wanted) "  # noqa: S608 - our own names
        "SELECT sized.key, sized.size, filed.identity_id, identity.person_id FROM sized "
        "LEFT JOIN blocking_key filed ON filed.hash = sized.key AND sized.size <= :most "
        "LEFT JOIN identity ON identity.id = filed.identity_id WHERE sized.size > 0"
    )


def file_keys(together: Together, connection: Connection, state: State) -> None:
    """Let records whose traits changed be found under their keys of now."""
    filed = state.filed.changes()
    if changed := [identity for identity, each in filed if each.before]:
        ask(connection, _forgetting(connection.dialect.name), {"keys": told(changed)})
    together.insert(schema.blocking_key, [{"hash": key, "identity_id": i} for i, each in filed for key in each.keys])


@cache
def _forgetting(dialect: str) -> Delete:
    return delete(schema.blocking_key).where(one_of(dialect, schema.blocking_key.c.identity_id))


SCAN_BATCH = 500
"""Records filed by one transaction, while nothing is processed."""


@dataclass(frozen=True, slots=True)
class Scanned:
    """How far a scan of the stored records has come.

    Attributes:
        looked: records looked at.
        filed: of these, how many were not found under their keys of now.
        records: records in all, as counted at the start.

    """

    looked: int
    filed: int
    records: int


def scan(database: Database, told_of: Callable[[int], AuditEvent]) -> Iterator[Scanned]:
    """File every stored record under its keys of now, in batches; give how far it has come after each.

    Stopped, it is begun anew, and finds filed what was.

    Args:
        database: the database.
        told_of: gives the audit event of a batch that filed so many records.

    """
    record = schema.identity
    with database.read() as connection:
        records = connection.execute(select(func.count()).select_from(record)).scalar_one()
    done, after = Scanned(0, 0, records), ""
    while True:
        with database.write() as connection:
            database.hold_pipeline(connection)
            wanted = select(record).where(record.c.id > after).order_by(record.c.id).limit(SCAN_BATCH)
            batch = [rows.identity(dict(row)) for row in connection.execute(wanted).mappings()]
            if not batch:
                return
            after = batch[-1].id
            filed = _file_anew(connection, {identity.id: filed_keys(identity) for identity in batch}, told_of)
        done = Scanned(done.looked + len(batch), done.filed + filed, records)
        yield done


def _file_anew(connection: Connection, wanted: dict[str, frozenset[Key]], told_of: Callable[[int], AuditEvent]) -> int:
    """File records under these keys and no others; give how many were not."""
    table = schema.blocking_key
    stored = connection.execute(select(table).where(among(connection, table.c.identity_id, list(wanted))))
    known: dict[str, set[Key]] = {}
    for row in stored:
        known.setdefault(row.identity_id, set()).add(row.hash)
    changed = {identity: keys for identity, keys in wanted.items() if known.get(identity, set()) != keys}
    together = Together()
    if changed:
        connection.execute(delete(table).where(among(connection, table.c.identity_id, list(changed))))
        together.insert(table, [{"hash": key, "identity_id": i} for i, keys in changed.items() for key in sorted(keys)])
    append_with(together, connection, [told_of(len(changed))])
    together.write(connection)
    return len(changed)
