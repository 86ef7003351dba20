"""A fact that waits for its object for too long is seen by a person, once, and takes effect all the same later."""

from dataclasses import replace
from datetime import timedelta

import pytest
from facts import AGENDA, LAB, PAUL, SITE, Gateway, at, book, cancel, change, document, ipp, patient, rendered, told

from gateway.audit import AuditAction
from gateway.errors import StorageUnavailable
from gateway.facts import DocumentAct, Priority
from gateway.focus import FocusKind
from gateway.site import Site
from gateway.worklist import ItemKind, ItemState

ANNE_1, PAUL_2 = patient(ipp("1")), patient(ipp("2"), of=PAUL)
CONVOCATION, LETTER = ItemKind.CONVOCATION, ItemKind.CORRESPONDENCE


def known(site: Site = SITE) -> Gateway:
    """Give a gateway that knows its patients, and has told nothing yet."""
    gateway = Gateway(site)
    gateway.send(told(ANNE_1), told(PAUL_2))
    return gateway


def waited(*facts, hours: float = 25.0, source=AGENDA) -> Gateway:
    """Give a gateway in which facts came that have no object, and so many hours passed."""
    gateway = known()
    for fact in facts:
        gateway.process([replace(gateway.job(fact, source=source), received_at=gateway.now)])
    gateway.look(hours)
    return gateway


def test_within_the_limit_nobody_sees_what_waits():
    """A reschedule without its booking is held, and asks nothing of anyone for a day."""
    gateway = waited(change(ANNE_1, start=at(9)), hours=23.9)
    assert gateway.store.items == {}
    assert gateway.outbox == []


@pytest.mark.parametrize(
    ("fact", "kind", "title"),
    [
        (change(ANNE_1, start=at(9)), CONVOCATION, "convocation.change-unknown"),
        (cancel(ANNE_1), CONVOCATION, "convocation.cancel-unknown"),
        (document(ANNE_1, DocumentAct.REPLACE, "D2", "D1"), LETTER, "correspondence.replace-unknown"),
        (document(ANNE_1, DocumentAct.WITHDRAW), LETTER, "correspondence.withdraw-unknown"),
        (document(ANNE_1, DocumentAct.STATUS), LETTER, "correspondence.status-unknown"),
    ],
)
def test_after_the_limit_the_queue_of_the_fact_has_an_item(fact, kind, title):
    """Kind as the object's, on the queue that routing names for the fact, published and in the history."""
    gateway = waited(replace(fact, unit="3020"), source=LAB)
    item = gateway.only(kind)
    assert (item.title, item.secretariat, item.version, item.state) == (title, "pneumologie", 1, ItemState.NEW)
    assert [(e.item, e.version) for e in gateway.outbox] == [(item.id, 1)]
    assert AuditAction.FACT_OVERDUE in gateway.actions()
    assert AuditAction.ITEM_CREATED in gateway.actions()


def test_priority_is_the_facts():
    """What is urgent stays urgent while it waits."""
    assert waited(change(ANNE_1, priority=Priority.STAT)).only(CONVOCATION).priority is Priority.STAT


def test_it_is_shown_once():
    """Looking again, or processing the message again, makes no version and no event of an item."""
    gateway = waited(change(ANNE_1))
    changes = gateway.look(25)
    assert (changes.outbox, changes.history, changes.audit) == ([], [], [])
    assert gateway.process(list(gateway.jobs)).outbox == []


def test_the_site_says_how_long():
    """The limit is the site's own."""
    gateway = known(replace(SITE, held_hours=2))
    gateway.send(change(ANNE_1), source=AGENDA)
    assert gateway.look(1.9).outbox == []
    assert len(gateway.look(0.2).outbox) == 1


def test_the_wait_counts_from_the_reception():
    """What was received long ago and is processed only now has waited since it came."""
    gateway = known()
    job = replace(gateway.job(change(ANNE_1), source=AGENDA), received_at=gateway.now - timedelta(hours=30))
    gateway.process([job])
    assert len(gateway.look(0).outbox) == 1


def test_the_oldest_fact_decides():
    """A later fact on the same object does not make the first one wait longer."""
    gateway = waited(change(ANNE_1), hours=20)
    gateway.send(change(ANNE_1, start=at(9)), source=AGENDA)
    assert len(gateway.look(5).outbox) == 1


def test_when_the_object_comes_the_item_becomes_the_normal_one():
    """The booking comes after all: what waited applies, and the same item says what there is to do now."""
    gateway = known()
    gateway.send(change(ANNE_1, start=at(99)), source=AGENDA, minute=5)
    gateway.look(25)
    shown = gateway.only(CONVOCATION)
    gateway.send(book(ANNE_1), source=AGENDA, minute=1)
    item = gateway.only(CONVOCATION, every=True)
    assert (item.id, item.title, item.version) == (shown.id, "convocation.to-send", 2)
    assert gateway.store.foci[item.focus].fact.start == at(99)
    assert not gateway.store.foci[item.focus].overdue


