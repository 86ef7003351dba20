"""Milliseconds an answer of the audit trail, over a million events on PostgreSQL (``--prove``: five million).

Run it by name: ``pytest -s tests/bench/bench_audit_answers.py``. Of each ten events eight are of the pipeline, two of
people. Rows are inserted as they are, which takes a minute a million. Times are printed, never asserted: median and
95th percentile over different patients, actors, messages, items and days.
"""

import random
import statistics
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sites import demo_site
from sqlalchemy import text

from adapters.audit_operations import AuditOperations
from adapters.store.audit import AuditTrail
from adapters.store.database import Database
from adapters.store.listening import session
from gateway.audit import AuditAction
from gateway.audit_query import AuditQuery
from gateway.principal import Principal, PrincipalKind, Right
from mappings.fhir.audit_event import TDE
from mappings.fhir.audit_search import asked_for

EVENTS, WHOLE = 1_000_000, 5_000_000
A_MESSAGE = 10
"""Events that follow from one message, those of people among them."""
PATIENTS = 50_000
BUSY = 2_000
"""Messages of the one patient who has most."""
ACCOUNTS = 200
DAYS = 180
START = datetime(2026, 1, 1, tzinfo=UTC)
ASKED = 60
"""Different ones that each question is asked about."""

Rows = Iterator[tuple[Any, ...]]


def uid(kind: int, number: int) -> str:
    """Give a stable identifier."""
    return str(UUID(int=kind << 64 | number))


def patient_of(message: int) -> int:
    """Give whose a message is: the first one's now and then, else anybody's."""
    return 0 if message % 100 == 0 and message < BUSY * 100 else (message * 7919) % PATIENTS


def acts(message: int) -> list[tuple[str, str, str]]:
    """Give what follows from a message: action, principal, what it touches."""
    item, account = f'["item/{uid(3, message)}", "secretariat/accueil"]', f"account:a{message % ACCOUNTS}"
    other = f"account:a{message * 31 % ACCOUNTS}"
    return [
        (AuditAction.MESSAGE_RECEIVED, "laboratory", "[]"),
        (AuditAction.IDENTITY_MATCHED, "gateway", "[]"),
        (AuditAction.ITEM_CREATED, "gateway", item),
        (AuditAction.ITEM_UPDATED, "gateway", item),
        (AuditAction.MESSAGE_PROCESSED, "gateway", "[]"),
        (AuditAction.OBJECT_JOINED, "gateway", "[]"),
        (AuditAction.ITEM_PUBLISHED, "relay", item),
        (AuditAction.ITEM_PUBLISHED, "relay", item),
        (AuditAction.ITEM_SHOWN, account, item),
        (AuditAction.ITEM_DONE, other, item),
    ]


