"""Decisions of the identity desk, on each store: they stick, they are undone, and the work follows."""

from dataclasses import replace

import pytest
from messages import AUTHORITY, merge, patient_told, pid, result
from sqlalchemy import select, update
from stores import NOW, asked, at_once

from adapters.identity_operations import IdentityOperations
from adapters.store import schema
from adapters.store.audit import AuditQuery
from adapters.store.identity_desk import IdentityDesk
from gateway.audit import AuditAction, AuditEvent
from gateway.decision import DecisionKind, Standing
from gateway.differences import Grade
from gateway.errors import AccessRefused, StateConflict
from gateway.facts import Identifier
from gateway.focus import Doubt
from gateway.principal import Principal, PrincipalKind, Right
from gateway.worklist import ItemState

LINK, NOT_SAME, UNLINK, REQUEST, FLAG, FREEZE, LIFT, ASK, UNDO = DecisionKind
NADIA = Principal("account:nadia", PrincipalKind.PERSON, rights=frozenset(Right))
OMAR = Principal("account:omar", PrincipalKind.PERSON, rights=frozenset(Right))
OTHER = {"family": "AUTREMENT"}


def desk(store, principal=NADIA) -> IdentityOperations:
    return IdentityOperations(principal, IdentityDesk(store.database, store.work), store.trail, store.decider())


def lab(control_id, number, *, beside="", when=10, order="O1", **traits):
    """A result of the laboratory under a number of its own, and imaging's number if told."""
    head, _, *rest = result(control_id, "X", order, when=when).split(b"\r")
    own = pid(number, **traits).replace(f"CHU&{AUTHORITY}", "LAB&1.2.250.1.999.77")
    if beside:
        own = own.replace("^PI|", f"^PI~{beside}^^^RIS&1.2.250.1.999.78&ISO^PI|", 1)
    return b"\r".join([head, own.encode(), *rest])


def identity(store, value, authority="%"):
    record = schema.identity.c
    return store.rows(select(record.id).where(record.value == value, record.authority.like(authority)))[0].id


def person(store, identity_id):
    record = schema.identity.c
    return store.rows(select(record.person_id).where(record.id == identity_id))[0].person_id


def golden(store, identity_id):
    found = person(store, identity_id)
    return store.rows(select(schema.person.c.golden).where(schema.person.c.id == found))[0].golden


def questions(store, *doubts):
    return desk(store).list_questions(doubts or tuple(Doubt), 100, "")


def items(store):
    return {v.item.id: v.item for v in store.worklist.items(None)}


def two(store, **traits):
    """A patient of admissions, and a record of the laboratory that is nobody's yet; give both."""
    store.process(patient_told("C1", "8001"), lab("C2", "L1", **traits))
    return identity(store, "8001"), identity(store, "L1")


def doubted(store):
    """A record of admissions and the provisional one of a doubt about it; give both."""
    store.process(patient_told("C1", "8001"), result("C2", "8001", "O1", when=2))
    contradicting = result("C3", "8001", "O2", when=3).replace(b"FABULAIRE", b"AUTREMENT")
    store.process(contradicting)
    (asked_,) = questions(store)
    return identity(store, "8001"), asked_.record.id, contradicting


def test_a_link_moves_the_record_answers_the_question_and_tells_the_work_anew(store):
    """One person, admissions'; the question's item is withdrawn, the result's has a higher version on the outbox."""
    adm, own = two(store)
    before, told = items(store), store.count(schema.outbox)
    outcome = desk(store).decide(LINK, own, adm, "same person")
    assert outcome.decision.standing is Standing.IN_FORCE
    assert person(store, own) == person(store, adm)
    assert golden(store, own)["confirmed"]
    assert questions(store) == []
    after = items(store)
    for item in before.values():
        assert after[item.id].version == item.version + 1
        assert after[item.id].state is (ItemState.WITHDRAWN if item.kind == "identity" else item.state)
        assert store.worklist.history(item.id)[-1].principal == NADIA.id
    assert store.count(schema.outbox) == told + len(before) + 1  # the decision itself


def test_a_link_sticks(store):
    """The next message of the linked record finds the same person, and nothing is asked again."""
    adm, own = two(store)
    desk(store).decide(LINK, own, adm, "same person")
    store.process(lab("C3", "L1", when=20, order="O2"), patient_told("C4", "8001", event="A31", when=21))
    assert person(store, own) == person(store, adm)
    assert questions(store) == []


