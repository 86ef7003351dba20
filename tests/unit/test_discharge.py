"""A discharge letter is expected of every stay that ends, the same day, until it is there, whichever comes first."""

from datetime import datetime, timedelta
from itertools import permutations
from zoneinfo import ZoneInfo

import pytest
from facts import IMAGING, SITE, Gateway, at, document, ipp, merged, patient, told, visit

from gateway.demand import LETTER_EXPECTED
from gateway.facts import DocumentAct, MovementAct, StayMoved, VisitState
from gateway.focus import EndedStay, Letter, Letters
from gateway.worklist import ItemKind, ItemState

ANNE_1, OTHER = patient(ipp("1")), patient(ipp("2"), first_given_name="ZOE", birth_date="1990-01-01")
IN, OUT = VisitState.ADMITTED, VisitState.DISCHARGED


def known() -> Gateway:
    gateway = Gateway(SITE)
    gateway.send(told(ANNE_1), told(OTHER))
    return gateway


def stay(state: VisitState, minute: int, **changes):
    """Give an A01 or A03 of a minute."""
    return visit(ANNE_1, state, start=at(minute), moved_at=at(minute), movement=f"M{minute}", **changes)


def discharged(gateway: Gateway, **changes) -> None:
    gateway.send(stay(IN, 0, **changes), minute=0)
    gateway.send(stay(OUT, 60, **changes), minute=60)


def letter(act: DocumentAct = DocumentAct.CREATE, **changes):
    return document(ANNE_1, act, type_code="11490-0", **changes)


def expected(gateway: Gateway) -> list[tuple[str, datetime | None]]:
    found = gateway.items(ItemKind.CORRESPONDENCE)
    return [(item.secretariat, item.due) for item in found if item.title == LETTER_EXPECTED]


def test_the_end_of_a_stay_asks_for_its_letter_the_same_day():
    """On the queue of the unit that the patient left; an admission asks for none."""
    gateway = known()
    gateway.send(stay(IN, 0), minute=0)
    assert expected(gateway) == []
    gateway.send(stay(OUT, 60), minute=60)
    evening = datetime(2026, 3, 10, 23, 59, tzinfo=ZoneInfo("Europe/Paris"))
    assert expected(gateway) == [("cardiologie", evening)]


@pytest.mark.parametrize("changes", [{"patient_class": "O"}, {"patient_class": "E"}, {"historic": True}])
def test_no_letter_is_expected_of_other_visits(changes):
    """Out-patients and emergency visits, and what only enters history."""
    gateway = known()
    discharged(gateway, **changes)
    assert expected(gateway) == []


def test_a_discharge_that_is_told_a_month_late_is_history():
    """Nobody is asked for a letter of long ago, when a system first tells its past."""
    gateway = known()
    gateway.now += timedelta(days=40)
    discharged(gateway)
    assert expected(gateway) == []


def test_a_discharge_that_is_taken_back_asks_for_nothing():
    """A13 withdraws the item; another A03 opens it again."""
    gateway = known()
    discharged(gateway)
    gateway.send(stay(IN, 60, act=MovementAct.CANCEL, event="A03"), minute=70)
    assert expected(gateway) == []
    (item,) = (i for i in gateway.store.items.values() if i.title == LETTER_EXPECTED)
    assert item.state is ItemState.WITHDRAWN
    gateway.send(stay(OUT, 90), minute=90)
    assert len(expected(gateway)) == 1


def test_the_signed_letter_ends_what_was_expected():
    """Not the one that is dictated or waits for its signature, nor another document."""
    gateway = known()
    discharged(gateway)
    gateway.send(document(ANNE_1, key="D9"), source=IMAGING, minute=61)
    gateway.send(letter(completion="DI"), source=IMAGING, minute=62)
    assert len(expected(gateway)) == 1
    gateway.send(letter(completion="LA"), source=IMAGING, minute=63)
    assert expected(gateway) == []


def test_a_letter_that_is_suppressed_is_expected_again():
    """T04 of the letter of a stay that ended."""
    gateway = known()
    discharged(gateway)
    gateway.send(letter(), source=IMAGING, minute=61)
    gateway.send(letter(DocumentAct.WITHDRAW), source=IMAGING, minute=62)
    assert len(expected(gateway)) == 1


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_whatever_comes_first_the_same_is_expected(order):
    """Admission, discharge and letter in any order, each twice: nothing is left to write."""
    sent = [(stay(IN, 0), None, 0), (stay(OUT, 60), None, 60), (letter(), IMAGING, 50)]
    gateway = known()
    for place in (*order, *order):
        fact, source, minute = sent[place]
        gateway.send(fact, minute=minute, **({"source": source} if source else {}))
    assert expected(gateway) == []


def test_a_letter_is_of_one_stay():
    """A second stay that ends asks for one of its own."""
    gateway = known()
    discharged(gateway)
    gateway.send(letter(), source=IMAGING, minute=61)
    discharged(gateway, key="NDA2")
    assert len(expected(gateway)) == 1


def test_a_letter_is_of_the_last_stay_that_had_ended_or_was_about_to():
    """By its time, whatever the order in which stays and letters are known."""
    first, last = EndedStay("a", at(0)), EndedStay("b", at(60 * 24 * 30))
    assert Letters((first, last), (Letter("d", at(10)),)).missing == (last,)
    assert Letters((last, first), (Letter("d", at(60 * 24 * 29)),)).missing == (first,)
    assert Letters((first, last), (Letter("d", at(-60 * 24 * 9)),)).missing == (first, last)
    assert Letters((first, last), tuple(Letter(d, at(60 * 24 * 40)) for d in "de")).missing == ()


def test_a_stay_that_is_moved_takes_its_letter_along():
    """A44: nothing is expected of the patient under whom it was entered, and one of whose it is."""
    gateway = known()
    discharged(gateway)
    number = visit(ANNE_1).visit
    gateway.send(StayMoved(OTHER, ipp("1"), (number,)), minute=90)
    whose = [i.identity for i in gateway.items(ItemKind.CORRESPONDENCE) if i.title == LETTER_EXPECTED]
    assert whose == [gateway.identity(ipp("2")).id]


def test_a_letter_under_the_surviving_number_ends_what_was_expected_under_the_retired_one():
    """After a merge the patient is one."""
    gateway = known()
    twin = patient(ipp("3"))
    gateway.send(told(twin))
    discharged(gateway)
    gateway.send(merged(twin, ipp("1")), minute=61)
    gateway.send(document(twin, type_code="11490-0"), source=IMAGING, minute=62)
    assert expected(gateway) == []
