"""The inbox keeps what it was given, answers the same again the same, and counts everything."""

import threading
import time
from dataclasses import replace
from datetime import timedelta

import pytest
from messages import appointment, billing, fhir_appointment, message, patient_told, pid, result
from sqlalchemy.exc import DBAPIError
from stores import NOW, at_once, conserved, numbered, reception

from adapters.intake import storable
from adapters.store import schema
from adapters.store.audit import AuditQuery
from adapters.store.inbox import DUPLICATE_WINDOW
from gateway.audit import AuditAction, AuditEvent
from gateway.errors import AckCode, NotHl7, ResourceNotFound
from gateway.reception import Format, State

A28 = patient_told("C1", "8001")
REFUSED = NotHl7("an MSH segment is expected", path="MSH")


def replayed(number):
    return AuditEvent(NOW, AuditAction.MESSAGE_REPLAYED, "tester", message=number, detail={"reason": "a test"})


def test_a_group_is_kept_in_order_byte_for_byte(store):
    """Each reception of a group gets the next number, its own answer, and its bytes as they came."""
    raws = [patient_told(f"C{n}", "8001") + bytes(range(256)) for n in range(20)]
    recorded = store.inbox.record([reception(raw) for raw in raws])
    numbers = [r.message for r in recorded]
    assert numbers == sorted(set(numbers))
    assert [store.inbox.raw(n) for n in numbers] == raws
    assert [r.answer for r in recorded] == [reception(raw).answer for raw in raws]
    assert {r.state for r in recorded} == {State.PENDING}
    assert store.inbox.summary()["pending"] == 20


def test_the_same_again_gets_the_first_answer_and_is_not_processed(store):
    """A duplicate is answered with the first one's bytes and code, and waits for nobody."""
    (first,) = store.inbox.record([reception(A28, answer=b"the first")])
    (again,) = store.inbox.record([reception(A28, answer=b"the second", received_at=NOW + timedelta(hours=1))])
    assert (again.state, again.answer, again.code) == (State.DUPLICATE, b"the first", AckCode.AA)
    assert again.duplicate_of == first.message
    assert store.inbox.show(again.message).duplicate_of == first.message
    assert store.inbox.summary() | {"received": 2, "duplicate": 1, "pending": 1} == store.inbox.summary()


def test_a_clock_that_has_gone_back_knows_what_came_before(store):
    """The same again is a duplicate, however far before the first our clock says that it came."""
    (first,) = store.inbox.record([reception(A28)])
    for earlier in (timedelta(hours=1), DUPLICATE_WINDOW, timedelta(days=400)):
        (again,) = store.inbox.record([reception(A28, received_at=NOW - earlier)])
        assert (again.state, again.duplicate_of) == (State.DUPLICATE, first.message)


def test_the_same_twice_in_one_group_is_one_duplicate(store):
    """A repetition that shares the first one's commit is seen as well."""
    first, again, third = store.inbox.record([reception(A28, answer=a) for a in (b"1", b"2", b"3")])
    assert [r.state for r in (first, again, third)] == [State.PENDING, State.DUPLICATE, State.DUPLICATE]
    assert again.duplicate_of == third.duplicate_of == first.message
    assert {again.answer, third.answer} == {b"1"}


@pytest.mark.parametrize(
    ("later", "state"),
    [(DUPLICATE_WINDOW - timedelta(seconds=1), State.DUPLICATE), (DUPLICATE_WINDOW * 2, State.PENDING)],
    ids=["within", "outside"],
)
def test_the_window_bounds_what_is_a_duplicate(store, later, state):
    """The same message is a duplicate for as long as the window lasts, and a message of its own after that."""
    store.inbox.record([reception(A28)])
    (again,) = store.inbox.record([reception(A28, received_at=NOW + later)])
    assert again.state is state


def test_a_repetition_after_the_window_is_the_new_first_answer(store):
    """What was taken anew answers for the repetitions that follow it."""
    store.inbox.record([reception(A28, answer=b"old")])
    late = NOW + DUPLICATE_WINDOW * 2
    (anew,) = store.inbox.record([reception(A28, answer=b"new", received_at=late)])
    (again,) = store.inbox.record([reception(A28, received_at=late + timedelta(hours=1))])
    assert (again.duplicate_of, again.answer) == (anew.message, b"new")


def test_a_control_id_used_for_other_content_is_taken_and_flagged(store):
    """It is a message of its own, which names the first that had its control ID, whoever shared its commit."""
    (first,) = store.inbox.record([reception(A28)])
    others = store.inbox.record([reception(A28 + b"NTE|1\r"), reception(A28 + b"NTE|2\r"), reception(A28)])
    assert [(r.state, r.reuses) for r in others] == [
        (State.PENDING, first.message),
        (State.PENDING, first.message),
        (State.DUPLICATE, None),
    ]
    assert first.reuses is None
    assert store.inbox.show(others[0].message).reuses == first.message
    received = [e for e in store.trail.search(AuditQuery()) if e.action is AuditAction.MESSAGE_RECEIVED]
    assert [e.detail.get("reuses") for e in received] == [None, first.message, first.message, None]