def test_a_link_of_a_doubt_leaves_no_possible_double(store):
    """Approved against a strict trait, the same contradiction told again is no question any more."""
    adm, doubt, contradicting = doubted(store)
    number = desk(store).decide(LINK, doubt, adm, "married since").decision.number
    assert person(store, doubt) != person(store, adm)
    desk(store, OMAR).approve(number)
    assert person(store, doubt) == person(store, adm)
    assert questions(store) == []
    store.process(contradicting.replace(b"C3", b"C4").replace(b"O2", b"O3"))
    assert questions(store) == []
    assert person(store, doubt) == person(store, adm)


def test_who_proposed_does_not_approve(store):
    """Against a strict trait a second person is needed, who is another one; the refusal is audited."""
    adm, doubt, _ = doubted(store)
    number = desk(store).decide(LINK, doubt, adm, "married since").decision.number
    with pytest.raises(AccessRefused):
        desk(store).approve(number)
    assert [e.action for e in store.trail.search(AuditQuery())][-1] == AuditAction.ACCESS_REFUSED
    assert [d.number for d in desk(store).list_decisions(Standing.PROPOSED, None, 10)] == [number]
    desk(store, OMAR).approve(number)
    with pytest.raises(StateConflict):
        desk(store, OMAR).approve(number)


def test_not_the_same_sticks_until_a_strict_trait_changes(store):
    """The contradiction told again asks nothing; once a strict trait of the patient has changed, it does."""
    adm, doubt, contradicting = doubted(store)
    desk(store).decide(NOT_SAME, doubt, adm, "two sisters")
    assert questions(store) == []
    store.process(contradicting.replace(b"C3", b"C4").replace(b"O2", b"O3"))
    assert questions(store) == []
    store.process(patient_told("C5", "8001", event="A31", when=30, born="19580322"))
    changed = contradicting.replace(b"C3", b"C6").replace(b"O2", b"O4").replace(b"080300", b"083500")
    store.process(changed)
    assert [q.record.id for q in questions(store)] == [doubt]


def test_a_message_never_joins_whom_people_parted(store):
    """Two numbers that a message joined, and people parted, stay apart whatever names both; nothing is asked again."""
    imaging = lab("C1", "R1").replace(b"LAB&1.2.250.1.999.77", b"RIS&1.2.250.1.999.78")
    store.process(imaging, lab("C2", "L1", beside="R1", when=12, order="O2"))
    own, other = identity(store, "L1"), identity(store, "R1")
    assert person(store, own) == person(store, other)
    desk(store).decide(UNLINK, own, "", "another patient")
    asked_before = questions(store)
    store.process(lab("C3", "L1", beside="R1", when=20, order="O3"))
    assert person(store, own) != person(store, other)
    assert [q.record.id for q in questions(store)] == [q.record.id for q in asked_before]
    with pytest.raises(StateConflict):
        desk(store).decide(LINK, own, other, "again")


def test_the_golden_record_forgets_a_broken_link(store):
    """Once unlinked, neither person shows a number or a trait of the other."""
    adm, own = two(store)
    alone = golden(store, adm)
    desk(store).decide(LINK, own, adm, "same person")
    desk(store).decide(UNLINK, own, "", "it was not")
    assert golden(store, adm) == alone
    assert not golden(store, own)["confirmed"]
    assert "8001" not in str(golden(store, own)["identifiers"])


def test_an_undo_restores_exactly_what_was_moved(store):
    """Persons, golden records and open questions are as they were; the items say so, with a higher version."""
    adm, own = two(store)
    before = (person(store, adm), person(store, own), golden(store, adm), golden(store, own))
    asked_before = [q.record.id for q in questions(store)]
    number = desk(store).decide(LINK, own, adm, "same person").decision.number
    versions = {i.id: i.version for i in items(store).values()}
    store.process(patient_told("C9", "8009", when=40))  # something else meanwhile
    undoing = desk(store).undo(number, "a mistake")
    assert (person(store, adm), person(store, own), golden(store, adm), golden(store, own)) == before
    assert [q.record.id for q in questions(store)] == asked_before
    assert all(items(store)[i].version > version for i, version in versions.items())
    assert undoing.stays == ()
    with pytest.raises(StateConflict):
        desk(store).undo(number, "again")


