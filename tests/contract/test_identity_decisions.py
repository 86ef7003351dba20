"""The identity desk's further decisions, on each store: requests, a freeze, a question to somebody, and four eyes."""

from dataclasses import replace
from datetime import timedelta

import pytest
from messages import merge, patient_told, result
from sqlalchemy import update
from stores import NOW
from test_identity_desk import (
    ASK,
    FLAG,
    FREEZE,
    LIFT,
    LINK,
    NADIA,
    OMAR,
    REQUEST,
    UNDO,
    UNLINK,
    desk,
    doubted,
    golden,
    identity,
    items,
    lab,
    person,
    questions,
    two,
)

from adapters.store import schema
from adapters.store.audit import AuditQuery
from gateway.audit import AuditAction
from gateway.decision import Standing
from gateway.errors import AccessRefused, StateConflict
from gateway.focus import Doubt
from gateway.worklist import ItemState


def approved(store, *arguments, **named):
    """Let Nadia decide what needs a second person, and Omar approve it."""
    proposed = desk(store).decide(*arguments, **named).decision
    assert proposed.standing is Standing.PROPOSED
    with pytest.raises(AccessRefused):
        desk(store).approve(proposed.number)
    return desk(store, OMAR).approve(proposed.number)


def told_others(store, kind="result"):
    """Let somebody have done the items of a kind: others have been told."""
    with store.database.write() as connection:
        connection.execute(update(schema.work_item).where(schema.work_item.c.kind == kind).values(state="done"))


def events(store, action):
    return [e for e in store.trail.search(AuditQuery()) if e.action == action]


def test_a_flag_that_admissions_sets_ends_its_request_with_an_event_of_its_own(store):
    """It is a request: nothing of the record changes until admissions' A31 has the attribute."""
    store.process(patient_told("C1", "8001"))
    adm = identity(store, "8001")
    desk(store).decide(FLAG, adm, "", "a namesake", subject="HOMA")
    assert golden(store, adm)["attributes"] == []
    assert [d.subject for d in desk(store).list_decisions(Standing.IN_FORCE, FLAG, 10)] == ["HOMA"]
    store.process(patient_told("C2", "8001", event="A31", when=5))
    assert len(desk(store).list_decisions(Standing.IN_FORCE, FLAG, 10)) == 1
    marked = patient_told("C3", "8001", event="A31", when=9).rstrip(b"\r") + b"|" * 24 + b"VALI~HOMA\r"
    store.process(marked)
    assert golden(store, adm)["attributes"] == ["HOMA"]
    assert desk(store).list_decisions(Standing.IN_FORCE, FLAG, 10) == []
    (event,) = events(store, AuditAction.REQUEST_FOLLOWED)
    assert (event.entities, event.detail["kind"]) == (("decision/1",), "request-flag")
    with pytest.raises(StateConflict, match="admissions has done"):
        desk(store).undo(1, "too late")


@pytest.mark.parametrize("reverse", [False, True])
def test_a_merge_that_admissions_makes_ends_its_request_with_an_event_of_its_own(store, reverse):
    """Whichever of the two is retired; the event says whether it was the one that was named."""
    store.process(patient_told("C1", "8001"), patient_told("C2", "8002"))
    kept, double = identity(store, "8001"), identity(store, "8002")
    desk(store).decide(REQUEST, double, kept, "a double")
    store.process(merge("C3", "8002", "8001", when=5) if reverse else merge("C3", "8001", "8002", when=5))
    (event,) = events(store, AuditAction.REQUEST_FOLLOWED)
    assert (event.entities, set(event.patients)) == (("decision/1",), {kept, double})
    assert desk(store).list_decisions(Standing.IN_FORCE, REQUEST, 10) == []
    store.process(merge("C4", "8002", "8001", when=5) if reverse else merge("C4", "8001", "8002", when=5))
    assert len(events(store, AuditAction.REQUEST_FOLLOWED)) == 1


def test_a_merge_into_a_third_number_ends_the_request_too(store):
    """There is nothing to merge any more, and the event says that it was not what was asked."""
    store.process(*(patient_told(f"C{n}", f"800{n}") for n in (1, 2, 3)))
    desk(store).decide(REQUEST, identity(store, "8002"), identity(store, "8001"), "a double")
    store.process(merge("C4", "8003", "8002", when=5))
    assert desk(store).list_decisions(Standing.IN_FORCE, REQUEST, 10) == []
    assert [e.detail["as_requested"] for e in events(store, AuditAction.REQUEST_FOLLOWED)] == [False]


