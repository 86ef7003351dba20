"""The pipeline's side of the store: what is claimed, loaded and flushed is exact, alone or in company."""

import itertools
import json
import random
import sqlite3
import string
import threading
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from messages import AUTHORITY, appointment, fhir_appointment, merge, message, patient_told, pid, result
from sqlalchemy import delete, event, func, select, update
from stores import NOW, SITE, at_once, conserved, reception

from adapters.store import schema
from adapters.store.audit import AuditQuery
from adapters.store.work import BATCH_BYTES, PATIENCE, SHARE, Work
from adapters.worker import Worker
from gateway.audit import AuditAction, AuditEvent
from gateway.directory import Entry
from gateway.errors import AckCode, SenderError, StorageUnavailable
from gateway.facts import (
    Abnormality,
    AppointmentAct,
    AppointmentReported,
    AppointmentStatus,
    Carrier,
    DirectoryTold,
    DocumentAct,
    DocumentReported,
    EntryKind,
    Identifier,
    IdentifierKind,
    IdentityStatus,
    Observation,
    OrderAct,
    OrderReported,
    Patient,
    PatientMerged,
    PatientReported,
    Priority,
    Resource,
    ResourceKind,
    ResultReported,
    ResultStatus,
    Traits,
    Translation,
    VisitReported,
    VisitState,
)
from gateway.focus import FocusKind
from gateway.partition import numbers_of, partitions_of
from gateway.pipeline import Job, Needs, needs
from gateway.reception import Format, Transport
from gateway.reception import State as MessageState
from gateway.state import State
from gateway.worklist import ItemState

AT = datetime(2026, 3, 2, 9, 30, 15, 123456, tzinfo=UTC)
INS = Identifier("1.2.250.1.213.1.4.10", "258032100123456", IdentifierKind.INS)
PATIENT = Patient(
    identifiers=(Identifier(AUTHORITY, "8001"), INS, Identifier(AUTHORITY, "N1", IdentifierKind.OTHER)),
    traits=Traits("D’ÉCHANTILLON", "FABULAIRE", "ODILE", "ODILE MARIE", "Odile", "1958-03", "F", "01004", "1"),
    status=IdentityStatus.QUALIFIEE,
    attributes=frozenset({"HOMA", "CACH"}),
    deceased=True,
)
OTHER = Patient((Identifier(AUTHORITY, "8002"),), Traits("TEST", first_given_name="Zoé", birth_date="1990", sex="M"))
APPOINTMENT = AppointmentReported(
    PATIENT,
    (Identifier("AGENDA", "R1", IdentifierKind.OTHER), Identifier("AGENDA", "R1-bis", IdentifierKind.OTHER)),
    AppointmentAct.BOOK,
    AppointmentStatus.BOOKED,
    AT,
    AT + timedelta(minutes=30),
    "3010",
    "Salle « 2 »",
    "Dr Essai",
    "CONS",
    "Consultation",
    Priority.URGENT,
    "À jeun\nSans bijou",
)
FACTS = {
    "patient": PatientReported(PATIENT, correction=True),
    "merge": PatientMerged(PATIENT, Identifier(AUTHORITY, "8003")),
    "visit": VisitReported(
        PATIENT, Identifier("NDA", "V1", IdentifierKind.OTHER), VisitState.ADMITTED, "I", "3010", "3010 101", AT, "M1"
    ),
    "historic visit": VisitReported(
        PATIENT, Identifier("NDA", "V2", IdentifierKind.OTHER), VisitState.DISCHARGED, historic=True
    ),
    "appointment": APPOINTMENT,
    "appointment that waits": replace(APPOINTMENT, act=AppointmentAct.CHANGE),
    "result": ResultReported(
        PATIENT,
        Identifier("SIL", "F1/K", IdentifierKind.OTHER),
        "K",
        "Potassium",
        ResultStatus.CORRECTED,
        (
            Observation("K", "Potassium", "1", "7,2", "mmol/L", "3.5-5", Abnormality.CRITICAL, ResultStatus.FINAL),
            Observation("C", "Commentaire", "", 'dit "oui"\\ \U0001f600', status=ResultStatus.WITHDRAWN),
        ),
        "3010",
        "3010 101",
        Priority.STAT,
        Abnormality.CRITICAL,
    ),
    "document": DocumentReported(
        PATIENT,
        Identifier("RIS", "D1", IdentifierKind.OTHER),
        DocumentAct.CREATE,
        None,
        "18748-4",
        "Compte rendu",
        "3010",
        "Dr Essai",
        "AU",
        "application/pdf",
        12,
        "0" * 64,
    ),
    "document that was sent": DocumentReported(
        PATIENT,
        Identifier("RIS", "D4", IdentifierKind.OTHER),
        DocumentAct.CREATE,
        restrictions=frozenset({"MASQUE_PS"}),
        copies=("3020",),
        carried_by=Identifier("imaging/message", "M1", IdentifierKind.OTHER),
        undelivered=frozenset({Carrier.MAIL}),
    ),
    "appointment of resources": replace(APPOINTMENT, resources=(Resource(ResourceKind.PLACE, "3010", "Salle 2"),)),
    "order": OrderReported(
        PATIENT, (Identifier("SIL", "P1", IdentifierKind.OTHER),), OrderAct.REQUEST, ("K",), "Potassium", "3010", "Dr X"
    ),
    "document that waits": DocumentReported(
        PATIENT,
        Identifier("RIS", "D3", IdentifierKind.OTHER),
        DocumentAct.REPLACE,
        Identifier("RIS", "D2", IdentifierKind.OTHER),
    ),
}


