"""The purge takes what is due, in bounded batches, and leaves what is needed, the record and the proof."""

import re
import threading
from datetime import timedelta

import pytest
from messages import appointment, fhir_appointment, patient_told, result
from sqlalchemy import select, update
from stores import NOW, asked, at_once, conserved, reception

from adapters.retention import run_retention
from adapters.store import retention, schema
from adapters.store.audit import AuditQuery
from adapters.store.inbox import DUPLICATE_WINDOW
from adapters.store.retention import Retention
from gateway.audit import AuditAction, AuditEvent
from gateway.errors import NotHl7, ResourceNotFound, ResourcePurged, StoreInUse
from gateway.reception import Format, Outcome, State, Transport
from gateway.retention import Matter, Terms

DAY = timedelta(days=1)
TERMS = Terms(30 * DAY, 180 * DAY, 30 * DAY, DUPLICATE_WINDOW)
LATER = NOW + 31 * DAY
"""When what was received at NOW is due."""

YEARS_LATER = NOW + 999 * DAY


def purge(store, now=LATER, *, terms=TERMS, dry_run=False):
    """Purge, and count by matter."""
    counts = dict.fromkeys(Matter, 0)
    for done in Retention(store.database, terms).run("tester", now, dry_run=dry_run):
        counts[done.matter] += done.count
    return counts


def bodies(store):
    """The numbers of the messages whose bodies are there."""
    return [
        n for (n,) in store.rows(select(schema.message_body.c.message_id).order_by(schema.message_body.c.message_id))
    ]


def replayed(number):
    return AuditEvent(NOW, AuditAction.MESSAGE_REPLAYED, "tester", message=number, detail={"reason": "a test"})


def told(first, last):
    """Messages of a patient each."""
    return [patient_told(f"C{n}", f"8{n:03}") for n in range(first, last)]


def test_what_is_due_goes_and_what_is_younger_stays(store):
    """Bodies received before the cut-off are purged; the others are there, byte for byte."""
    old = store.process(*told(0, 5))
    young = [r.message for r in store.inbox.record([reception(raw, received_at=LATER) for raw in told(5, 8)])]
    store.process()
    assert purge(store)[Matter.BODY] == len(old)
    assert bodies(store) == young
    assert store.inbox.raw(young[0]) == told(5, 6)[0]
    assert purge(store)[Matter.BODY] == 0


def test_the_record_of_transit_stays(store):
    """When, from whom, what was answered, how it ended and the audit trail are as before; the absence is told."""
    (number,) = store.process(patient_told("C1", "8001"))
    before, summary = store.inbox.show(number), store.inbox.summary()
    story = store.trail.search(AuditQuery(message=number))
    purge(store)
    after = store.inbox.show(number)
    assert (before.purged, after.purged) == (False, True)
    assert (after.received_at, after.control_id, after.size, after.outcome) == (
        before.received_at,
        before.control_id,
        before.size,
        Outcome(number, State.PROCESSED),
    )
    assert store.listed() == [after]
    assert store.inbox.summary() == summary
    assert store.trail.search(AuditQuery(message=number)) == story
    with pytest.raises(ResourcePurged):
        store.inbox.raw(number)


def test_a_purged_message_cannot_be_replayed(store):
    """Without its body there is nothing to process: refused, and nothing is changed or audited."""
    (number,) = store.process(patient_told("C1", "8001"))
    purge(store)
    with pytest.raises(ResourcePurged):
        store.inbox.replay(number, replayed(number))
    with pytest.raises(ResourceNotFound):
        store.inbox.replay(4711, replayed(4711))
    assert store.inbox.outcome(number).state is State.PROCESSED
    assert store.trail.search(AuditQuery(action=AuditAction.MESSAGE_REPLAYED)) == []
    assert store.count(schema.pending) == 0