def test_an_empty_control_id_and_an_old_one_flag_nothing(store):
    """Who sends none tells nothing by it; after the window it may be used again."""
    nameless = [reception(A28 + n, control_id="") for n in (b"NTE|1\r", b"NTE|2\r")]
    assert [r.reuses for r in store.inbox.record(nameless)] == [None, None]
    store.inbox.record([reception(A28)])
    late = reception(A28 + b"NTE|1\r", received_at=NOW + DUPLICATE_WINDOW * 2)
    assert store.inbox.record([late])[0].reuses is None


def test_a_control_id_alone_makes_no_duplicate(store):
    """Same control ID with other content, or the same content from another source, is a message of its own."""
    store.inbox.record([reception(A28)])
    others = [reception(A28 + b"ZZZ|1\r"), reception(A28, source="department"), reception(A28, control_id="C2")]
    assert [r.state for r in store.inbox.record(others)] == [State.PENDING] * 3


def test_a_refused_message_is_kept_and_never_a_first_answer(store):
    """A refusal is quarantined with its cause each time; once nothing speaks against it, the message is taken."""
    refused = reception(A28, code=AckCode.AR, answer=b"no", error=REFUSED)
    for _ in range(2):
        (kept,) = store.inbox.record([refused])
        assert (kept.state, kept.code, kept.answer) == (State.QUARANTINED, AckCode.AR, b"no")
        outcome = store.inbox.outcome(kept.message)
        assert (outcome.error, outcome.path, outcome.rule) == ("NotHl7", "MSH", REFUSED.rule)
        assert store.inbox.raw(kept.message) == A28
    (taken,) = store.inbox.record([replace(refused, code=AckCode.AA, answer=b"yes", error=None)])
    assert (taken.state, taken.answer) == (State.PENDING, b"yes")


def test_refused_and_taken_share_a_commit(store):
    """One group may hold a refusal, its repetition, and what is taken."""
    group = [reception(A28, error=REFUSED), reception(A28), reception(A28, error=REFUSED), reception(b"")]
    states = [r.state for r in store.inbox.record(group)]
    assert states[:2] == [State.QUARANTINED, State.PENDING]
    assert conserved(store.inbox.summary())


@pytest.mark.parametrize("control_id", ["A\0B", "é" * 10_000, "", "\U0001f600" * 300, "a\nb|^~\\&"], ids=ascii)
def test_any_control_id_that_the_intake_stores_is_kept_and_found(store, control_id):
    """NULs, any length and any character come through what the intake makes of them, on both engines."""
    kept = storable(control_id)
    (recorded,) = store.inbox.record([reception(A28, control_id=kept)])
    assert store.inbox.show(recorded.message).control_id == kept
    (again,) = store.inbox.record([reception(A28, control_id=kept)])
    assert again.duplicate_of == recorded.message
    if kept:
        assert len(store.found(control_id=kept)) == 2


def test_a_group_that_the_store_refuses_leaves_nothing(store):
    """One reception that cannot be stored takes the whole commit with it: no number, no first answer, no event."""
    with pytest.raises(DBAPIError):
        store.inbox.record([reception(A28), reception(A28, message_type=None)])
    assert set(store.inbox.summary().values()) == {0}
    assert store.trail.search(AuditQuery()) == []
    assert store.inbox.record([reception(A28)])[0].state is State.PENDING


def test_the_same_message_taken_by_two_processes_at_once_is_taken_once(store, twin):
    """A repetition that races its first is a duplicate, whichever process has it."""
    for n in range(10):
        raw = patient_told(f"R{n}", "8001")
        found = at_once(*(lambda s=s, raw=raw: s.inbox.record([reception(raw)])[0].state for s in (store, twin)))
        assert sorted(found) == [State.DUPLICATE, State.PENDING]


def test_lists_filter_and_end_with_the_newest(store):
    """A list gives the newest that match, oldest first; pending is a state like the others."""
    numbers = store.process(*(patient_told(f"C{n}", "8001", when=n) for n in range(5)))
    waiting = store.take(patient_told("W", "8001", when=9))
    assert store.found(limit=3) == [*numbers[-2:], *waiting]
    assert store.found(state="pending") == waiting
    assert store.found(state="processed", source="admissions") == numbers
    assert store.found(source="laboratory") == []
    assert store.found(control_id="C3") == [numbers[3]]


def test_no_message_has_an_unknown_number(store):
    """Outcome, bytes and replay of a number that is not there are refused."""
    for ask in (store.inbox.outcome, store.inbox.raw, lambda n: store.inbox.replay(n, replayed(n))):
        with pytest.raises(ResourceNotFound):
            ask(4711)
    assert store.count(schema.audit_event) == 0


