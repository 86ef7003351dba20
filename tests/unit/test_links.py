"""Links and unlinks (A24, A37): followed from admissions across domains, asked of a person otherwise."""

from facts import ANNE, LAB, PAUL, Gateway, ipp, own, patient, result, told

from gateway.audit import AuditAction
from gateway.facts import PatientsLinked
from gateway.focus import Doubt
from gateway.worklist import ItemKind

LAB_7 = own(LAB, "7")
ANNE_1, OF_LAB = patient(ipp("1")), patient(LAB_7)


def gateway():
    """Give one where the laboratory has told of a patient whom nobody else knows."""
    found = Gateway()
    found.send(told(ANNE_1), minute=0)
    found.send(result(OF_LAB), source=LAB, minute=1)
    assert found.identity(ipp("1")).person != found.identity(LAB_7).person
    return found


def test_a_link_makes_two_numbers_one_person():
    """The open item shows the person that admissions vouches for, and nobody need ask who it is any more."""
    found = gateway()
    item = found.only(ItemKind.RESULT)
    changes = found.send(PatientsLinked(ANNE_1, OF_LAB), minute=2)
    assert found.identity(ipp("1")).person == found.identity(LAB_7).person
    assert found.person(LAB_7).identifiers == (ipp("1"),)
    assert found.questions() == []
    assert item.id in [e.item for e in changes.outbox]
    (event,) = [e for e in changes.audit if e.action is AuditAction.IDENTITY_LINKED]
    assert set(event.patients) == {found.identity(ipp("1")).id, found.identity(LAB_7).id}


def test_an_unlink_gives_each_a_person_of_its_own_and_a_stale_link_does_not_join_them():
    """A37 undoes A24, whose replay moves nobody; a link told later does again."""
    found = gateway()
    first = found.job(PatientsLinked(ANNE_1, OF_LAB), minute=2)
    found.process([first])
    changes = found.send(PatientsLinked(ANNE_1, OF_LAB, apart=True), minute=3)
    assert found.identity(ipp("1")).person != found.identity(LAB_7).person
    assert AuditAction.IDENTITY_UNLINKED in {e.action for e in changes.audit}
    found.process([first])
    assert found.identity(ipp("1")).person != found.identity(LAB_7).person
    found.send(PatientsLinked(ANNE_1, OF_LAB), minute=4)
    assert found.identity(ipp("1")).person == found.identity(LAB_7).person


def test_a_link_of_one_domain_is_a_question_and_no_merge():
    """Two IPP are one person by an A40 alone (EXI SI 37)."""
    found = gateway()
    found.send(PatientsLinked(ANNE_1, patient(ipp("2"))), minute=2)
    assert found.identity(ipp("1")).person != found.identity(ipp("2")).person
    assert Doubt.LINK_ASKED in {q.doubt for q in found.questions()}


def test_a_link_by_a_department_or_of_unlike_patients_is_a_question():
    """Neither is for the gateway to follow; both numbers stand in the question."""
    for source, of in ((LAB, ANNE), (None, PAUL)):
        found = Gateway()
        found.send(told(ANNE_1), minute=0)
        found.send(result(patient(LAB_7, of=of)), source=LAB, minute=1)
        sender = {"source": source} if source else {}
        changes = found.send(PatientsLinked(ANNE_1, patient(LAB_7, of=of)), minute=2, **sender)
        assert found.identity(ipp("1")).person != found.identity(LAB_7).person
        (asked,) = [e for e in changes.audit if e.detail.get("doubt") == Doubt.LINK_ASKED]
        assert set(asked.patients) == {found.identity(ipp("1")).id, found.identity(LAB_7).id}


def test_a_link_that_holds_already_does_nothing():
    """Told again, nobody moves; and an unlink of two who never were one neither."""
    found = gateway()
    found.send(PatientsLinked(ANNE_1, OF_LAB, apart=True), minute=2)
    found.send(PatientsLinked(ANNE_1, OF_LAB), minute=3)
    changes = found.send(PatientsLinked(ANNE_1, OF_LAB), minute=4)
    assert not changes.outbox
