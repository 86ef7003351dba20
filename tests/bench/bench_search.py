"""Milliseconds a search, over a million messages, on SQLite and PostgreSQL.

Run it by name: ``pytest -s tests/bench/bench_search.py``. The rows are inserted as they are, not taken in, which takes
about a minute a store. Times are printed, never asserted: the first answer, and the median of five.
"""

import random
import statistics
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from adapters.store.database import Database
from adapters.store.desk import MessageDesk
from adapters.store.search import MessageFilter, MessageSearch

MESSAGES = 1_000_000
PATIENTS = 50_000
BUSY = 20_000
"""Messages of the one patient who has most: a test patient, or a monitor's."""

START = datetime(2026, 1, 1, tzinfo=UTC)
EVERY = timedelta(seconds=8)
RAW = (
    b"MSH|^~\\&|ADM|CHU|GATEWAY|CHU|20260302081500||ADT^A01|C|P|2.5\r" + b"PID|||8001^^^CHU^PI||FABULAIRE^ODILE\r" * 10
)
SOURCES = {
    "admissions": (0.40, ("ADT^A01", "ADT^A03", "ADT^A08", "ADT^A28")),
    "laboratory": (0.30, ("ORU^R01",)),
    "imaging": (0.199, ("ORU^R01", "MDM^T02")),
    "agenda": (0.10, ("SIU^S12", "SIU^S13", "SIU^S15")),
    "seldom": (0.001, ("ADT^A40",)),
}
STATES = {"processed": 0.95, "duplicate": 0.02, "ignored": 0.02, "quarantined": 0.01}
ERRORS = {"PersonNeeded": 0.6, "MessageIncoherent": 0.3, "ValueUnknown": 0.099, "ProductionGuard": 0.001}
PENDING = 1_000
HELD_EACH = 20
"""Of so many pending messages, one is held."""
RESOLVED = 0.8

Rows = Iterator[tuple[Any, ...]]

DAY = {"since": START + 50 * timedelta(days=1), "until": START + 51 * timedelta(days=1)}
SEARCHES: dict[str, dict[str, Any]] = {
    "nothing asked": {},
    "control ID": {"control_id": "C500000"},
    "patient, 19 messages": {"patient": "8000077"},
    f"patient, {BUSY:,} messages": {"patient": "8000000"},
    "a day": DAY,
    "all of it, by period": {"since": START, "until": START + timedelta(days=365)},
    "source, often": {"source": "admissions"},
    "source, seldom": {"source": "seldom"},
    "type": {"message_type": "MDM^T02"},
    "state quarantined": {"state": "quarantined"},
    "state processed": {"state": "processed"},
    "pending": {"state": "pending"},
    "held": {"held": True},
    "owner": {"owner": "account:martin"},
    "error, seldom": {"error": "ProductionGuard"},
    "open errors": {"unresolved": True},
    "quarantined, source, a day": {"state": "quarantined", "source": "laboratory", **DAY},
    "patient, type, state": {"patient": "8000000", "message_type": "ORU^R01", "state": "processed"},
    "type and source that never meet": {"message_type": "ADT^A08", "source": "laboratory"},
    "state and source that never meet": {"state": "processed", "source": "nobody"},
    "period and error, old": {"error": "PersonNeeded", "until": START + timedelta(days=3)},
    "ignored, type": {"state": "ignored", "message_type": "ADT^A40"},
    "owner, open, source": {"owner": "account:martin", "unresolved": True, "source": "imaging"},
}


def identity(n: int) -> str:
    return str(UUID(int=n))