def tables(events: int) -> dict[str, Rows]:
    """Give the rows of each table."""
    messages = range(1, events // A_MESSAGE + 1)
    step, end = timedelta(days=DAYS) / events, (START, START, "accueil")

    def each() -> Iterator[tuple[int, int, str, str, str]]:
        for message in messages:
            for place, (action, principal, entities) in enumerate(acts(message), 1):
                yield (message - 1) * A_MESSAGE + place, message, action, principal, entities

    def touches(action: str) -> bool:
        return action != AuditAction.MESSAGE_RECEIVED

    def of_people(principal: str) -> bool:
        return principal.startswith("account:")

    columns = "id, received_at, transport, format, source, principal, control_id, message_type, code, size, partitions"
    events_of = "id, at, action, principal, message_id, correlation, patients, entities, detail"
    item_of = (
        "id, kind, priority, state, identity_id, focus_id, title, detail, rule, reason, source_message, version, "
        "created_at, updated_at, origin"
    )
    step_of = "item_id, version, at, state, priority, title, message_id, principal"
    return {
        f"message ({columns})": (
            (m, START, "mllp", "hl7v2", "laboratory", "laboratory", f"C{m}", "ORU^R01", "AA", 500, 1) for m in messages
        ),
        "person (id, golden)": ((uid(2, p), "{}") for p in range(PATIENTS)),
        "identity (id, authority, value, person_id, source, authoritative, retired, patient, told_message, times)": (
            (uid(1, p), "1.2.250.1.999.1", str(8_000_000 + p), uid(2, p), "admissions", True, False, "{}", 1, "{}")
            for p in range(PATIENTS)
        ),
        f"work_item ({item_of})": (
            (
                uid(3, m),
                *("result", "routine", "done"),
                uid(1, patient_of(m)),
                uid(4, m),
                *("t", "", "r", ""),
                m,
                2,
                *end,
            )
            for m in messages
        ),
        f"work_item_history ({step_of})": (
            (uid(3, m), version, START, "new", "routine", "t", m, "gateway") for m in messages for version in (1, 2)
        ),
        f"audit_event ({events_of})": (
            (
                number,
                START + number * step,
                action,
                principal,
                None if of_people(principal) else message,
                f"C{message}",
                f'["{uid(1, patient_of(message))}"]' if touches(action) else "[]",
                entities,
                '{"kind": "result", "state": "new", "version": 1}',
            )
            for number, message, action, principal, entities in each()
        ),
        "audit_patient (identity_id, event_id)": (
            (uid(1, patient_of(message)), number) for number, message, action, *_ in each() if touches(action)
        ),
    }


def fill(database: Database, events: int) -> None:
    """Put the events, with all that a search looks at, into a database."""
    with database.write() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))  # references hold by construction
        driver: Any = connection.connection.driver_connection
        for table, rows in tables(events).items():
            with driver.cursor() as cursor, cursor.copy(f"COPY {table} FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)
        connection.execute(text("SELECT setval('audit_event_id_seq', (SELECT max(id) FROM audit_event))"))
    with session(database) as connection:
        connection.execute("VACUUM ANALYZE")


def questions(trail: AuditTrail, events: int) -> dict[str, tuple[list[Any], Callable[[Any], int]]]:
    """Give what is asked, and about whom or what; each answers how much it found."""
    auditor = Principal("account:auditor", PrincipalKind.PERSON, "auditor", rights=frozenset(Right))
    answers = AuditOperations(auditor, trail, demo_site())
    chance = random.Random(5)
    messages = [chance.randrange(1, events // A_MESSAGE) for _ in range(ASKED)]
    patients = [str(8_000_000 + patient_of(m)) for m in messages if patient_of(m)]
    days = [f"{START + timedelta(days=chance.randrange(DAYS - 1)):%Y-%m-%d}" for _ in range(ASKED)]
    busy = [str(8_000_000)] * 10

    def search(**query: Any) -> int:
        return len(answers.search(AuditQuery(**query)))

    def page(*asked: tuple[str, str]) -> int:
        return len(answers.find(asked_for(asked, demo_site()), b"").resources)

    ever = ("date", "ge2026-01-01")
    return {
        "story: patient": (patients, lambda value: search(patient=value)),
        f"story: patient with {BUSY:,} messages": (busy, lambda value: search(patient=value)),
        "story: actor, newest 1,000": (list(range(ASKED)), lambda n: search(principal=f"account:a{n}")),
        "story: message": (messages, lambda n: search(message=n)),
        "story: item": (messages, lambda n: search(item=uid(3, n))),
        "search: reference": (messages, lambda n: search(correlation=f"C{n}")),
        "breach: patient": (patients, lambda value: len(answers.breach(value, "", START, None).dealings)),
        "ITI-81: a day": (days, lambda day: page(("date", day))),
        "ITI-81: a day, by TdE": (days, lambda day: page(("date", day), ("_profile", TDE))),
        "ITI-81: a day, oldest first, counted": (
            days,
            lambda day: page(("date", day), ("_sort", "date"), ("_total", "accurate")),
        ),
        "ITI-81: a patient": (patients, lambda value: page(ever, ("patient.identifier", value))),
        "ITI-81: the busy patient, counted": (
            busy,
            lambda value: page(ever, ("patient.identifier", value), ("_total", "accurate")),
        ),
        "ITI-81: an actor": (list(range(ASKED)), lambda n: page(ever, ("agent", f"account:a{n}"))),
        "ITI-81: reads on a day": (days, lambda day: page(("date", day), ("action", "R"))),
        "ITI-81: what never was, 50,000 looked at": ([1, 2, 3, 4, 5], lambda _: page(ever, ("outcome", "8"))),
    }


def test_milliseconds_an_answer(postgres_database: str, prove: bool, capsys: Any) -> None:  # noqa: FBT001 - a fixture
    """Each question is answered; how long it took is printed."""
    events = WHOLE if prove else EVENTS
    database = Database(postgres_database)
    database.migrate()
    start = time.perf_counter()
    fill(database, events)
    filled = time.perf_counter() - start
    lines = []
    for name, (about, ask) in questions(AuditTrail(database), events).items():
        times, found = [], 0
        for each in about:
            began = time.perf_counter()
            found = max(found, ask(each))
            times.append((time.perf_counter() - began) * 1e3)
        lines.append((name, found, statistics.median(times), sorted(times)[int(len(times) * 0.95)]))
    with database.read() as connection:
        size = text("SELECT sum(pg_total_relation_size(t)) FROM unnest(CAST(:names AS regclass[])) AS t")
        octets = connection.execute(size, {"names": ["audit_event", "audit_patient"]}).scalar_one()
        name = {"name": "ix_audit_event_principal_at"}
        index = connection.execute(text("SELECT pg_relation_size(CAST(:name AS regclass))"), name).scalar_one()
    database.close()
    with capsys.disabled():
        print(f"\nPostgreSQL, {events:,} events, filled in {filled:.0f} s")  # noqa: T201
        each = f"{octets / events:.0f} bytes an event with its indexes, {index / events:.0f} of them the actors' index"
        print(each)  # noqa: T201
        print(f"{'':<44}{'found':>8}{'median':>9}{'p95':>9}   (milliseconds)")  # noqa: T201
        for name, found, median, most in lines:
            print(f"{name:<44}{found:>8}{median:>9.1f}{most:>9.1f}")  # noqa: T201