def rows(state: State) -> dict[str, dict]:
    """All that a state holds of what the store keeps."""
    tables = ("identities", "persons", "foci", "focus_keys", "waits", "items", "identity_keys", "ins", "members")
    return {name: dict(getattr(state, name).rows()) for name in tables}


def decide(store, jobs):
    """Let jobs take effect as one batch; give the state that was flushed."""
    with store.work.alone([job.message for job in jobs]) as connection:
        state = store.work.load(connection, needs(jobs))
        store.work.flush(connection, state, store.decider().decide(jobs, state, AT), AT)
    return state


def job(number, fact, source="admissions", told_at=AT):
    """Give the job of a message that says this one fact."""
    return Job(number, SITE.source(source), f"C{number}", Translation((fact,), told_at))


def claimed_by(store):
    """Give the numbers of the messages that a worker would process next."""
    with store.work.claim() as claim:
        return [m.number for m in claim.messages]


def test_the_oldest_come_first_within_a_number(store):
    """A batch is the oldest pending messages, in order of reception, complete with what the pipeline needs."""
    raws = [patient_told(f"C{n}", "8001") for n in range(5)]
    numbers = store.take(*raws)
    with Work(store.database, batch=3).claim() as claim:
        batch = claim.messages
    assert [(m.number, m.raw, m.correlation, m.source) for m in batch] == [
        (n, raw, f"C{i}", "admissions") for i, (n, raw) in enumerate(zip(numbers[:3], raws[:3], strict=True))
    ]
    assert claimed_by(store) == numbers


@pytest.mark.parametrize(
    ("sizes", "claimed"),
    [((0.4, 0.4, 0.4), 2), ((1.5, 0.1), 1), ((0.1, 1.5, 0.1), 1), ((0.5, 0.5, 0.01), 2)],
    ids=str,
)
def test_a_batch_is_bounded_in_bytes_but_never_empty(store, sizes, claimed):
    """Large messages make small batches, and one beyond the bound makes a batch of its own."""
    group = [reception(bytes(int(BATCH_BYTES * size)), control_id=str(n)) for n, size in enumerate(sizes)]
    numbers = [r.message for r in store.inbox.record(group)]
    assert claimed_by(store) == numbers[:claimed]