def tables(at: list[Any]) -> dict[str, Rows]:
    """Table and columns -> rows, in the order in which they may be inserted; times as the store's driver takes them."""
    rng = random.Random(7)
    sources = rng.choices(list(SOURCES), [weight for weight, _ in SOURCES.values()], k=MESSAGES)
    states = rng.choices(list(STATES), list(STATES.values()), k=MESSAGES - PENDING)
    number, waiting = range(1, MESSAGES + 1), range(MESSAGES - PENDING + 1, MESSAGES + 1)
    patient = [0 if n % (MESSAGES // BUSY) == 0 else n % PATIENTS for n in number]

    def message() -> Rows:
        for n, source in zip(number, sources, strict=True):
            kind = rng.choice(SOURCES[source][1])
            code = "AR" if n % 1_000 == 7 else "AA"
            yield n, at[n - 1], "mllp", "hl7v2", source, source, f"C{n}", kind, code, len(RAW), 1

    def outcome() -> Rows:
        for n, state in enumerate(states, 1):
            bad = state == "quarantined"
            error = rng.choices(list(ERRORS), list(ERRORS.values()))[0] if bad else ""
            resolved = at[n - 1] if bad and rng.random() < RESOLVED else None
            first = n - 1 if state == "duplicate" and n > 1 else None
            yield n, state, error, "", "a rule" if bad else "", "{}", first, at[n - 1], resolved

    people = [(identity(n), "1.2", f"8{n:06}") for n in range(PATIENTS)]
    return {
        "message (id, received_at, transport, format, source, principal, control_id, message_type, code, size,"
        " partitions)": message(),
        "message_body (message_id, raw)": ((n, RAW) for n in number),
        "outcome (message_id, state, error, path, rule, notes, duplicate_of, ended_at, resolved_at)": outcome(),
        "pending (message_id, size, partitions, held)": ((n, len(RAW), 1, n % HELD_EACH == 0) for n in waiting),
        "message_hold (message_id, held_at, principal, reason)": (
            (n, at[0], "account:martin", "a bench") for n in waiting if n % HELD_EACH == 0
        ),
        "message_owner (message_id, owner, assigned_at)": (
            (n, "account:martin", at[0]) for n, state in enumerate(states, 1) if state == "quarantined" and n % 10 == 0
        ),
        "identity (id, authority, value, person_id, source, authoritative, retired, patient, told_message, times)": (
            (*known, known[0], "admissions", True, False, "{}", 1, "{}") for known in people
        ),
        "audit_event (id, at, action, principal, message_id, correlation, patients, entities, detail)": (
            (n, at[n - 1], "gateway:message:processed", "gateway", n, "", "[]", "[]", "{}") for n in number
        ),
        "audit_patient (identity_id, event_id)": ((identity(p), n) for n, p in zip(number, patient, strict=True)),
    }


def fill(database: Database) -> None:
    """Put a million messages, with all that a search looks at, into a database."""
    at = [START + n * EVERY for n in range(MESSAGES)]
    with database.write() as connection:
        driver: Any = connection.connection.driver_connection
        if database.sqlite:
            connection.exec_driver_sql("PRAGMA defer_foreign_keys=ON")
            for table, rows in tables([f"{time:%Y-%m-%d %H:%M:%S.%f}" for time in at]).items():
                driver.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * (table.count(',') + 1))})", rows)
            return
        for table, rows in tables(at).items():
            with driver.cursor() as cursor, cursor.copy(f"COPY {table} FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)
    with database.write() as connection:
        connection.exec_driver_sql("ANALYZE")


def milliseconds(work: Callable[[], int]) -> tuple[int, float, float]:
    """Give what it found, how long the first answer took, and the median of five more."""
    times = []
    for _ in range(6):
        start = time.perf_counter()
        found = work()
        times.append((time.perf_counter() - start) * 1e3)
    return found, times[0], statistics.median(times[1:])


def acts(database: Database) -> dict[str, Callable[[], int]]:
    """Everything that is timed, by its name; each gives how much it found."""
    search, desk = MessageSearch(database), MessageDesk(database)
    timed: dict[str, Callable[[], int]] = {
        name: lambda asked=asked: len(search.page(MessageFilter(**asked)).messages) for name, asked in SEARCHES.items()
    }
    timed["a page in the middle"] = lambda: len(search.page(MessageFilter(), before=MESSAGES // 2).messages)
    timed["open errors by kind"] = lambda: sum(group.count for group in search.error_groups())
    bulk = MessageFilter(state="quarantined", error="PersonNeeded")
    timed["bulk replay, dry run"] = lambda: sum(
        len(desk.sift(numbers, bulk.state).replayed) for numbers in search.numbers(bulk, 500)
    )
    return timed


def test_milliseconds_a_search(database_url: str, capsys: Any) -> None:
    """Each search is answered; how long it took is printed."""
    database = Database(database_url)
    database.migrate()
    start = time.perf_counter()
    fill(database)
    filled = time.perf_counter() - start
    lines = [(name, *milliseconds(act)) for name, act in acts(database).items()]
    database.close()
    with capsys.disabled():
        kind = "SQLite" if database.sqlite else "PostgreSQL"
        print(f"\n{kind}, {MESSAGES:,} messages, filled in {filled:.0f} s")  # noqa: T201
        print(f"{'':<36}{'found':>8}{'first':>9}{'median':>9}   (milliseconds)")  # noqa: T201
        for name, found, first, median in lines:
            print(f"{name:<36}{found:>8}{first:>9.1f}{median:>9.1f}")  # noqa: T201
