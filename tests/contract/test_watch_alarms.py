"""The watch on a real store: it leads alone, tells what it saw, and outlives trouble."""

import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from messages import patient_told
from prometheus_client.parser import text_string_to_metric_families
from stores import SITE

from adapters.ops.readings import AlarmLimits, Readings
from adapters.ops.watch import Watch
from adapters.store import schema
from adapters.store.audit import AuditQuery
from adapters.store.database import Database
from gateway.alarm import AlarmName
from gateway.errors import AckCode
from gateway.pressure import IntakeLimits, Pressure
from gateway.reception import Recorded, State, Transport

SILENCE_SECONDS = 0.5
NO_LIMITS = AlarmLimits(0, 0, 0, 0, 0, 0, 0, 0, 0)
NO_INTAKE_LIMITS = IntakeLimits(backlog=0, free_bytes=0)


@pytest.fixture
def watching():
    """Makes watches on a store; each gives its lock up at the end."""
    made = []

    def watch(store, *, intake=NO_INTAKE_LIMITS, silence_seconds=None):
        first, *others = SITE.sources
        silence = None if silence_seconds is None else silence_seconds / 60
        site = replace(SITE, sources=(replace(first, silence_minutes=silence), *others))
        made.append(Watch(store.database, site, Readings(site, NO_LIMITS), intake, 0.0, notify=False))
        made[-1].probes.connections = lambda: 7
        made[-1].probes.broker = lambda: True
        made[-1].probes.takes_in = True
        return made[-1]

    yield watch
    for each in made:
        each._lock.release()


def look(watch):
    """Look now, however lately it was done."""
    watch._due = watch._beat_due = 0.0
    watch.look()


def metrics(watch):
    families = text_string_to_metric_families(watch.exposition().decode())
    return {(s.name, *s.labels.values()): s.value for f in families for s in f.samples}


@contextmanager
def broken(store, tmp_path):
    """The store cannot be reached for the time of the block."""
    engine = store.database.engine
    store.database.engine = Database(f"sqlite:///{tmp_path}/nowhere/x.db").engine
    try:
        yield
    finally:
        store.database.engine = engine


def test_a_look_is_what_checks_and_scrapes_are_told(store, watching):
    """Ready, and gauges as the store has them; before the first look nothing is promised."""
    watch = watching(store)
    assert watch.ready() == {"store": False, "schema": False, "intake": True}
    store.take(*(patient_told(f"C{n}", "8001") for n in range(3)))
    look(watch)
    assert watch.ready() == {"store": True, "schema": True, "intake": True}
    found = metrics(watch)
    assert found[("gateway_backlog",)] == 3
    assert found[("gateway_oldest_pending_seconds",)] > 0
    assert (found[("gateway_store_up",)], found[("gateway_broker_up",)], found[("gateway_connections",)]) == (1, 1, 7)


def test_a_store_that_does_not_answer_is_told_and_outlived(store, watching, tmp_path):
    """Not ready, no gauges of the store; what was counted meanwhile is written when it answers again."""
    watch = watching(store)
    look(watch)
    watch.meter.answered("admissions", Transport.MLLP, Recorded(1, State.PENDING, AckCode.AA, b""))
    with broken(store, tmp_path):
        look(watch)
        assert not watch.ready()["store"]
        assert metrics(watch)[("gateway_store_up",)] == 0
        assert ("gateway_backlog",) not in metrics(watch)
    look(watch)
    assert watch.ready()["store"]
    assert store.watch.traffic(datetime.now(UTC), 6) == {"admissions": 1}


def test_another_programs_schema_is_not_ready(store, watching):
    """A database that was migrated under a running service is left alone, and said."""
    watch = watching(store)
    with store.database.write() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = 'from-the-future'")
    look(watch)
    assert watch.ready() == {"store": False, "schema": False, "intake": True}


def test_a_silent_source_is_alarmed_once_and_resolved_when_it_sends(store, watching):
    """Raised once however often it is looked, also by a new process; resolved once by what the source sends."""
    watch = watching(store, silence_seconds=SILENCE_SECONDS)
    look(watch)
    assert store.count(schema.alarm) == 0
    time.sleep(SILENCE_SECONDS)
    for _ in range(3):
        look(watch)
    again = watching(store, silence_seconds=SILENCE_SECONDS)
    watch._lock.release()
    look(again)
    assert metrics(again)[("gateway_alarm", "source_silent", "admissions")] == 1
    again.meter.seen("admissions", datetime.now(UTC))
    for _ in range(2):
        look(again)
    events = store.trail.search(AuditQuery(action="gateway:alarm"))
    assert [e.action for e in events] == ["gateway:alarm:raised", "gateway:alarm:resolved"]


@pytest.mark.parametrize("store", ["postgresql"], indirect=True)  # SQLite is served by one process
def test_one_process_leads(store, twin, watching):
    """The second raises nothing while the first lives, and leads once it is gone."""
    first, second = watching(store), watching(twin)
    look(first)
    look(second)
    assert (first.leads(), second.leads()) == (True, False)
    assert len(store.watch.vitals(datetime.now(UTC)).serving) == 2
    stop = threading.Event()
    stop.set()
    first.run(stop)
    look(second)
    assert second.leads()
    assert len(store.watch.vitals(datetime.now(UTC)).serving) == 1


def test_a_backlog_at_its_limit_closes_intake_and_raises_the_alarm(store, watching):
    """Closed at the limit, told, and open again when enough is done."""
    watch = watching(store, intake=IntakeLimits(backlog=10, free_bytes=0))
    store.take(*(patient_told(f"C{n}", f"8{n:03}") for n in range(10)))
    look(watch)
    assert watch.pressure() is Pressure.BACKLOG
    look(watch)
    assert [alarm.key.name for alarm in store.watch.vitals(datetime.now(UTC)).alarms] == [AlarmName.INTAKE_REFUSING]
    assert not watch.ready()["intake"]
    store.process()
    look(watch)
    look(watch)
    assert watch.pressure() is None
    assert list(store.watch.vitals(datetime.now(UTC)).alarms) == []


@pytest.mark.parametrize("store", ["sqlite"], indirect=True)  # the disk of a PostgreSQL server is not seen
def test_a_short_disk_closes_intake_also_while_the_store_is_away(store, watching, tmp_path):
    """The disk is looked at by itself."""
    watch = watching(store, intake=IntakeLimits(backlog=0, free_bytes=2**60))
    with broken(store, tmp_path):
        look(watch)
    assert watch.pressure() is Pressure.DISK
    assert metrics(watch)[("gateway_intake_open",)] == 0
    assert metrics(watch)[("gateway_disk_free_bytes",)] > 0