def test_when_the_object_comes_elsewhere_the_item_leaves():
    """The booking names another unit: withdrawn where it was shown, new where it belongs."""
    gateway = waited(change(ANNE_1, unit="3020"))
    gateway.send(book(ANNE_1, unit="3010"), source=AGENDA)
    gateway.send(change(ANNE_1, unit="3010"), source=AGENDA)
    states = {i.secretariat: i.state for i in gateway.items(CONVOCATION, every=True)}
    assert states == {"pneumologie": ItemState.WITHDRAWN, "cardiologie": ItemState.NEW}


def test_a_cancellation_that_meets_its_booking_leaves_the_queue():
    """Nothing is left to do: the item is withdrawn."""
    gateway = known()
    gateway.send(cancel(ANNE_1), source=AGENDA, minute=5)
    gateway.look(25)
    gateway.send(book(ANNE_1), source=AGENDA, minute=1)
    assert gateway.only(CONVOCATION, every=True).state is ItemState.WITHDRAWN


def test_what_a_person_has_dealt_with_is_no_letter_that_was_sent():
    """The secretary has dealt with the lone cancellation: its booking, cancelled as it comes, warns nobody."""
    gateway = known()
    gateway.send(cancel(ANNE_1), source=AGENDA, minute=5)
    gateway.look(25)
    gateway.work(gateway.only(CONVOCATION), ItemState.DONE)
    gateway.send(book(ANNE_1), source=AGENDA, minute=1)
    assert gateway.items(CONVOCATION) == []


def test_what_a_person_has_dealt_with_opens_again_when_there_is_a_letter_to_send():
    """The lone reschedule was dealt with; its booking has come, and the patient is to be told."""
    gateway = known()
    gateway.send(change(ANNE_1, start=at(99)), source=AGENDA, minute=5)
    gateway.look(25)
    gateway.work(gateway.only(CONVOCATION), ItemState.DONE)
    gateway.send(book(ANNE_1), source=AGENDA, minute=1)
    assert gateway.only(CONVOCATION).title == "convocation.to-send"


def test_a_further_fact_on_what_is_shown_is_told():
    """A cancellation follows the reschedule, still without a booking: the item says so, open again if it was done."""
    gateway = waited(change(ANNE_1))
    gateway.work(gateway.only(CONVOCATION), ItemState.DONE)
    gateway.send(cancel(ANNE_1), source=AGENDA)
    item = gateway.only(CONVOCATION)
    assert (item.title, item.state) == ("convocation.cancel-unknown", ItemState.NEW)


def test_placeholders_that_turn_out_to_be_one_show_one_item():
    """Two that were shown apart are one appointment: one item stays, the other is withdrawn."""
    gateway = waited(change(ANNE_1, "F1"), change(ANNE_1, "P1"))
    assert len(gateway.items(CONVOCATION)) == 2
    gateway.send(change(ANNE_1, "P1+F1", start=at(9)), source=AGENDA)
    assert len(gateway.items(CONVOCATION)) == 1
    assert gateway.store.foci[gateway.only(CONVOCATION).focus].held


def test_one_that_cannot_be_shown_does_not_stop_the_others():
    """A fault is audited with its class alone, and is not met again and again."""

    def fragile(item, person, message_id):
        if person.traits == PAUL:
            raise ValueError("LEROY")
        return rendered(item, person, message_id)

    gateway = known()
    gateway.send(change(PAUL_2, "R1"), change(ANNE_1, "R2"), source=AGENDA)
    gateway.decider = replace(gateway.decider, render=fragile)
    gateway.look(25)
    assert gateway.only(CONVOCATION).identity == gateway.identity(ipp("1")).id
    faults = [e.detail["fault"] for e in gateway.audit if e.action is AuditAction.FACT_OVERDUE]
    assert sorted(faults) == ["", "ValueError"]
    assert gateway.look(25).audit == []


def test_our_own_trouble_shows_nothing():
    """Trouble is given up and tried again: what waits is not marked as seen."""

    def troubled(item, person, message_id):
        raise StorageUnavailable("no room")

    gateway = known()
    gateway.send(change(ANNE_1), source=AGENDA)
    gateway.decider = replace(gateway.decider, render=troubled)
    with pytest.raises(StorageUnavailable):
        gateway.look(25)
    assert [f.overdue for f in gateway.store.foci.values() if f.kind is FocusKind.APPOINTMENT] == [False]