def test_an_undo_leaves_what_admissions_merged_since_and_names_it(store):
    """A record that went along with a merge stays with the survivor."""
    adm, own = two(store)
    number = desk(store).decide(LINK, own, adm, "same person").decision.number
    store.process(patient_told("C3", "8002", when=20), merge("C4", "8002", "8001", when=21))
    survivor = identity(store, "8002")
    assert person(store, own) == person(store, adm) == person(store, survivor)
    assert desk(store).undo(number, "a mistake").stays == (own,)
    assert person(store, own) == person(store, survivor)


def test_a_merge_that_was_taken_back_is_not_made_again_by_its_replay(store):
    """An un-merge sticks: the same A40 processed again leaves the two apart."""
    _, _, number = store.process(patient_told("C1", "8001"), patient_told("C2", "8002"), merge("C3", "8001", "8002"))
    kept, retired = identity(store, "8001"), identity(store, "8002")
    assert person(store, kept) == person(store, retired)
    desk(store).decide(UNLINK, retired, "", "two patients")
    assert person(store, kept) != person(store, retired)

    store.inbox.replay(number, AuditEvent(NOW, AuditAction.MESSAGE_REPLAYED, "tester", message=number))
    store.process()
    assert person(store, kept) != person(store, retired)


def test_a_merge_takes_nobody_along_whom_people_parted_from_the_survivor(store):
    """A record decided not to be the survivor's person stays behind when its person's number is retired."""
    adm, own = two(store)
    store.process(patient_told("C3", "8002", when=3))
    survivor = identity(store, "8002")
    desk(store).decide(NOT_SAME, own, survivor, "two patients")
    desk(store).decide(LINK, own, adm, "same person")
    store.process(merge("C4", "8002", "8001", when=21))
    assert person(store, adm) == person(store, survivor)
    assert person(store, own) != person(store, survivor)


def test_a_chain_of_merges_and_a_merge_of_the_merged_keep_a_link(store):
    """A human link is broken by no merge: the linked record follows to the last survivor, and is in one person."""
    adm, own = two(store)
    desk(store).decide(LINK, own, adm, "same person")
    store.process(patient_told("C3", "8002", when=3), patient_told("C4", "8003", when=4))
    store.process(merge("C5", "8002", "8001", when=21), merge("C6", "8003", "8002", when=22))
    store.process(merge("C7", "8003", "8001", when=23))
    assert {person(store, i) for i in (adm, own)} == {person(store, identity(store, "8003"))}
    rows = store.rows(select(schema.identity.c.id))
    assert len(rows) == len({r.id for r in rows})


def test_a_merge_request_moves_nothing_and_is_over_once_admissions_merged(store):
    """Two numbers of one domain are for admissions: the request is listed until the A40 comes."""
    store.process(patient_told("C1", "8001"), patient_told("C2", "8002"))
    kept, double = identity(store, "8001"), identity(store, "8002")
    with pytest.raises(StateConflict, match="request a merge"):
        desk(store).decide(LINK, kept, double, "same person")
    desk(store).decide(REQUEST, double, kept, "a double")
    assert person(store, kept) != person(store, double)

    def wanted():
        return [d.one for d in desk(store).list_decisions(Standing.IN_FORCE, REQUEST, 10)]

    assert wanted() == [double]
    store.process(merge("C3", "8001", "8002", when=5))
    assert wanted() == []


def test_what_others_were_told_makes_an_unlink_a_matter_of_two_and_is_named(store):
    """An item that somebody has done is « déjà transmis »: the unlink is proposed, and names it."""
    adm, own = two(store)
    desk(store).decide(LINK, own, adm, "same person")
    done = next(i for i in items(store).values() if i.kind == "result")
    with store.database.write() as connection:
        connection.execute(update(schema.work_item).where(schema.work_item.c.id == done.id).values(state="done"))
    outcome = desk(store).decide(UNLINK, own, "", "another patient")
    assert outcome.decision.standing is Standing.PROPOSED
    assert person(store, own) == person(store, adm)
    assert [i.id for i in desk(store, OMAR).approve(outcome.decision.number).told] == [done.id]
    assert person(store, own) != person(store, adm)


def test_a_preview_changes_nothing(store):
    """What is only looked at moves nobody, and says the same as what is done then."""
    adm, own = two(store)
    before = items(store)
    preview = desk(store).decide(LINK, own, adm, "same person", really=False)
    assert (items(store), store.count(schema.identity_decision)) == (before, 0)
    done = desk(store).decide(LINK, own, adm, "same person")
    assert (preview.decision.moves, preview.items) == (done.decision.moves, done.items)


