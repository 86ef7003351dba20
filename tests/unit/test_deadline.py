"""Each item has its due time by the site's deadlines, from the reception of what it tells, and keeps it."""

from dataclasses import replace
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from facts import AGENDA, LAB, SITE, Gateway, at, book, change, document, ipp, patient, result, told

from gateway.deadline import Clock, Deadline
from gateway.facts import Abnormality, Priority, ResultStatus
from gateway.opening import Calendar, Hours
from gateway.site import Secretariat
from gateway.worklist import Escalation, ItemKind, ItemState, Signature

ANNE_1 = patient(ipp("1"))
PARIS = ZoneInfo("Europe/Paris")
MORNINGS = Calendar("mornings", "Europe/Paris", ((Hours(time(8), time(12)),),) * 7)
OPENED = replace(
    SITE, secretariats=SITE.secretariats | {"cardiologie": Secretariat("cardiologie", "C", calendar=MORNINGS)}
)
TUESDAY = datetime(2026, 3, 10, 9, tzinfo=PARIS)


def known(site=OPENED) -> Gateway:
    gateway = Gateway(site)
    gateway.send(told(ANNE_1))
    return gateway


def graded(gateway: Gateway, grade: Abnormality, *, minute: int = 0, **changes):
    priority = Priority.STAT if grade is Abnormality.CRITICAL else Priority.ROUTINE
    fact = result(ANNE_1, ResultStatus.FINAL, abnormality=grade, priority=priority, **changes)
    gateway.send(fact, source=LAB, minute=minute)
    return gateway.only(ItemKind.RESULT)


@pytest.mark.parametrize(
    ("grade", "deadline", "due"),
    [
        (Abnormality.CRITICAL, "critical-result", TUESDAY + timedelta(minutes=30)),
        (Abnormality.ABNORMAL, "abnormal-result", datetime(2026, 3, 16, 9, tzinfo=PARIS)),
        (Abnormality.NORMAL, "result", datetime(2026, 3, 17, 23, 59, tzinfo=PARIS)),
        (Abnormality.UNCLASSIFIED, "result", datetime(2026, 3, 17, 23, 59, tzinfo=PARIS)),
    ],
)
def test_a_result_is_due_by_its_grade(grade: Abnormality, deadline: str, due: datetime):
    """Half an hour on the wall, twenty-four opened hours, seven calendar days."""
    item = graded(known(), grade)
    assert item.due is not None
    assert item.due.replace(second=0) == due
    assert item.escalation == Escalation(deadline, next_at=item.due)


def test_a_discharge_letter_is_due_the_same_day_and_another_letter_is_not():
    """CSP R1112-1-2."""
    gateway = known()
    gateway.send(document(ANNE_1, key="D1", type_code="11490-0"), document(ANNE_1, key="D2", type_code="34112-3"))
    due = {gateway.store.foci[i.focus].fact.type_code: i.due for i in gateway.items(ItemKind.CORRESPONDENCE)}
    assert due == {"11490-0": datetime(2026, 3, 10, 23, 59, tzinfo=PARIS), "34112-3": None}


def test_a_convocation_is_due_before_its_appointment_and_follows_it():
    """Seven days before; what begins sooner is due the day it came; a moved one is due anew."""
    gateway = known()
    gateway.send(book(ANNE_1, start=at(60 * 24 * 30)), source=AGENDA, minute=1)
    assert gateway.only(ItemKind.CONVOCATION).due == at(60 * 24 * 23)
    gateway.send(change(ANNE_1, start=at(60 * 24 * 20)), source=AGENDA, minute=2)
    assert gateway.only(ItemKind.CONVOCATION).due == at(60 * 24 * 13)
    gateway.send(change(ANNE_1, start=at(60 * 24 * 3)), source=AGENDA, minute=3)
    assert gateway.only(ItemKind.CONVOCATION).due == datetime(2026, 3, 10, 23, 59, tzinfo=PARIS)


def test_the_sites_own_deadline_goes_first():
    """One with conditions of its own is found before what goes without saying."""
    own = Deadline("troponin", (ItemKind.RESULT,), Clock.MINUTES, 10, {"grade": ("critical",)})
    item = graded(known(replace(SITE, deadlines=(own, *SITE.deadlines))), Abnormality.CRITICAL)
    assert item.escalation.deadline == "troponin"
    assert item.due == item.created_at + timedelta(minutes=10)


def test_more_of_a_critical_result_does_not_put_it_off():
    """Whatever its laboratory adds, the half hour runs from the first; once acknowledged, a new one runs."""
    gateway = known()
    first = graded(gateway, Abnormality.CRITICAL, value="7.1")
    gateway.now += timedelta(minutes=20)
    second = graded(gateway, Abnormality.CRITICAL, value="7.4", minute=1)
    assert (second.due, second.version) == (first.due, 2)
    read = replace(second, hand=replace(second.hand, reading=Signature("account:marc", gateway.now)))
    gateway.store.items[read.id] = read
    assert graded(gateway, Abnormality.CRITICAL, value="7.9", minute=2).due > first.due


def test_a_result_that_turns_critical_is_due_in_half_an_hour():
    """The deadline follows the grade."""
    gateway = known()
    graded(gateway, Abnormality.NORMAL, value="4.1")
    item = graded(gateway, Abnormality.CRITICAL, value="7.1", minute=1)
    assert item.due == item.updated_at + timedelta(minutes=30)


def test_what_was_done_is_due_anew_when_it_is_opened_again():
    """A correction after the result was done starts its time again."""
    gateway = known()
    item = graded(gateway, Abnormality.ABNORMAL, value="4.1")
    gateway.work(item, ItemState.DONE)
    gateway.now += timedelta(days=3)
    assert graded(gateway, Abnormality.ABNORMAL, value="4.2", minute=1).due > item.due


def test_what_was_escalated_stays_urgent_when_its_message_says_more():
    """A version that its message brings does not lower the priority that its lateness gave it."""
    gateway = known()
    item = graded(gateway, Abnormality.NORMAL, value="4.1")
    late = replace(item, priority=Priority.URGENT, escalation=replace(item.escalation, rungs=1))
    gateway.store.items[item.id] = late
    assert graded(gateway, Abnormality.NORMAL, value="4.2", minute=1).priority is Priority.URGENT


def test_what_is_critical_and_late_comes_before_all_else():
    """It stands before what is immediate and was due long before."""
    item = graded(known(), Abnormality.CRITICAL)
    late = replace(item, escalation=replace(item.escalation, rungs=1))
    other = replace(item, title="result.final", due=item.due - timedelta(days=9))
    assert sorted([other, item, late], key=lambda i: i.place) == [late, other, item]