def test_a_master_file_reaches_the_directory_and_is_found_by_it(store):
    """An entry comes back as it was told, by a result that nothing else says the unit of; told again, anew."""
    numbers = store.take(*(patient_told(f"C{n}", "8001") for n in range(3)))
    key = Identifier("1.2.250.1.71.4.2.1", "10001234567", IdentifierKind.OTHER)
    listed = [DirectoryTold(EntryKind.PRACTITIONER, (key,), "Dr « X »", unit) for unit in ("3010", "3020")]
    for number, fact in zip(numbers, listed, strict=False):
        decide(store, [job(number, fact)])
    asked = replace(FACTS["result"], ordering_unit="", requester_key=key)
    state = decide(store, [job(numbers[2], asked, "department")])
    told = (EntryKind.PRACTITIONER, key.authority, key.value)
    entry = Entry(EntryKind.PRACTITIONER, key, "Dr « X »", "3020", source="admissions", told_at=AT)
    assert dict(state.directory.rows()) == {told: entry}
    assert store.count(schema.directory_entry) == 1


def test_a_transaction_refuses_what_another_took(store, twin):
    """A batch of which one message has ended meanwhile is not ours: None, and nothing is written."""
    first, second = store.take(patient_told("C1", "8001"), patient_told("C2", "8002"))
    decide(twin, [job(first, FACTS["patient"])])
    with store.work.alone([first, second]) as connection:
        assert connection is None
    with store.work.alone([second]) as connection:
        assert connection is not None


def test_what_fails_inside_a_transaction_leaves_nothing(store):
    """Effect, outbox and audit are one transaction: all of it or none (promise P2)."""
    (number,) = store.take(result("C1", "8001", "O1"))
    jobs = [job(number, FACTS["result"], "department")]

    def fail_at_the_end():
        with store.work.alone([number]) as connection:
            state = store.work.load(connection, needs(jobs))
            store.work.flush(connection, state, store.decider().decide(jobs, state, AT), AT)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_at_the_end()
    for table in (schema.identity, schema.focus, schema.work_item, schema.outbox, schema.outcome):
        assert store.count(table) == 0
    assert [e.action for e in store.trail.search(AuditQuery())] == [AuditAction.MESSAGE_RECEIVED]
    decide(store, jobs)
    assert store.inbox.outcome(number).state is MessageState.PROCESSED


@pytest.mark.parametrize("source", ["admissions", "department"])
@pytest.mark.parametrize("name", FACTS)
def test_what_was_flushed_is_what_is_loaded(store, name, source):
    """Every kind of fact comes back as it was told: identities, persons, objects, what waits, and items."""
    before, after = store.take(patient_told("C1", "8001"), patient_told("C2", "8001"))
    decide(store, [job(before, PatientReported(OTHER))])
    jobs = [job(after, FACTS[name], source)]
    flushed = decide(store, jobs)
    with store.work.read() as connection:
        loaded = store.work.load(connection, needs(jobs))
    assert rows(loaded) == rows(flushed)
    assert rows(loaded)["identities"]


def test_a_batch_loads_the_whole_person(store):
    """Whoever is named comes with all records of the same person and their open items, and nobody else does."""
    store.process(
        patient_told("C1", "8001"),
        result("C2", "8001", "O1"),
        patient_told("C3", "8002"),
        result("C4", "8002", "O2"),
        patient_told("C5", "8009"),
        result("C6", "8009", "O3"),
        merge("C7", "8002", "8001", when=3),
    )
    one, two = (job(0, PatientReported(Patient((Identifier(AUTHORITY, ipp),)))) for ipp in ("8001", "8002"))
    for asked in (one, two):
        with store.work.read() as connection:
            loaded = store.work.load(connection, needs([asked]))
        assert {i.key.value for _, i in loaded.identities.rows()} == {"8001", "8002"}
        assert len(loaded.items.rows()) == 2
        assert len(loaded.persons.rows()) == 1


def test_an_object_of_another_patient_is_seen(store):
    """A result under another patient's number is loaded with its patient: delivered apart, and asked about."""
    store.process(patient_told("C1", "8001"), patient_told("C2", "8002"), result("C3", "8001", "O1"))
    (wrong,) = store.process(result("C4", "8002", "O1", when=5, value="9.9"))
    outcome = store.inbox.outcome(wrong)
    assert outcome.state is MessageState.PROCESSED
    kinds = [view.item.kind for view in store.worklist.of_message(wrong)]
    assert sorted(kinds) == ["identity", "result"]


