"""A stay that was entered under the wrong patient is moved, with its items, or a person is asked."""

from dataclasses import replace

from facts import CLINIC, LAB, PAUL, Gateway, ipp, patient, result, told, visit

from gateway.audit import AuditAction
from gateway.facts import Identifier, IdentifierKind, StayMoved, VisitReported, VisitState
from gateway.worklist import ItemKind

ANNE_1, PAUL_2 = patient(ipp("1")), patient(ipp("2"), of=PAUL)
NDA1 = Identifier(ipp("1").authority, "NDA1", IdentifierKind.OTHER)


def gateway():
    """Give one with a stay under Anne, which is Paul's."""
    found = Gateway()
    found.send(told(PAUL_2), minute=0)
    found.send(visit(ANNE_1), minute=1)
    return found


def move(to=PAUL_2, former="1", numbers=(NDA1,)):
    return StayMoved(to, ipp(former), numbers)


def ends(found, *facts, minute=2, **changes):
    """Give the rule by which a message ends in quarantine."""
    return found.process([found.job(*facts, minute=minute, **changes)]).endings[0].outcome.error


def test_a_stay_goes_with_its_items_to_the_patient_whose_it_is():
    """The open item is Paul's, as a new version; what else was Anne's stays hers; the audit event names both."""
    found = gateway()
    found.send(result(ANNE_1), source=LAB, minute=1)
    item, other = found.only(ItemKind.ADMISSION), found.only(ItemKind.RESULT)
    changes = found.send(move(), minute=2)
    moved = found.only(ItemKind.ADMISSION)
    assert (moved.id, moved.identity, moved.version) == (item.id, found.identity(ipp("2")).id, item.version + 1)
    assert found.only(ItemKind.RESULT) == other
    assert [e.item for e in changes.outbox] == [item.id]
    (event,) = [e for e in changes.audit if e.action is AuditAction.STAY_MOVED]
    assert event.patients == (moved.identity, item.identity)


def test_the_stay_goes_on_under_the_other_patient():
    """A later movement of Paul is of the stay; a later one of Anne is a question to a person."""
    found = gateway()
    found.send(move(), minute=2)
    found.send(visit(PAUL_2, VisitState.DISCHARGED), minute=3)
    assert found.only(ItemKind.ADMISSION).title == "admission.left"
    assert ends(found, visit(ANNE_1), minute=4) == "MessageIncoherent"


def test_what_was_told_of_the_stay_before_it_was_moved_still_counts():
    """A movement from before the move that comes behind it names Anne, and is of the stay all the same (P3)."""
    found = gateway()
    found.send(move(), minute=5)
    found.send(visit(ANNE_1, unit="3020", location="PNEUMO", event="A02"), minute=3)
    item = found.only(ItemKind.ADMISSION)
    assert (item.secretariat, item.identity) == ("pneumologie", found.identity(ipp("2")).id)


def test_another_move_gives_it_back_and_a_stale_one_does_not():
    """A44 the other way round is followed; the first one told again moves nobody, and says so."""
    found = gateway()
    first = found.job(move(), minute=2)
    found.process([first])
    found.send(move(ANNE_1, "2"), minute=3)
    changes = found.process([first])
    assert found.only(ItemKind.ADMISSION).identity == found.identity(ipp("1")).id
    assert AuditAction.FACT_STALE in {e.action for e in changes.audit}


def test_a_move_told_again_moves_nobody():
    """The stay is the other patient's already."""
    found = gateway()
    found.send(move(), minute=2)
    assert not found.send(move(), minute=2).outbox


def test_the_stay_may_have_a_new_number():
    """It is found by the number it had (MRG-3), and by both from then on."""
    found = gateway()
    new = Identifier(NDA1.authority, "NDA9", IdentifierKind.OTHER)
    found.send(move(numbers=(new, NDA1)), minute=2)
    found.send(visit(PAUL_2, VisitState.DISCHARGED, key="NDA9"), minute=3)
    (stay,) = (f.fact for f in found.store.foci.values() if isinstance(f.fact, VisitReported))
    assert (stay.visit, stay.state) == (new, VisitState.DISCHARGED)


def test_what_cannot_be_moved_is_for_a_person():
    """An unknown stay, another holder, a doubtful patient, and a source that vouches for neither: all unmoved."""
    found = gateway()
    unknown = Identifier(NDA1.authority, "NDA8", IdentifierKind.OTHER)
    third = patient(ipp("3"), birth_family_name="MOREAU")
    found.send(told(third), minute=1)
    for fact in (move(numbers=(unknown,)), move(former="3"), move(patient(ipp("2"), birth_date="1990-01-01"))):
        assert ends(found, fact) == "PersonNeeded"
    for source in (LAB, CLINIC):
        assert ends(found, move(), source=source) == "PersonNeeded"
    assert found.only(ItemKind.ADMISSION).identity == found.identity(ipp("1")).id
    assert found.questions() == []


def test_a_stay_with_another_number_is_found_by_both():
    """A49 and A50: the same stay, and no item for it; whoever still uses the number that it had is understood."""
    found = gateway()
    item = found.only(ItemKind.ADMISSION)
    new = replace(NDA1, value="NDA2")
    found.send(StayMoved(ANNE_1, ipp("1"), (new, NDA1)), minute=2)
    assert AuditAction.STAY_RENUMBERED in found.actions()
    found.send(visit(ANNE_1, VisitState.DISCHARGED, key="NDA2"), minute=3)
    assert (found.only(ItemKind.ADMISSION).id, found.only(ItemKind.ADMISSION).title) == (item.id, "admission.left")
    found.send(visit(ANNE_1, unit="3020", location="PNEUMO", event="A02"), minute=4)
    assert found.only(ItemKind.ADMISSION).secretariat == "pneumologie"


def test_two_stays_under_two_numbers_are_no_renumbering():
    """That would merge them: a person does it, as does one whom another source than admissions asks."""
    found = gateway()
    found.send(visit(ANNE_1, key="NDA2"), minute=1)
    both = StayMoved(ANNE_1, ipp("1"), (replace(NDA1, value="NDA2"), NDA1))
    assert ends(found, both) == "PersonNeeded"
    assert ends(found, StayMoved(ANNE_1, ipp("1"), (replace(NDA1, value="N3"), NDA1)), source=LAB) == "PersonNeeded"