@pytest.mark.parametrize("when", [LATER, YEARS_LATER], ids=["after the term", "after any limit"])
def test_what_is_pending_is_never_purged(store, when):
    """A message that the pipeline has still to take keeps its body, a replayed one as well."""
    (ended,) = store.process(patient_told("C1", "8001"))
    (waiting,) = store.take(patient_told("C2", "8002"))
    store.inbox.replay(ended, replayed(ended))
    assert purge(store, when)[Matter.BODY] == 0
    assert bodies(store) == [ended, waiting]


def test_quarantine_has_a_limit_of_its_own(store):
    """What a person has to look at keeps its body until the hard limit."""
    refused = reception(b"no hl7", error=NotHl7("an MSH segment is expected", path="MSH"))
    (kept,) = [r.message for r in store.inbox.record([refused])]
    assert purge(store)[Matter.BODY] == 0
    assert purge(store, NOW + 180 * DAY)[Matter.BODY] == 0
    assert bodies(store) == [kept]
    assert purge(store, NOW + 181 * DAY)[Matter.BODY] == 1


def test_a_message_whose_facts_wait_keeps_its_body(store):
    """A reschedule without its booking is kept until the booking has come; then it goes like any other."""
    (waiting,) = store.process(appointment("S13", "C1", "8001", "R1", when=5))
    assert purge(store)[Matter.BODY] == 0
    store.process(appointment("S12", "C2", "8001", "R1"))
    assert purge(store)[Matter.BODY] == 2
    assert waiting not in bodies(store)


def test_zero_keeps_for_ever(store):
    """Without a term bodies and bus messages are kept; first answers go with their window all the same."""
    store.process(*told(0, 3), result("R", "8000", "O1"))
    store.outbox.confirm(store.outbox.unconfirmed(100))
    counts = purge(store, YEARS_LATER, terms=Terms(None, None, None, DUPLICATE_WINDOW))
    assert counts == {Matter.BODY: 0, Matter.BUS_MESSAGE: 0, Matter.FIRST_ANSWER: 4}


# -- bus messages ------------------------------------------------------------------------------------------------------


@pytest.fixture
def published(store):
    """A store with some bus messages of one secretariat, made a month before LATER."""
    store.process(patient_told("P", "8001"), *(result(f"C{n}", "8001", f"O{n}", when=n) for n in range(6)))
    with store.database.write() as connection:
        connection.execute(update(schema.outbox).values(created_at=NOW))
    return store


def sequences(store):
    return [s for (s,) in store.rows(select(schema.outbox.c.sequence).order_by(schema.outbox.c.sequence))]


def test_unconfirmed_bus_messages_are_never_purged(published):
    """What the broker has not taken stays, however old; what it has taken goes, and its history and proof stay."""
    entries = published.outbox.unconfirmed(100)
    published.outbox.confirm(entries[:4])
    history = published.count(schema.work_item_history)
    assert purge(published, YEARS_LATER)[Matter.BUS_MESSAGE] == 4
    assert [e.sequence for e in published.outbox.unconfirmed(100)] == [e.sequence for e in entries[4:]]
    assert published.count(schema.work_item_history) == history
    assert len(published.trail.search(AuditQuery(action=AuditAction.ITEM_PUBLISHED))) == 4


def moved(store, name, sequence, at):
    """A subscription that has read up to a sequence, and moved last at an instant."""
    store.outbox.acknowledge(name, "accueil", sequence)
    with store.database.write() as connection:
        cursor = schema.subscription
        connection.execute(update(cursor).where(cursor.c.name == name).values(moved_at=at))


def test_what_a_subscription_has_not_read_is_not_purged(published):
    """The slowest subscription that still moves holds back what it has not read."""
    published.outbox.confirm(published.outbox.unconfirmed(100))
    every = sequences(published)
    moved(published, "fast", every[-1], LATER - DAY)
    moved(published, "slow", every[1], LATER - DAY)
    assert purge(published)[Matter.BUS_MESSAGE] == 2
    assert [e.sequence for e in published.outbox.published("accueil", every[1], 100)] == every[2:]