def test_a_freeze_holds_our_own_joining_and_delays_no_message(store):
    """A department's message for a frozen record is delivered at once on a provisional one, under a question."""
    adm, own = two(store)
    approved(store, FREEZE, adm, "", "two patients under one number")
    assert golden(store, adm)["frozen"]
    with pytest.raises(StateConflict, match="frozen"):
        desk(store).decide(LINK, own, adm, "same person")
    store.process(result("C3", "8001", "O7", when=20), result("C4", "8001", "O8", when=21))
    asked = [q for q in questions(store) if q.question.doubt is Doubt.FROZEN]
    assert [q.question.other for q in asked] == [adm]
    delivered = [i for i in items(store).values() if i.kind == "result" and i.identity == asked[0].record.id]
    assert [i.state for i in delivered] == [ItemState.NEW] * 2
    store.process(patient_told("C5", "8001", event="A31", when=22, born="19580322"))
    assert golden(store, adm)["traits"]["birth_date"] == "1958-03-22"


def test_a_freeze_is_lifted_by_a_decision_of_two(store):
    """Afterwards messages find the record again, and what was delivered meanwhile is linked like any other."""
    adm, _ = two(store)
    approved(store, FREEZE, adm, "", "two patients under one number")
    store.process(result("C3", "8001", "O7", when=20))
    (asked,) = (q for q in questions(store) if q.question.doubt is Doubt.FROZEN)
    approved(store, LIFT, adm, "", "one patient")
    assert not golden(store, adm)["frozen"]
    desk(store).decide(LINK, asked.record.id, adm, "hers")
    assert Doubt.FROZEN not in {q.question.doubt for q in questions(store)}
    store.process(result("C4", "8001", "O8", when=30))
    assert adm in {i.identity for i in items(store).values() if i.kind == "result"}
    assert Doubt.FROZEN not in {q.question.doubt for q in questions(store)}


def test_a_frozen_persons_open_items_are_told_anew(store):
    """Whoever prints or sends must see it."""
    store.process(patient_told("C1", "8001"), result("C2", "8001", "O1", when=2))
    before = items(store)
    approved(store, FREEZE, identity(store, "8001"), "", "two patients")
    assert all(items(store)[i].version == before[i].version + 1 for i in before)


def test_whoever_is_asked_has_an_item_and_the_question_stays_open(store):
    """The desk's question says for whom it waits; repeated messages keep that; the answer withdraws both items."""
    adm, doubt, contradicting = doubted(store)
    desk(store).decide(ASK, doubt, "", "which of the two came", subject="cardiologie")
    (asked,) = questions(store)
    assert asked.question.waits_for == ("cardiologie",)
    on = {i.secretariat: i for i in items(store).values() if i.kind == "identity"}
    assert (on["cardiologie"].title, on["identite"].title) == ("identity.information-asked", "identity.collision")
    store.process(contradicting.replace(b"C3", b"C4").replace(b"O2", b"O3"))
    assert questions(store)[0].question.waits_for == ("cardiologie",)
    with pytest.raises(StateConflict, match="waits for this"):
        desk(store).decide(ASK, doubt, "", "again", subject="cardiologie")
    number = desk(store).decide(LINK, doubt, adm, "married since").decision.number
    desk(store, OMAR).approve(number)
    assert questions(store) == []
    assert {i.state for i in items(store).values() if i.kind == "identity"} == {ItemState.WITHDRAWN}


def test_what_was_asked_of_somebody_is_taken_back_by_an_undo(store):
    """The item is withdrawn there; the question stays."""
    _, doubt, _ = doubted(store)
    number = desk(store).decide(ASK, doubt, "", "which of the two came", subject="cardiologie").decision.number
    desk(store).undo(number, "a mistake")
    assert [q.question.waits_for for q in questions(store)] == [()]
    on = {i.secretariat: i.state for i in items(store).values() if i.kind == "identity"}
    assert on == {"cardiologie": ItemState.WITHDRAWN, "identite": ItemState.NEW}


@pytest.mark.parametrize("secretariat", ["", "nobody", "identite"])
def test_only_another_secretariat_is_asked(store, secretariat):
    """Nor is anybody asked of a record of which nothing is in question."""
    adm, doubt, _ = doubted(store)
    with pytest.raises(StateConflict, match="secretariat"):
        desk(store).decide(ASK, doubt, "", "who", subject=secretariat)
    with pytest.raises(StateConflict, match="nothing is in question"):
        desk(store).decide(ASK, adm, "", "who", subject="accueil")