def test_every_message_is_counted_once_whatever_becomes_of_it(store):
    """Received = processed + duplicate + ignored + quarantined + pending, after every step (promise P4)."""
    raws = [
        patient_told("C1", "8001"),
        billing("C2", "8001"),
        message("ADT^A43^ADT_A43", "C3", "PID|||8001", "MRG|8002", application="ADM"),
        result("C4", "8001", "O1"),
        patient_told("C1", "8001"),
    ]
    numbers = store.process(*raws)
    store.inbox.record([reception(b"no hl7", error=REFUSED)])
    ended = {"received": 6, "processed": 2, "duplicate": 1, "ignored": 1, "quarantined": 2, "pending": 0}
    assert store.inbox.summary() == ended
    for number in numbers:
        store.inbox.replay(number, replayed(number))
        assert conserved(store.inbox.summary())
    store.process()
    assert store.inbox.summary()["pending"] == 0
    assert conserved(store.inbox.summary())


BROKEN = {
    "a NUL": {"raw": patient_told("C1", "8001", family="FABU\0LAIRE")},
    "too many patients": {"raw": result("C1", "8001", "O1") + 50 * (pid("8001") + "\r").encode()},
    "no R4": {
        "raw": fhir_appointment("R1", "8001").replace(b'"status"', b'"unknown": "x", "status"'),
        "format": Format.FHIR,
        "message_type": "Appointment:create",
    },
}


@pytest.mark.parametrize("received", BROKEN.values(), ids=BROKEN)
def test_a_replay_is_no_way_round_what_was_refused(store, received):
    """What was refused as it came is examined again, and stays in quarantine while it is still wrong."""
    refused = replace(reception(A28, error=REFUSED, code=AckCode.AE, source="department"), **received)
    (recorded,) = store.inbox.record([refused])
    store.inbox.replay(recorded.message, replayed(recorded.message))
    store.process()
    outcome = store.inbox.outcome(recorded.message)
    assert outcome.state is State.QUARANTINED
    assert outcome.error not in {"NotHl7", "ProcessingFailed"}
    assert store.count(schema.identity) == 0


def test_a_replay_asked_twice_waits_once(store):
    """A message is pending once, and each request leaves its audit event."""
    (number,) = store.process(A28)
    for _ in range(2):
        store.inbox.replay(number, replayed(number))
    with store.work.claim() as claim:
        assert [p.number for p in claim.messages] == [number]
    assert len(store.trail.search(AuditQuery(action=AuditAction.MESSAGE_REPLAYED))) == 2


def test_a_replay_of_a_message_in_hand_waits_until_it_has_ended(store, twin, monkeypatch):
    """A message is pending or ended, never both: it is replayed once, after the batch that has it in hand."""
    (number,) = store.take(A28)
    flush, flushed = store.work.flush, threading.Event()

    def flush_slowly(*args):
        flush(*args)
        flushed.set()
        time.sleep(0.3)  # the replay comes as far as it can

    def replay():
        assert flushed.wait(10)
        twin.inbox.replay(number, replayed(number))

    monkeypatch.setattr(store.work, "flush", flush_slowly)
    at_once(store.worker().run_once, replay)
    assert conserved(store.inbox.summary())
    monkeypatch.setattr(store.work, "flush", flush)
    store.process()
    assert store.inbox.summary() | {"processed": 1, "pending": 0} == store.inbox.summary()
    assert conserved(store.inbox.summary())


def test_a_replay_changes_nothing_twice(store):
    """Replaying everything in any order leaves the same items, versions, history and bus messages."""
    numbers = store.process(
        patient_told("C1", "8001"),
        result("C2", "8001", "O1", flag="HH", value="7.2"),
        appointment("S12", "C3", "8001", "R1"),
        appointment("S13", "C4", "8001", "R1", when=5, starts=3_000),
        appointment("S15", "C5", "8001", "R2", when=6),
        result("C6", "8009", "O2"),
    )

    def effect():
        items = numbered(v.item for v in store.worklist.items(None))
        return items, store.count(schema.outbox), store.count(schema.work_item_history), store.count(schema.identity)

    before = effect()
    assert before[0]
    for number in reversed(numbers):
        store.inbox.replay(number, replayed(number))
        store.process()
    assert effect() == before
    for number in numbers:
        store.inbox.replay(number, replayed(number))
    store.process()
    assert effect() == before


def test_outcomes_are_those_of_what_has_ended(store):
    """Of the messages asked for, those that have ended are told how; pending and unknown ones are left out."""
    waiting, refused = (r.message for r in store.inbox.record([reception(A28), reception(b"what", error=REFUSED)]))
    found = store.inbox.outcomes([waiting, refused, refused + 1])
    assert [(n, o.state, o.error, o.path) for n, o in found.items()] == [(refused, State.QUARANTINED, "NotHl7", "MSH")]
    assert found[refused].rule == "an MSH segment is expected"
    assert store.inbox.outcomes([]) == {}