def test_a_subscription_that_has_stopped_holds_nothing_back(published):
    """One that has not moved for the retention time is nobody's any more."""
    published.outbox.confirm(published.outbox.unconfirmed(100))
    moved(published, "gone", sequences(published)[1], NOW)
    assert purge(published)[Matter.BUS_MESSAGE] == 6


def test_numbers_are_not_given_twice(published):
    """A subscription's place stays good when all that it has read is gone."""
    published.outbox.confirm(published.outbox.unconfirmed(100))
    last = sequences(published)[-1]
    purge(published)
    published.process(result("NEW", "8001", "O-new", when=90))
    (entry,) = published.outbox.published("accueil", last, 100)
    assert entry.sequence > last


# -- first answers -----------------------------------------------------------------------------------------------------


def test_first_answers_go_with_their_window(store):
    """A key older than the window is gone, a younger one still answers."""
    store.take(*told(0, 3))
    young = reception(told(3, 4)[0], received_at=NOW + DUPLICATE_WINDOW)
    store.inbox.record([young])
    assert purge(store, NOW + DUPLICATE_WINDOW + DAY / 24)[Matter.FIRST_ANSWER] == 3
    assert store.count(schema.received_key) == 1
    assert store.inbox.record([young])[0].state is State.DUPLICATE


# -- how ---------------------------------------------------------------------------------------------------------------


def test_a_dry_run_counts_and_changes_nothing(store, monkeypatch):
    """The same counts as the purge that follows, in as many batches as it takes, and no trace."""
    monkeypatch.setattr(retention, "BATCH_ROWS", 3)
    store.process(*told(0, 8), *(result(f"R{n}", "8001", f"O{n}") for n in range(5)))
    store.outbox.confirm(store.outbox.unconfirmed(100))
    before = [store.count(t) for t in schema.metadata.sorted_tables]
    with asked(store) as statements:
        counts = purge(store, YEARS_LATER, dry_run=True)
    assert not [statement for statement, _ in statements if "FOR UPDATE" in statement]
    assert [store.count(t) for t in schema.metadata.sorted_tables] == before
    assert counts[Matter.BODY] == counts[Matter.FIRST_ANSWER] == 13
    assert purge(store, YEARS_LATER) == counts
    assert set(purge(store, YEARS_LATER).values()) == {0}


def test_each_batch_is_bounded_and_audited(store, monkeypatch):
    """No batch is larger than its bound; each leaves one event with count, numbers and cut-off; the chain holds."""
    monkeypatch.setattr(retention, "BATCH_ROWS", 4)
    numbers = store.process(*told(0, 10))
    batches = [d for d in Retention(store.database, TERMS).run("tester", LATER) if d.matter is Matter.BODY]
    assert [d.count for d in batches] == [4, 4, 2]
    events = store.trail.search(AuditQuery(action=AuditAction.STORE_PURGED))
    about = [e.detail for e in events if e.detail["matter"] == "message-body"]
    assert [(d["first"], d["last"], d["count"]) for d in about] == [
        (numbers[0], numbers[3], 4),
        (numbers[4], numbers[7], 4),
        (numbers[8], numbers[9], 2),
    ]
    assert {d["before"] for d in about} == {(LATER - 30 * DAY).isoformat()}
    assert {e.principal for e in events} == {"tester"}
    assert store.trail.verify().ok


def test_a_batch_is_bounded_in_bytes_but_never_empty(store, monkeypatch):
    """Large bodies make small batches, and one beyond the bound is purged all the same."""
    monkeypatch.setattr(retention, "BATCH_BYTES", 1_000)
    sizes = (300, 400, 500, 5_000, 10)
    raws = [patient_told(f"C{n}", "8001") + b"NTE|" + b"x" * size + b"\r" for n, size in enumerate(sizes)]
    store.process(*raws)
    counts = [d.count for d in Retention(store.database, TERMS).run("tester", LATER) if d.matter is Matter.BODY]
    assert sum(counts) == len(sizes)
    assert len(counts) >= 4
    assert bodies(store) == []


