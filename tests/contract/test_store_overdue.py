"""What waits for its object is known by message and by age, and is shown to a person once, in one transaction."""

from datetime import timedelta

import pytest
from messages import appointment, document, patient_told
from sqlalchemy import select
from sqlalchemy.exc import DataError
from stores import NOW, SITE, at_once, reception

from adapters.store import schema
from adapters.store.audit import AuditQuery
from gateway.audit import AuditAction
from gateway.worklist import ItemKind, ItemState

PATIENT = patient_told("P", "8001")


def convocations(store):
    return [view.item for view in store.worklist.items(None, kind=ItemKind.CONVOCATION)]


@pytest.fixture
def waiting(store):
    """A store in which a reschedule and a cancellation of one appointment wait, and a replacement of a document."""
    store.process(
        PATIENT,
        appointment("S13", "C1", "8001", "R1", when=5),
        appointment("S15", "C2", "8001", "R1", when=6),
        document("T10", "D1", "8001", "2", when=7, replaces="1"),
    )
    return store


def test_lists_say_how_many_facts_of_a_message_wait(waiting):
    """Each message says how many of its facts wait now: none any more once the object has come."""
    assert [m.waiting for m in waiting.listed()] == [0, 1, 1, 1]
    (booking,) = waiting.process(appointment("S12", "C3", "8001", "R1", when=4))
    assert [m.waiting for m in waiting.listed()] == [0, 0, 0, 1, 0]
    assert waiting.inbox.show(booking).waiting == 0


def test_what_has_waited_too_long_is_shown_once(waiting):
    """An item each, with history, outbox entry and audit; looking again changes nothing."""
    worker = waiting.worker()
    assert worker.show_overdue() == 2
    (item,) = convocations(waiting)
    assert (item.title, item.state, item.version) == ("convocation.cancel-unknown", ItemState.NEW, 1)
    assert [step.version for step in waiting.worklist.history(item.id)] == [1]
    assert [e.version for e in waiting.outbox.unconfirmed(100) if e.item == item.id] == [1]
    assert len(waiting.trail.search(AuditQuery(action=AuditAction.FACT_OVERDUE))) == 2
    assert worker.show_overdue() == 0
    assert waiting.trail.verify().ok
    assert [m.waiting for m in waiting.listed()] == [0, 1, 1, 1]


def test_what_is_young_is_not_shown(store):
    """The limit is the site's, held against the reception."""
    store.process(PATIENT, appointment("S13", "C1", "8001", "R1"))
    assert store.work.overdue(NOW, NOW).foci == frozenset()
    assert len(store.work.overdue(NOW + timedelta(seconds=1), NOW + timedelta(seconds=1)).foci) == 2
    assert SITE.held_limit == timedelta(days=1)


def test_when_the_object_comes_what_was_shown_becomes_the_normal_item(waiting):
    """The booking comes after all: the cancellation applies, and the queue is free of it."""
    waiting.worker().show_overdue()
    waiting.process(appointment("S12", "C3", "8001", "R1", when=4))
    (item,) = convocations(waiting)
    assert (item.title, item.state, item.version) == ("convocation.cancelled", ItemState.WITHDRAWN, 2)
    assert waiting.count(schema.waiting_fact) == 1


def test_a_further_fact_on_what_is_shown_is_not_due_again(waiting):
    """It is told with the item's next version at once, and waits for no further look."""
    waiting.worker().show_overdue()
    waiting.process(appointment("S13", "C4", "8001", "R1", when=9))
    (item,) = convocations(waiting)
    assert (item.title, item.version) == ("convocation.change-unknown", 2)
    assert waiting.worker().show_overdue() == 0


def test_what_fails_halfway_is_shown_by_the_next_look(waiting, monkeypatch):
    """Item, history, outbox, audit and mark are one transaction: all of it or none (promise P2)."""
    worker = waiting.worker()
    flush = waiting.work.flush

    def dies(*arguments):
        flush(*arguments)
        raise ZeroDivisionError

    monkeypatch.setattr(waiting.work, "flush", dies)
    with pytest.raises(ZeroDivisionError):
        worker.show_overdue()
    assert convocations(waiting) == []
    assert waiting.trail.search(AuditQuery(action=AuditAction.FACT_OVERDUE)) == []
    monkeypatch.undo()
    assert worker.show_overdue() == 2
    assert len(convocations(waiting)) == 1


def test_what_the_store_refuses_stops_no_message(waiting, monkeypatch):
    """A look that the store refuses is told and left to the next one; the worker goes on."""
    worker = waiting.worker()

    def refuse(*_):
        raise DataError("", {}, ValueError())

    monkeypatch.setattr(waiting.work, "flush", refuse)
    assert worker._look() == 0
    monkeypatch.undo()
    assert worker._look() == 0, "the next look waits for its time"
    assert worker.show_overdue() == 2


def test_two_workers_show_it_once(waiting, twin):
    """Whoever looks second finds it shown."""
    shown = at_once(waiting.worker().show_overdue, twin.worker().show_overdue)
    assert sum(shown) == 2
    assert len(waiting.outbox.unconfirmed(100)) == 2


def test_any_number_is_shown_in_bounded_batches(store):
    """More than one look's worth is shown by as many looks as it takes."""
    facts = [appointment("S13", f"C{n}", "8001", f"R{n}") for n in range(230)]
    store.inbox.record([reception(raw) for raw in (PATIENT, *facts)])
    store.process()
    worker = store.worker()
    shown = []
    while count := worker.show_overdue():
        shown.append(count)
    assert shown == [100, 100, 30]
    assert len(convocations(store)) == 230
    assert store.rows(select(schema.waiting_fact.c.focus_id).where(schema.waiting_fact.c.since.is_not(None))) == []