def test_an_item_that_stayed_with_another_record_comes_with_its_person(store):
    """What was done under a record that its object has left since is told of again like any other."""
    store.process(patient_told("C1", "8001"), patient_told("C2", "8002"), result("C3", "8001", "O1"))
    ((other,),) = store.rows(select(schema.identity.c.id).where(schema.identity.c.value == "8002"))
    with store.database.write() as connection:
        connection.execute(update(schema.work_item).values(identity_id=other, state=ItemState.DONE))
    (number,) = store.process(result("C4", "8001", "O1", when=5, status="D"))
    assert store.inbox.outcome(number).state is MessageState.PROCESSED
    assert [view.item.state for view in store.worklist.of_message(number)] == [ItemState.NEW]


def a_day(patients):
    """Messages of several sources about these patients, in an order in which each has one effect."""
    for n in patients:
        yield patient_told(f"A{n}", f"8{n:03}")
        yield result(f"B{n}", f"8{n:03}", f"O{n}")
        yield appointment("S12", f"C{n}", f"8{n:03}", f"R{n}")
        yield appointment("S13", f"D{n}", f"8{n:03}", f"R{n}", when=5, starts=3_000)


def test_two_workers_neither_double_nor_lose(store, twin):
    """Two workers on one database make each effect once, whatever they take from each other."""
    store.take(*a_day(range(120)))
    stop = threading.Event()

    def work(worker):
        while not stop.is_set() and worker.run_once():
            pass

    for each in (store, twin):
        each.work = Work(each.database, batch=7)  # small batches, so that they meet often
    at_once(partial(work, store.worker()), partial(work, twin.worker()))
    counts = store.inbox.summary()
    assert counts == counts | {"received": 480, "processed": 480, "pending": 0}
    assert store.count(schema.identity) == 120
    assert sorted(version for _, version in versions(store)) == [1] * 120 + [2] * 120
    assert_consistent(store)
    processed = store.trail.search(AuditQuery(action=AuditAction.MESSAGE_PROCESSED))
    assert sorted(e.message for e in processed) == sorted({e.message for e in processed})
    assert len(processed) == 480


def versions(store):
    return store.rows(select(schema.work_item.c.id, schema.work_item.c.version))


def assert_consistent(store):
    """History is gap-free to each item's version, the outbox has one entry per version, the chain holds."""
    steps = store.rows(select(schema.work_item_history.c.item_id, schema.work_item_history.c.version))
    expected = sorted((item, step) for item, version in versions(store) for step in range(1, version + 1))
    assert sorted(map(tuple, steps)) == expected
    entries = select(schema.outbox.c.item_id, schema.outbox.c.version).where(schema.outbox.c.subject.is_(None))
    assert sorted(map(tuple, store.rows(entries))) == expected
    assert conserved(store.inbox.summary())
    verification = store.trail.verify()
    assert verification.ok
    assert verification.sealed == verification.events


@pytest.mark.parametrize("batch", [1, 200])
def test_an_item_that_moved_to_another_record_is_retold_once(store, batch):
    """A correction makes one new version of it, whether its move was in the same batch or long before."""
    store.work = Work(store.database, batch=batch)
    store.process(
        patient_told("C1", "8001"),
        patient_told("C2", "8002"),
        merge("C3", "8001", "8002", when=1),
        appointment("S12", "C4", "8002", "R1", when=2),
        appointment("S13", "C5", "8001", "R1", when=3, starts=3_000),
        patient_told("C6", "8001", when=4, event="A31", family="AUTREMENT"),
    )
    assert [version for _, version in versions(store)] == [3]
    assert_consistent(store)


def in_partition(number, count=1):
    """Identifiers of one partition."""
    subjects = (str(n) for n in itertools.count())
    return tuple(itertools.islice((s for s in subjects if partitions_of([s]) == 1 << number), count))


