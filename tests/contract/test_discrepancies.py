"""What departments tell otherwise than admissions, on each store: listed, compared, closed by what people decide."""

from messages import patient_told, result
from sqlalchemy import select
from test_identity_desk import LINK, NOT_SAME, OMAR, UNLINK, desk, doubted, identity, items, lab, questions, two

from adapters.store import schema
from gateway.differences import Grade
from gateway.focus import Doubt
from gateway.worklist import ItemState

BOTH = (Doubt.DISCREPANCY, Doubt.BLOCKING_DISCREPANCY)


def used(raw: bytes, name: str) -> bytes:
    """Give the message with a used family name."""
    return raw.replace(b"^^^^L|", f"^^^^L~{name}^^^^^^D|".encode(), 1)


def differing(store):
    return [(q.question.doubt, q.record.id, q.question.traits) for q in questions(store, *BOTH)]


def test_a_difference_is_listed_once_and_compared_with_what_was_sent(store):
    """Whoever may compare sees both values; the item names the trait alone."""
    store.process(used(patient_told("C1", "8001"), "MARTIN"), used(result("C2", "8001", "O1", when=2), "DUPONT"))
    adm = identity(store, "8001")
    assert differing(store) == [(Doubt.DISCREPANCY, adm, ("used_family_name",))]
    records, lines = desk(store).compare([adm], "to see")
    assert [r.id for r in records] == [adm, "department"]
    (line,) = (each for each in lines if each.trait == "used_family_name")
    assert (line.values, line.grade) == (("MARTIN", "DUPONT"), Grade.TO_ANALYSE)
    shown = [i for i in items(store).values() if i.title == "identity.discrepancy"]
    assert [i.detail for i in shown] == ["used_family_name"]
    bodies = [row.body for row in store.rows(select(schema.outbox.c.body))]
    assert not any(b"DUPONT" in body for body in bodies)


def test_what_is_kept_of_a_difference_is_read_back(store):
    """A later batch finds it, makes no version of it, and closes it when the values agree."""
    store.process(used(patient_told("C1", "8001"), "MARTIN"))
    store.process(used(result("C2", "8001", "O1", when=2), "DUPONT"))
    before = items(store)
    store.process(used(result("C3", "8001", "O2", when=3), "DUPONT"))
    assert {i: items(store)[i] for i in before} == before
    store.process(used(result("C4", "8001", "O3", when=4), "MARTIN"))
    assert differing(store) == []
    assert [f["found"] for f in _kept(store)] == [[]]


def test_a_broken_link_takes_its_difference_along(store):
    """Who is another person after all is to agree with nobody; linked again, the next message tells."""
    adm, own = two(store)
    desk(store).decide(LINK, own, adm, "same person")
    store.process(used(patient_told("C3", "8001", event="A31", when=15), "MARTIN"))
    store.process(used(lab("C4", "L1", when=20, order="O2"), "DUPONT"))
    assert differing(store) == [(Doubt.DISCREPANCY, adm, ("used_family_name",))]
    desk(store).decide(UNLINK, own, "", "another patient")
    assert differing(store) == []
    assert {i.state for i in items(store).values() if i.title == "identity.discrepancy"} == {ItemState.WITHDRAWN}


def test_people_who_are_not_the_same_do_not_differ(store):
    """The difference with a doubt's record ends where people say that it is somebody else, and comes not again."""
    adm, doubt, contradicting = doubted(store)
    desk(store).decide(NOT_SAME, doubt, adm, "two sisters")
    store.process(contradicting.replace(b"C3", b"C4").replace(b"O2", b"O3"))
    assert [f for f in _kept(store) if f["found"]] == []


def test_a_difference_stays_while_the_two_are_one_person(store):
    """Linked against a strict trait, the department still holds what admissions does not."""
    adm, doubt, contradicting = doubted(store)
    number = desk(store).decide(LINK, doubt, adm, "married since").decision.number
    desk(store, OMAR).approve(number)
    store.process(contradicting.replace(b"C3", b"C4").replace(b"O2", b"O3"))
    assert [[d["source"] for d in f["found"]] for f in _kept(store)] == [["department"]]


def _kept(store):
    focus = schema.focus.c
    return [row.fact for row in store.rows(select(focus.fact).where(focus.kind == "discrepancy"))]