def test_a_purge_that_stops_halfway_goes_on_later(store, monkeypatch):
    """What is committed stays purged, what is not comes with the next purge, and each batch was audited once."""
    monkeypatch.setattr(retention, "BATCH_ROWS", 4)
    numbers = store.process(*told(0, 10))
    half = Retention(store.database, TERMS).run("tester", LATER)
    next(half)
    half.close()
    assert bodies(store) == numbers[4:]
    assert purge(store)[Matter.BODY] == 6
    events = store.trail.search(AuditQuery(action=AuditAction.STORE_PURGED))
    assert sum(e.detail["count"] for e in events if e.detail["matter"] == "message-body") == 10


@pytest.mark.parametrize("jump", [timedelta(days=400), timedelta(days=-400)], ids=["forward", "back"])
def test_a_clock_that_jumped_purges_nothing_young(store, jump):
    """Whatever time some messages bear, nothing younger than the term goes, and what is older goes in the end."""
    times = [NOW] * 5 + [NOW + jump] * 3 + [NOW] * 5 + [LATER] * 5
    raws = told(0, len(times))
    store.inbox.record([reception(raw, received_at=at) for raw, at in zip(raws, times, strict=True)])
    store.process()
    purge(store)
    kept = [m for m in store.listed() if not m.purged]
    assert {m.received_at for m in kept} >= {LATER}
    assert [m for m in store.listed() if m.purged and m.received_at >= NOW + DAY] == []
    for later in (60, 90, 500):
        purge(store, NOW + later * DAY)
    assert bodies(store) == []


def test_a_purge_beside_replays_and_the_pipeline_harms_neither(store, twin):
    """A replay meets the body or is refused; no pending message is ever without its body."""
    numbers = store.process(*told(0, 60))

    def replay_all():
        refused = 0
        for number in reversed(numbers):
            try:
                twin.inbox.replay(number, replayed(number))
            except ResourcePurged:
                refused += 1
        return refused

    retention_of_few = Retention(store.database, TERMS)
    _, refused = at_once(lambda: list(retention_of_few.run("tester", LATER)), replay_all)
    pending = [n for (n,) in store.rows(select(schema.pending.c.message_id))]
    assert set(pending) <= set(bodies(store))
    assert len(pending) + refused == len(numbers)
    store.process()
    assert conserved(store.inbox.summary())
    assert store.inbox.summary()["pending"] == 0


@pytest.mark.parametrize("store", ["postgresql"], indirect=True)  # a SQLite file has one serving process
def test_one_process_purges_at_a_time(store, twin, monkeypatch):
    """A second purge is refused while the first is at it, and granted once it has ended."""
    monkeypatch.setattr(retention, "BATCH_ROWS", 2)
    store.process(*told(0, 6))
    first = Retention(store.database, TERMS).run("tester", LATER)
    next(first)
    with pytest.raises(StoreInUse):
        purge(twin)
    assert purge(twin, dry_run=True)[Matter.BODY] == 4
    first.close()
    assert purge(twin)[Matter.BODY] == 4


def test_an_appointment_is_answered_after_its_body_is_gone(store):
    """What is known of the appointment is what the last message said; only the sender's own resource is gone."""
    booking = reception(
        fhir_appointment("R1", "8001"),
        format=Format.FHIR,
        source="department",
        control_id="r-1",
        transport=Transport.HTTP,
        message_type="Appointment:create",
    )
    (recorded,) = store.inbox.record([booking])
    store.process()
    before = store.worklist.appointment_of(recorded.message)
    assert before is not None
    assert before.resource == booking.raw
    assert purge(store)[Matter.BODY] == 1
    after = store.worklist.appointment(before.id)
    assert after is not None
    assert (after.fact, after.version, after.resource) == (before.fact, before.version, b"")