def test_a_message_in_most_partitions_is_processed(store):
    """A patient of some ninety identifiers is in more partitions than a claim takes otherwise, and stops nobody."""
    many = tuple(f"N{n}" for n in range(90))
    assert len(numbers_of(partitions_of(many))) > SHARE
    store.inbox.record([reception(patient_told("C1", "8001"), subjects=many)])
    store.inbox.record([reception(patient_told(f"D{n}", f"9{n:03}"), subjects=(f"9{n:03}",)) for n in range(20)])
    worker = store.worker()
    while worker.run_once():
        pass
    assert store.inbox.summary()["processed"] == 21


@pytest.mark.parametrize("store", ["postgresql"], indirect=True)  # SQLite has one worker and no partitions
def test_two_busy_workers_do_not_pass_a_message_over_for_ever(store, twin):
    """A message in two partitions, of which each of two workers always holds one, is processed all the same."""
    (left,), (right,) = in_partition(3), in_partition(7)
    fresh = (f"C{n}" for n in itertools.count())

    def arrive(*subjects):
        store.inbox.record([reception(patient_told(next(fresh), "8001"), subjects=subjects)])

    def end(claim):
        with claim.transaction() as connection:
            numbers = [message.number for message in claim.messages]
            connection.execute(delete(schema.pending).where(schema.pending.c.message_id.in_(numbers)))

    stores = itertools.cycle([store, twin])
    with ThreadPoolExecutor(1) as pool, ExitStack() as ahead:
        arrive(left)
        end(ahead.enter_context(next(stores).work.claim()))
        arrive(left, right)
        for _ in range(4 * PATIENCE):
            arrive(left)
            arrive(right)
            other = next(stores).work.claim()
            claiming = pool.submit(other.__enter__)
            wait([claiming], timeout=0.2)
            ahead.close()  # the one ends its batch while the other is still at its own
            claim = claiming.result(20)
            ahead.push(other.__exit__)
            if any(message.correlation == "C1" for message in claim.messages):
                return
            end(claim)
    pytest.fail("each worker always held what the other lacked")


def test_what_is_not_committed_is_not_counted(store):
    """A batch whose commit fails has not ended, for the metrics as for everybody else."""
    counted = []
    worker = Worker(store.work, store.decider(), SITE, lambda: None, lambda endings, *_: counted.extend(endings))
    store.take(patient_told("C1", "8001"))

    def fail(_connection):
        raise StorageUnavailable("the commit was not confirmed")

    event.listen(store.database.engine, "commit", fail)
    with pytest.raises(StorageUnavailable):
        worker.run_once()
    event.remove(store.database.engine, "commit", fail)
    assert counted == []
    worker.run_once()
    assert len(counted) == 1


def random_text(length):
    chosen = random.Random(length)
    return "".join(chosen.choices(string.ascii_letters + string.digits, k=length))


HOSTILE = {
    "a NUL by escape": pid("8001\\X00\\2"),
    "a NUL in a name": pid("8002", family="FABU\\X00\\LAIRE"),
    "a number too long for an index": pid(random_text(9_000)),
    "a name of 100,000 letters": pid("8003", family=random_text(100_000)),
    "a private character": pid("8004", given="\U0010ffff"),
}


@pytest.mark.parametrize("segment", HOSTILE.values(), ids=HOSTILE)
def test_one_hostile_message_never_stops_the_others(store, segment):
    """Whatever the store thinks of one message's data, that message ends, and so do those around it."""
    hostile = message("ADT^A28^ADT_A05", "BAD", "EVN||20260302080000", segment, application="ADM")
    good = [patient_told(f"C{n}", f"81{n:02}") for n in range(6)]
    numbers = store.process(*good[:3], hostile, *good[3:])
    outcomes = {n: store.inbox.outcome(n) for n in numbers}
    assert outcomes.pop(numbers[3]).state in {MessageState.PROCESSED, MessageState.QUARANTINED}
    assert {o.state for o in outcomes.values()} == {MessageState.PROCESSED}
    assert_consistent(store)