@pytest.mark.parametrize("reason", ["", "  ", "x" * 501])
def test_a_decision_needs_a_reason_of_some_words(store, reason):
    """Blank or endless is none; nothing is decided."""
    adm, own = two(store)
    with pytest.raises(StateConflict):
        desk(store).decide(LINK, own, adm, reason)
    assert store.count(schema.identity_decision) == 0


def test_each_act_needs_its_right_and_leaves_an_event_without_the_reason(store):
    """Without the right: refused and audited. With it: who, whom, what; free words stay with the decision."""
    adm, own = two(store)
    nobody = replace(NADIA, rights=frozenset({Right.IDENTITY_READ}))
    for act in (
        lambda d: d.decide(LINK, own, adm, "r"),
        lambda d: d.undo(1, "r"),
        lambda d: d.approve(1),
        lambda d: d.show(adm, "to see"),
        lambda d: d.compare([adm, own], "to see"),
    ):
        with pytest.raises(AccessRefused):
            act(desk(store, nobody))
        assert [e.action for e in store.trail.search(AuditQuery())][-1] == AuditAction.ACCESS_REFUSED
    desk(store).decide(LINK, own, adm, "MARTIN est une")
    event = next(e for e in store.trail.search(AuditQuery()) if e.action == AuditAction.IDENTITY_LINK_DECIDED)
    assert (event.principal, set(event.patients), event.entities) == (NADIA.id, {adm, own}, ("decision/1",))
    assert "MARTIN" not in str(event.detail)


def test_records_are_shown_side_by_side_with_the_grade_of_each_difference(store):
    """Another name is blocking; the same one without its hyphen is cosmetic."""
    store.process(patient_told("C1", "8001", family="LE-GOFF"), lab("C2", "L1", family="LE GOFF", born="19580322"))
    _, lines = desk(store).compare([identity(store, "8001"), identity(store, "L1")], "")
    grades = {line.trait: line.grade for line in lines}
    assert grades["birth_family_name"] is Grade.COSMETIC
    assert grades["birth_date"] is Grade.BLOCKING
    assert grades["first_given_name"] is None
    shown = desk(store).show(identity(store, "8001"), "")
    assert [r.key for r in shown.family] == [Identifier(AUTHORITY, "8001")]


def test_a_batch_knows_what_was_decided_without_a_statement_more(store):
    """What is in force stands on the records, so that no message pays for it."""
    adm, own = two(store)

    def statements(control_id):
        store.take(result(control_id, "8001", f"O{control_id}", when=30))
        with asked(store) as sent:
            store.worker().run_once()
        return len(sent)

    before = statements("S1")
    desk(store).decide(LINK, own, adm, "same person")
    assert statements("S2") == before


def test_two_people_who_decide_at_once_decide_once(store, twin):
    """The second finds what the first has decided, and is told so."""
    adm, own = two(store)

    def decide(database, principal):
        try:
            return desk(database, principal).decide(LINK, own, adm, "same person").decision.number
        except StateConflict:
            return None

    done = at_once(lambda: decide(store, NADIA), lambda: decide(twin, OMAR))
    assert sorted(map(bool, done)) == [False, True]
    assert store.count(schema.identity_decision) == 1


def test_a_decision_beside_a_worker_loses_nothing(store, twin):
    """Messages about the records that a decision moves take effect before or after it, each once."""
    adm, own = two(store)
    store.take(*(lab(f"D{n}", "L1", when=20 + n, order=f"D{n}") for n in range(8)))
    at_once(lambda: desk(twin).decide(LINK, own, adm, "same person"), store.process)
    assert person(store, own) == person(store, adm)
    assert questions(store) == []
    assert store.inbox.summary()["processed"] == 10
    assert [v.person.confirmed for v in store.worklist.items(None) if v.item.kind == "result"] == [True] * 9


def test_a_proposal_is_withdrawn_by_an_undo(store):
    """What was only proposed has moved nothing; once undone nobody approves it, and the question stays open."""
    adm, doubt, _ = doubted(store)
    number = desk(store).decide(LINK, doubt, adm, "married since").decision.number
    assert desk(store).undo(number, "a mistake").decision.standing is Standing.UNDONE
    with pytest.raises(StateConflict):
        desk(store, OMAR).approve(number)
    assert person(store, doubt) != person(store, adm)
    assert [q.record.id for q in questions(store)] == [doubt]