def test_the_service_purges_by_itself(store):
    """Soon after its start, until it is told to stop."""
    numbers = store.process(*told(0, 3))
    stop = threading.Event()
    running = threading.Thread(target=run_retention, args=(Retention(store.database, TERMS), stop, 0.01))
    running.start()
    try:
        while bodies(store) and not stop.wait(0.05):
            assert running.is_alive()
    finally:
        stop.set()
        running.join(30)
    assert not running.is_alive()
    (event,) = (
        e
        for e in store.trail.search(AuditQuery(action=AuditAction.STORE_PURGED))
        if e.detail["matter"] == "message-body"
    )
    assert (event.principal, event.detail["first"], event.detail["count"]) == ("gateway", numbers[0], 3)


@pytest.mark.parametrize("store", ["postgresql"], indirect=True)  # SQLite has no such settings
def test_queues_and_purged_tables_are_vacuumed_early(store):
    """Small hot tables are vacuumed by their number of dead rows, not by a share of their few live ones."""
    with store.database.read() as connection:
        found = connection.exec_driver_sql("SELECT relname, reloptions FROM pg_class")
        options = {row.relname: row.reloptions for row in found}
    for queue in ("pending", "outbox_pending", "audit_unsealed"):
        assert "autovacuum_vacuum_scale_factor=0.01" in options[queue]
    assert "autovacuum_vacuum_scale_factor=0.02" in options["message_body"]
    assert "fillfactor=85" in options["work_item"]


FILL = """
INSERT INTO message (received_at, transport, format, source, principal, control_id, message_type, code, size,
    partitions)
SELECT '{at}', 'mllp', 'hl7v2', 'admissions', 'admissions', 'F' || n, 'ADT^A28', 'AA', 1, 0
FROM (
    WITH RECURSIVE number(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < {count}) SELECT n FROM number
) numbers;
INSERT INTO message_body (message_id, raw) SELECT id, '' FROM message WHERE control_id LIKE 'F%'
ON CONFLICT DO NOTHING;
INSERT INTO outcome (message_id, state, error, path, rule, notes, ended_at)
SELECT id, 'processed', '', '', '', '{{}}', '{at}' FROM message WHERE control_id LIKE 'F%' ON CONFLICT DO NOTHING
"""


def fill(store, count, at):
    """Let as many messages have been processed at an instant."""
    with store.database.write() as connection:
        for statement in FILL.format(count=count, at=at.strftime("%Y-%m-%d %H:%M:%S")).split(";"):
            connection.exec_driver_sql(statement.replace("%", "%%") if not store.database.sqlite else statement)
    with store.database.write() as connection:
        connection.exec_driver_sql("ANALYZE")


def reads_all(store, statement, parameters):
    """Whether the plan of a statement reads one of the tables that grow from end to end."""
    explain = "EXPLAIN QUERY PLAN" if store.database.sqlite else "EXPLAIN"
    with store.database.read() as connection:
        plan = [row[-1] for row in connection.exec_driver_sql(f"{explain} {statement}", parameters)]
    return any(re.search(r"Seq Scan on (message|outcome)|SCAN (message|outcome)\w*$", step) for step in plan)


def test_what_is_kept_costs_a_purge_nothing(store):
    """Ten times as many bodies that are not due cost a few more steps of halving, and no plan reads them all."""
    counts = []
    for kept in (2_000, 18_000):
        fill(store, kept, LATER)
        store.process(*told(0, 3))
        with asked(store) as statements:
            purge(store)
        counts.append(len(statements))
        assert [s for s, p in statements if s.startswith(("SELECT", "DELETE")) and reads_all(store, s, p)] == []
    assert counts[1] - counts[0] <= 5