@pytest.mark.parametrize("place", ["identifier", "name"])
def test_half_a_surrogate_pair_stops_nobody(store, place):
    """JSON can say half a character, which no store and no driver writes: such a body ends, be it replayed or not."""
    resource = json.loads(fhir_appointment("1", "8001"))
    (patient,) = resource["contained"]
    if place == "identifier":
        patient["identifier"][0]["value"] = "80\ud80001"
    else:
        patient["name"][0]["family"] = "FABU\ud800LAIRE"
    sent = {"transport": Transport.HTTP, "format": Format.FHIR, "message_type": "Appointment:create"}
    source = {"source": "department", "principal": "department", "control_id": "C1"}
    raw = json.dumps(resource).encode()
    error = SenderError("a string holds half a surrogate pair")
    refused = reception(raw, **sent, **source, code=AckCode.AR, error=error)
    let_through = reception(raw, **sent, **(source | {"control_id": "C2"}))
    numbers = [answer.message for answer in store.inbox.record([refused, let_through])]
    store.inbox.replay(numbers[0], AuditEvent(NOW, AuditAction.MESSAGE_REPLAYED, "operator", message=numbers[0]))
    (good,) = store.process(patient_told("C3", "8002"))
    assert store.inbox.outcome(numbers[0]).state is MessageState.QUARANTINED
    assert store.inbox.outcome(numbers[1]).state is not MessageState.PENDING
    assert store.inbox.outcome(good).state is MessageState.PROCESSED
    assert_consistent(store)


@pytest.fixture
def common_limits(store):
    """SQLite as it is commonly built: 32,766 parameters a statement (Debian's takes more)."""
    if store.database.sqlite:

        @event.listens_for(store.database.engine, "connect")
        def limit(connection, _record):
            connection.setlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, 32_766)

        store.database.engine.dispose()
    return store


def test_a_batch_may_name_any_number_of_objects(common_limits):
    """200 messages of some hundred orders each are looked for at once, and what is there is found."""
    store = common_limits
    store.process(patient_told("C1", "8001"), result("C2", "8001", "O1"))
    identities = {(AUTHORITY, f"8{n:03}") for n in range(12_000)}
    foci = {(FocusKind.RESULT, "SIL", f"FO{n}/K") for n in range(12_000)}
    with store.work.read() as connection:
        state = store.work.load(connection, Needs(frozenset(identities), frozenset(), frozenset(foci)))
    assert len(state.identities.rows()) == len(state.foci.rows()) == len(state.items.rows()) == 1


def test_a_patient_may_have_any_number_of_identifiers(common_limits):
    """A PID-3 of some thousand repetitions ends as one message, and stops no other."""
    store = common_limits
    repetitions = "~".join(f"{n}^^^CHU&{AUTHORITY}&ISO^PI" for n in range(9_000))
    segment = pid("8001").replace(f"8001^^^CHU&{AUTHORITY}&ISO^PI", repetitions)
    many = message("ADT^A28^ADT_A05", "C1", "EVN||20260302080000", segment, application="ADM")
    number, other = store.process(many, patient_told("C2", "zero"))
    assert store.inbox.outcome(number).state in {MessageState.PROCESSED, MessageState.QUARANTINED}
    assert store.inbox.outcome(other).state is MessageState.PROCESSED


def test_the_claim_does_not_read_what_it_does_not_take(store):
    """What is pending is counted by its small table: the sizes stand there, not in the bodies."""
    store.take(*(patient_told(f"C{n}", "8001") for n in range(3)))
    ((total,),) = store.rows(select(func.sum(schema.pending.c.size)))
    assert total == sum(len(patient_told(f"C{n}", "8001")) for n in range(3))


def test_times_are_kept_to_the_microsecond_and_aware(store):
    """An instant comes back equal and aware, whatever offset it was given in."""
    paris = NOW.replace(microsecond=1).astimezone()
    (recorded,) = store.inbox.record([reception(patient_told("C1", "8001"), received_at=paris)])
    kept = store.inbox.show(recorded.message).received_at
    assert kept == paris
    assert kept.tzinfo is not None
