"""One database with everything that the store offers on it, and short ways to fill it."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from messages import AUTHORITY
from sites import ADMISSIONS, DEPARTMENT, demo_site
from sqlalchemy import event

from adapters.store import schema
from adapters.store.audit import AuditTrail
from adapters.store.database import Database
from adapters.store.desk import MessageDesk
from adapters.store.inbox import Inbox, StoredMessage
from adapters.store.outbox import StoredOutbox
from adapters.store.replies import StoredReplies
from adapters.store.search import MessageFilter, MessageSearch
from adapters.store.watch import WatchStore
from adapters.store.work import Work
from adapters.store.worklist import Worklist
from adapters.worker import Worker
from gateway.pipeline import Decider
from gateway.reception import Format, Reception, Transport
from gateway.site import Site, Source
from mappings.fhir.identity_event import event_bundle

NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)

SITE: Site = demo_site(
    sources=(
        Source("admissions", ADMISSIONS.role, applications=("ADM",), authority=AUTHORITY),
        Source("department", DEPARTMENT.role, authority="1.2.250.1.999.2"),
    )
)


def body(_item: Any, _person: Any, message_id: str) -> bytes:
    """A bus message's body that names its message."""
    return message_id.encode()


def event_body(event: Any, message_id: str) -> bytes:
    """A bus message's body of what happened to identities, as it is sent."""
    return event_bundle(event, site=SITE, message_id=message_id)


class Store:
    """The parts of one database; ``again`` is the same database as another process would have it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.database = Database(url)
        self.inbox = Inbox(self.database)
        self.search = MessageSearch(self.database)
        self.desk = MessageDesk(self.database)
        self.work = Work(self.database)
        self.worklist = Worklist(self.database)
        self.outbox = StoredOutbox(self.database)
        self.replies = StoredReplies(self.database)
        self.trail = AuditTrail(self.database)
        self.watch = WatchStore(self.database)

    def decider(self) -> Decider:
        """What decides batches, with a body of a few bytes."""
        return Decider(SITE, self.database.installation(), body, lambda: str(uuid4()), event_body)

    def worker(self) -> Worker:
        """A worker on this database."""
        return Worker(self.work, self.decider(), SITE, lambda: None)

    def take(self, *raws: bytes) -> list[int]:
        """Record messages, each in a reception of its own, and give their numbers."""
        return [r.message for r in self.inbox.record([reception(raw) for raw in raws])] if raws else []

    def process(self, *raws: bytes) -> list[int]:
        """Record messages and let everything pending take effect."""
        numbers = self.take(*raws)
        worker = self.worker()
        while worker.run_once():
            pass
        return numbers

    def listed(self, limit: int = 100, **conditions: Any) -> list[StoredMessage]:
        """Give the newest messages that match, oldest first."""
        return self.search.page(MessageFilter(**conditions), limit=limit).messages

    def found(self, limit: int = 100, **conditions: Any) -> list[int]:
        """Give the numbers of the newest messages that match, oldest first."""
        return [m.id for m in self.listed(limit, **conditions)]

    def rows(self, statement: Any) -> list[Any]:
        """Give all rows of a statement."""
        with self.database.read() as connection:
            return list(connection.execute(statement).all())

    def count(self, table: Any) -> int:
        """Count a table's rows."""
        return len(self.rows(table.select()))

    @property
    def installation(self) -> UUID:
        """The database's own identifier."""
        return self.database.installation()


@contextmanager
def store_at(url: str) -> Iterator[Store]:
    """The store of a database, closed afterwards."""
    store = Store(url)
    try:
        yield store
    finally:
        store.database.close()


def empty(store: Store) -> None:
    """Empty every table but the database's own identity, number from 1 again, and be of this program's revision."""
    kept = {schema.installation, schema.audit_purge}
    tables = [t.name for t in reversed(schema.metadata.sorted_tables) if t not in kept]
    emptying = [f"TRUNCATE {', '.join(tables)} RESTART IDENTITY CASCADE"]
    if store.database.sqlite:
        emptying = [f"DELETE FROM {name}" for name in (*tables, "sqlite_sequence")]
    with store.database.write() as connection, unguarded(connection):
        for statement in (*emptying, f"UPDATE alembic_version SET version_num = '{store.database.head()}'"):
            connection.exec_driver_sql(statement)


@contextmanager
def unguarded(connection: Any) -> Iterator[None]:
    """Let a transaction change the audit trail, as a purge by law does."""
    connection.exec_driver_sql("INSERT INTO audit_purge VALUES ('a test')")
    yield
    connection.exec_driver_sql("DELETE FROM audit_purge")


def reception(raw: bytes, **changes: Any) -> Reception:
    """Give the reception of a frame: control ID and source as its MSH says."""
    fields = raw.split(b"\r")[0].decode().split("|")
    known: dict[str, Any] = {
        "raw": raw,
        "transport": Transport.MLLP,
        "format": Format.HL7V2,
        "source": "admissions" if fields[2:3] == ["ADM"] else "department",
        "control_id": fields[9] if len(fields) > 9 else "",
        "message_type": "ADT^A28",
        "received_at": NOW,
        "principal": "admissions",
        "answer": b"answer to " + raw[:40],
    }
    return Reception(**(known | changes))


def at_once(*calls: Callable[[], Any]) -> list[Any]:
    """Run calls in a thread each, begun together, and give their results in order; the first error is raised."""
    gate = threading.Barrier(len(calls))
    results: list[Any] = [None] * len(calls)
    errors: list[BaseException] = []

    def run(place: int) -> None:
        try:
            gate.wait(10)
            results[place] = calls[place]()
        except BaseException as error:  # noqa: BLE001 - raised below, in the test's own thread
            errors.append(error)

    threads = [threading.Thread(target=run, args=(place,)) for place in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    if errors:
        raise errors[0]
    return results


@contextmanager
def asked(store: Store) -> Iterator[list[tuple[str, Any]]]:
    """The statements that the block sends, each with the parameters of its first row."""
    statements: list[tuple[str, Any]] = []

    @event.listens_for(store.database.engine, "before_cursor_execute")
    def note(_connection, _cursor, statement, parameters, _context, executemany):
        statements.append((statement, parameters[0] if executemany else parameters))

    yield statements
    event.remove(store.database.engine, "before_cursor_execute", note)


def conserved(counts: dict[str, int]) -> bool:
    """Whether every message received is accounted for once (promise P4)."""
    return counts["received"] == sum(count for name, count in counts.items() if name != "received")


def numbered(items: Sequence[Any]) -> list[tuple[str, int]]:
    """Give id and version of items, sorted."""
    return sorted((item.id, item.version) for item in items)