def test_an_undone_link_is_a_matter_of_two_once_others_were_told(store):
    """As the unlink would be; the undo is proposed once, moves nothing, and its approval undoes the link."""
    adm, own = two(store)
    link = desk(store).decide(LINK, own, adm, "same person").decision.number
    told_others(store)
    proposed = desk(store).undo(link, "another patient").decision
    assert (proposed.kind, proposed.standing, proposed.undoes) == (UNDO, Standing.PROPOSED, link)
    assert person(store, own) == person(store, adm)
    with pytest.raises(StateConflict, match="already"):
        desk(store, OMAR).undo(link, "again")
    with pytest.raises(AccessRefused):
        desk(store).approve(proposed.number)
    done = desk(store, OMAR).approve(proposed.number)
    assert person(store, own) != person(store, adm)
    assert (done.decision.number, done.decision.undone_by, done.decision.undone_second) == (link, NADIA.id, OMAR.id)
    (event,) = events(store, AuditAction.IDENTITY_DECISION_APPROVED)
    assert event.entities == (f"decision/{link}", f"decision/{proposed.number}")
    assert desk(store).list_decisions(Standing.PROPOSED, None, 10) == []
    with pytest.raises(StateConflict, match="decide anew"):
        desk(store).undo(proposed.number, "again")


def test_an_undone_unlink_is_a_matter_of_two_against_a_strict_trait(store):
    """It joins, as the link would; and an undo that was only proposed can be withdrawn."""
    adm, own = two(store)
    desk(store).decide(LINK, own, adm, "same person")
    unlink = desk(store).decide(UNLINK, own, "", "another patient").decision.number
    store.process(lab("C3", "L1", when=20, order="O2").replace(b"C3", b"C4"))
    corrected = patient_told("C5", "8001", event="A31", when=30, family="AUTREMENT")
    store.process(corrected)
    proposed = desk(store).undo(unlink, "one after all").decision
    assert proposed.standing is Standing.PROPOSED
    assert desk(store).undo(proposed.number, "no").decision.standing is Standing.UNDONE
    assert person(store, own) != person(store, adm)


def test_a_freeze_is_not_lifted_by_one_alone(store):
    """An undo of it is proposed as well."""
    adm, _ = two(store)
    number = approved(store, FREEZE, adm, "", "two patients").decision.number
    proposed = desk(store).undo(number, "one patient").decision
    assert (proposed.kind, proposed.standing) == (UNDO, Standing.PROPOSED)
    assert golden(store, adm)["frozen"]
    desk(store, OMAR).approve(proposed.number)
    assert not golden(store, adm)["frozen"]


@pytest.mark.parametrize("kind", [FLAG, FREEZE, LIFT, ASK])
def test_each_further_decision_needs_its_own_right(store, kind):
    """Without it: refused and audited, and nothing is written."""
    adm, _ = two(store)
    rights = {r for r in NADIA.rights if not r.endswith(f":{kind.value.removesuffix('-information')}")}
    assert len(rights) == len(NADIA.rights) - 1
    with pytest.raises(AccessRefused):
        desk(store, replace(NADIA, rights=frozenset(rights))).decide(kind, adm, "", "r", subject="HOMA")
    assert len(events(store, AuditAction.ACCESS_REFUSED)) == 1
    assert store.count(schema.identity_decision) == 0


def test_what_is_old_is_listed_as_stale(store):
    """A question older than the site allows, and no younger one; a freeze is listed while it holds."""
    adm, _ = two(store)
    assert desk(store).list_questions(tuple(Doubt), 10, "", stale=True) == []
    with store.database.write() as connection:
        connection.execute(update(schema.work_item).values(created_at=NOW - timedelta(days=3_000)))
    assert len(desk(store).list_questions(tuple(Doubt), 10, "", stale=True)) == 1
    approved(store, FREEZE, adm, "", "two patients")
    assert [d.one for d in desk(store).list_decisions(Standing.IN_FORCE, FREEZE, 10)] == [adm]
    approved(store, LIFT, adm, "", "one patient")
    assert desk(store).list_decisions(Standing.IN_FORCE, FREEZE, 10) == []
