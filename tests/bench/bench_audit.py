"""What the audit trail costs, and how fast it is proven: sealing, verifying, exporting, storage, its share of the work.

Run it by name: ``pytest -s tests/bench/bench_audit.py --override-ini python_files='bench_*.py'``. Figures are printed,
never asserted by time; beside the events a second stands what SHA-256 alone takes for them, in the same run.
"""

import logging
import sys
import time
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from hashlib import sha256
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "contract"))

import pytest
import structlog
from messages import patient_told, result
from sqlalchemy import text
from stores import Store

from adapters.audit_key import verify as check
from adapters.notary import Keys, Notary
from adapters.store import bulk, schema
from adapters.store.checkpoints import CheckpointStore
from gateway.audit import AuditAction, AuditEvent, canonical
from gateway.audit_export import entries_of, head_of, line_of, verify_export

EVENTS = 100_000
BATCH = 2_000
MESSAGES = 2_000
ROUND = 200
START = datetime(2026, 3, 2, tzinfo=UTC)
TABLES = ("audit_event", "audit_patient", "audit_seal", "audit_checkpoint")
RUNS = 3


@pytest.fixture(autouse=True)
def _quiet():
    """A line of log a message would be measured too."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))


def event(number: int) -> AuditEvent:
    """One such as the pipeline leaves most: one patient, one object, a few codes."""
    patient = f"{number % 50_000:08x}-0000-4000-8000-000000000000"
    detail = {"kind": "result", "rule": "unit-of-cardiology", "version": number % 5}
    entities = (f"item/{number:08x}-0000-4000-8000-000000000001",)
    at = START + timedelta(milliseconds=number)
    return AuditEvent(at, AuditAction.ITEM_CREATED, "gateway", (patient,), number, entities, f"M{number}", detail)


def best(act, runs=RUNS):
    """Give the shortest of some runs, in seconds."""
    took = []
    for _ in range(runs):
        began = time.perf_counter()
        act()
        took.append(time.perf_counter() - began)
    return min(took)


def hashing(forms):
    """What the chain and its tree are at least: each event's form, its seal, a leaf and a node."""
    for form in forms:
        own = sha256(form).hexdigest()
        sha256((own + own).encode()).hexdigest()
        sha256(own.encode()).digest()
        sha256(own.encode()).digest()


def size(store: Store) -> float:
    """Give the octets that the trail takes, with its indexes."""
    if store.database.sqlite:
        named = ", ".join(f"'{table}'" for table in TABLES)
        tables = f"SELECT name FROM sqlite_master WHERE tbl_name IN ({named})"
        statement = f"SELECT sum(pgsize) FROM dbstat WHERE name IN ({tables})"
    else:
        statement = "SELECT " + " + ".join(f"pg_total_relation_size('{table}')" for table in TABLES)
    with store.database.read() as connection:
        return float(connection.execute(text(statement)).scalar_one())


def test_the_audit_trail(database_url, tmp_path, capsys):
    """Sealed, verified online and offline, and measured."""
    store = Store(database_url)
    store.database.migrate()
    keys = Keys(CheckpointStore(store.database), tmp_path / "key.pem")
    keys.prepare(store.installation, "account:bench")
    notary = Notary(CheckpointStore(store.database), keys, 10_000, 60)
    for first in range(0, EVENTS, BATCH):
        store.trail.record(*map(event, range(first, first + BATCH)))
    began = time.perf_counter()
    store.trail.seal()
    sealing = time.perf_counter() - began
    began = time.perf_counter()
    made = notary.make(datetime.now(UTC), at_once=True)
    signing = time.perf_counter() - began
    took = size(store)
    found = store.trail.verify()
    assert (found.first_bad, found.checkpoints) == (None, len(made))
    online = best(store.trail.verify)
    export = tmp_path / "audit.ndjson"
    began = time.perf_counter()
    with store.trail.exporting() as (header, told, chain), export.open("wb") as opened:
        opened.writelines(line + b"\n" for line in (header.line, *(each.line for each in told)))
        opened.writelines(line_of(entry) + b"\n" for entry in chain)
    exporting = time.perf_counter() - began

    def offline():
        with export.open("rb") as head:
            given = head_of(head)

        def read():
            with export.open("rb") as opened:
                yield from entries_of(opened)

        found = verify_export(read, given, check, {told[0].public})
        assert (found.first_bad, found.checkpoints) == (None, len(made))

    apart = best(offline)
    forms = [canonical(replace(event(number), id=number + 1)) for number in range(EVENTS)]
    bare = best(partial(hashing, forms))
    with capsys.disabled():
        print(f"\n{'SQLite' if store.database.sqlite else 'PostgreSQL'}, {EVENTS:,} events")  # noqa: T201
        for name, seconds in (
            ("sealed", sealing),
            ("under checkpoints", signing),
            ("verified online", online),
            ("exported", exporting),
            ("verified from the export", apart),
            ("hashed only", bare),
        ):
            print(f"{name:<28}{EVENTS / seconds:>12,.0f}/s{seconds / bare:>8.1f} times hashing only")  # noqa: T201
        print(f"{'octets an event':<28}{took / EVENTS:>12,.0f}")  # noqa: T201
    store.database.close()


@contextmanager
def silent(monkeypatch):
    """Nothing is written to the trail, and no event is put into canonical form."""
    insert = bulk.Together.insert
    unwanted = {schema.audit_event, schema.audit_unsealed, schema.audit_patient}
    with monkeypatch.context() as patched:
        patched.setattr(
            bulk.Together, "insert", lambda self, table, rows: table in unwanted or insert(self, table, rows)
        )
        patched.setattr("adapters.store.audit._row", lambda _: {})
        patched.setattr("adapters.store.audit._unsealed_row", lambda _: {})
        yield


def test_its_share_of_the_pipeline(database_url, monkeypatch, capsys):
    """The worker decides the same messages with and without the trail, in turns; sealing is counted besides."""
    store = Store(database_url)
    store.database.migrate()
    took = {"with": 0.0, "without": 0.0, "sealing": 0.0}
    for first in range(0, MESSAGES, ROUND):
        kind = "with" if first // ROUND % 2 else "without"
        raws = [
            raw
            for n in range(first, first + ROUND // 2)
            for raw in (patient_told(f"P{n}", f"8{n:05}"), result(f"R{n}", f"8{n:05}", f"O{n}"))
        ]
        store.take(*raws)
        store.trail.seal()
        worker = store.worker()
        began = time.perf_counter()
        if kind == "with":
            while worker.run_once():
                pass
        else:
            with silent(monkeypatch):
                while worker.run_once():
                    pass
        took[kind] += time.perf_counter() - began
        began = time.perf_counter()
        store.trail.seal()
        took["sealing"] += time.perf_counter() - began if kind == "with" else 0
    share = 1 - took["without"] / took["with"]
    with_sealing = 1 - took["without"] / (took["with"] + took["sealing"])
    with capsys.disabled():
        kind = "SQLite" if store.database.sqlite else "PostgreSQL"
        print(f"\n{kind}: the trail takes {share:.0%} of the worker's time, {with_sealing:.0%} with its sealing")  # noqa: T201
    store.database.close()
