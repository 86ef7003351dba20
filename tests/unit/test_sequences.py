"""Everyday sequences that once went wrong: each must end as a secretary would expect."""

from dataclasses import replace

import pytest
from facts import (
    AGENDA,
    LAB,
    Gateway,
    at,
    book,
    cancel,
    change,
    document,
    ins,
    ipp,
    merged,
    patient,
    result,
    told,
    visit,
)

from gateway.facts import (
    Abnormality,
    DocumentAct,
    IdentifierChange,
    IdentityProof,
    IdentityStatus,
    MovementAct,
    Observation,
    PatientReported,
    Priority,
    ResultStatus,
    VisitState,
)
from gateway.worklist import ItemKind, ItemState

ANNE_1 = patient(ipp("1"))


def moved(unit: str, minute: int, **changes: object):
    """Give a movement to a unit that began so many minutes into the morning."""
    return visit(ANNE_1, unit=unit, location=unit, moved_at=at(minute), **changes)


def where(gateway: Gateway) -> list[str]:
    """Give the secretariats that have the patient's stay."""
    return [item.secretariat for item in gateway.items(ItemKind.ADMISSION)]


def test_an_admission_entered_again_after_its_cancellation_stands():
    """A01, A11, and the A01 again under the same hour in another unit: the patient is shown there."""
    gateway = Gateway()
    gateway.send(moved("3010", 0), minute=1)
    gateway.send(moved("3010", 0, state=VisitState.CANCELLED, act=MovementAct.CANCEL), minute=60)
    gateway.send(moved("3020", 0), minute=65)
    assert where(gateway) == ["pneumologie"]


def test_a_transfer_entered_again_after_its_cancellation_stands():
    """A01, A02 to the wrong unit, A12, A02 under the same hour to the right one."""
    gateway = Gateway()
    gateway.send(moved("3010", 0), minute=1)
    gateway.send(moved("9999", 120, event="A02"), minute=121)
    gateway.send(moved("3010", 120, act=MovementAct.CANCEL, event="A02"), minute=180)
    gateway.send(moved("3020", 120, event="A02"), minute=185)
    assert where(gateway) == ["pneumologie"]


def test_a_movement_whose_hour_is_corrected_to_an_earlier_one_stands():
    """A Z99 that moves the admission to an earlier hour and another unit is news, not stale."""
    gateway = Gateway()
    gateway.send(moved("3010", 60), minute=61)
    gateway.send(moved("3020", 30, act=MovementAct.UPDATE), minute=90)
    assert where(gateway) == ["pneumologie"]


def test_a_late_movement_is_stale():
    """A transfer of the morning that comes after the afternoon's changes nothing."""
    gateway = Gateway()
    gateway.send(moved("3020", 120), minute=121)
    assert gateway.send(moved("3010", 60), minute=122).endings[0].notes["stale"]
    assert where(gateway) == ["pneumologie"]


def test_a_clock_that_was_ahead_silences_nobody():
    """What a source told under a time yet to come counts as told when it was received."""
    gateway = Gateway()
    gateway.send(told(ANNE_1))
    ahead = gateway.job(told(patient(ipp("1"), birth_date="1958-03-12"), correction=True), minute=10_000)
    object.__setattr__(ahead, "received_at", at(1))
    gateway.process([ahead])
    gateway.send(told(patient(ipp("1"), birth_date="1958-03-13"), correction=True), minute=2)
    assert gateway.person(ipp("1")).traits.birth_date == "1958-03-13"


def test_an_agenda_that_corrects_its_typing_error_still_cancels():
    """Booked under a misspelt name (a doubt), the name corrected: the cancellation reaches the convocation."""
    gateway = Gateway()
    gateway.send(told(ANNE_1))
    gateway.send(book(patient(ipp("1"), birth_family_name="MARTAIN")), source=AGENDA, minute=1)
    gateway.send(change(ANNE_1, start=at(5_000)), source=AGENDA, minute=2)
    assert gateway.only(ItemKind.CONVOCATION).identity == gateway.identity(ipp("1")).id
    gateway.send(cancel(ANNE_1), source=AGENDA, minute=3)
    assert gateway.items(ItemKind.CONVOCATION) == []


def test_a_typing_error_in_a_cancellation_does_not_keep_the_letter():
    """Booked under the right name, cancelled under a misspelt one: no letter is sent, and the desk is asked."""
    gateway = Gateway()
    gateway.send(told(ANNE_1))
    gateway.send(book(ANNE_1), source=AGENDA, minute=1)
    gateway.send(cancel(patient(ipp("1"), birth_family_name="MARTAIN")), source=AGENDA, minute=2)
    assert gateway.items(ItemKind.CONVOCATION) == []
    assert len(gateway.items(ItemKind.IDENTITY)) == 1


def test_a_stale_merge_about_somebody_else_joins_nobody():
    """An A40 older than what is known, whose PID is another person, is a question."""
    gateway = Gateway()
    gateway.send(told(ANNE_1), minute=1)
    gateway.send(told(patient(ipp("2"), birth_family_name="DURAND", sex="M")), minute=60)
    gateway.send(merged(patient(ipp("2"), birth_family_name="AUTRE", sex="F"), ipp("1")), minute=30)
    assert gateway.identity(ipp("1")).person != gateway.identity(ipp("2")).person
    assert len(gateway.items(ItemKind.IDENTITY)) == 1


def test_a_merge_into_a_number_that_was_retired_brings_it_back_only_if_it_is_taken_back():
    """1 into 2, 3 into 2, then 3 into 1: of all three only 2 stays in force."""
    gateway = Gateway()
    for number in "123":
        gateway.send(told(patient(ipp(number))))
    gateway.send(merged(patient(ipp("2")), ipp("1")))
    gateway.send(merged(patient(ipp("2")), ipp("3")))
    gateway.send(merged(patient(ipp("1")), ipp("3")))
    assert [n for n in "123" if not gateway.identity(ipp(n)).retired] == ["2"]


SODIUM = Observation(
    "2951-2", "Sodium", "1", "140", "mmol/L", abnormality=Abnormality.NORMAL, status=ResultStatus.FINAL
)


def test_other_lines_of_an_order_leave_the_critical_one():
    """Critical potassium, then the sodium of the same battery alone: the item stays critical, and holds both."""
    gateway = Gateway()
    gateway.send(result(ANNE_1, abnormality=Abnormality.CRITICAL, value="7"), source=LAB, minute=1)
    gateway.send(result(ANNE_1, observations=(SODIUM,)), source=LAB, minute=2)
    item = gateway.only(ItemKind.RESULT)
    assert (item.priority, item.title) == (Priority.STAT, "result.critical")
    (focus,) = (f for f in gateway.store.foci.values() if f.kind == "result")
    assert [o.code for o in focus.fact.observations] == ["2823-3", "2951-2"]


def test_the_corrected_line_takes_the_place_of_its_own():
    """The same line again, no longer critical: the item is not either."""
    gateway = Gateway()
    gateway.send(result(ANNE_1, abnormality=Abnormality.CRITICAL, value="7"), source=LAB, minute=1)
    gateway.send(result(ANNE_1, ResultStatus.CORRECTED, "4.2"), source=LAB, minute=2)
    assert gateway.only(ItemKind.RESULT).priority is Priority.ROUTINE


@pytest.mark.parametrize("act", [DocumentAct.CREATE, DocumentAct.WITHDRAW, DocumentAct.STATUS])
def test_what_is_told_of_a_replaced_document_leaves_its_replacement(act: DocumentAct):
    """T02 D1, T10 D2 for D1, then D1 sent again, withdrawn or signed: D2 is what there is to read."""
    gateway = Gateway()
    gateway.send(document(ANNE_1), source=LAB, minute=1)
    gateway.send(document(ANNE_1, DocumentAct.REPLACE, "D2", "D1"), source=LAB, minute=2)
    before = gateway.only(ItemKind.CORRESPONDENCE)
    gateway.send(document(ANNE_1, act), source=LAB, minute=3)
    assert gateway.only(ItemKind.CORRESPONDENCE) == before


def test_a_change_that_names_no_time_keeps_it():
    """An S14 of the notes alone leaves start, place and practitioner as they were."""
    gateway = Gateway()
    gateway.send(book(ANNE_1, start=at(9_000), location="Box 1"), source=AGENDA, minute=1)
    gateway.send(change(ANNE_1, start=None, end=None, location="", notes="À jeun"), source=AGENDA, minute=2)
    (focus,) = (f for f in gateway.store.foci.values() if f.kind == "appointment")
    assert (focus.fact.start, focus.fact.location, focus.fact.notes) == (at(9_000), "Box 1", "À jeun")


def test_a_signature_does_not_open_a_letter_again():
    """A T03 tells a status and no content: what was done stays done."""
    gateway = Gateway()
    gateway.send(document(ANNE_1), source=LAB, minute=1)
    gateway.work(gateway.only(ItemKind.CORRESPONDENCE), ItemState.DONE)
    gateway.send(document(ANNE_1, DocumentAct.STATUS, sha256="", completion="LA"), source=LAB, minute=2)
    assert gateway.items(ItemKind.CORRESPONDENCE) == []


def test_an_ordinary_message_takes_no_ins_away():
    """An A01 of the référentiel without the INS, or without the attribute, demotes nobody."""
    gateway = Gateway()
    qualified = replace(patient(ipp("1"), ins(), status=IdentityStatus.QUALIFIEE), attributes=frozenset({"CACH"}))
    gateway.send(told(qualified), minute=1)
    gateway.send(told(patient(ipp("1"), status=IdentityStatus.VALIDEE)), minute=2)
    person = gateway.person(ipp("1"))
    assert (person.status, person.attributes) == (IdentityStatus.QUALIFIEE, {"CACH"})
    assert ins() in person.identifiers


def test_a_newborn_that_gets_its_name_is_the_same_person():
    """Told as SANS PRENOM, named by an A28 later: no question, and the name is never lost again."""
    gateway = Gateway()
    mother = (ipp("9"),)
    nameless = patient(ipp("1"), first_given_name="SANS PRENOM", given_names="", mother=mother, sms_consent=True)
    gateway.send(told(nameless), minute=1)
    gateway.send(told(ANNE_1), minute=2)
    gateway.send(told(nameless), minute=3)
    assert gateway.questions() == []
    assert gateway.person(ipp("1")).traits.first_given_name == "ANNE"


def test_a_correction_that_says_nothing_of_mother_and_consent_keeps_them():
    """An A31 without PID-21 and ZFD leaves what was told."""
    gateway = Gateway()
    gateway.send(
        told(patient(ipp("1"), mother=(ipp("9"),), lunar_birth_date="32/13/1958", sms_consent=False)), minute=1
    )
    gateway.send(told(ANNE_1, correction=True), minute=2)
    held = gateway.identity(ipp("1")).patient
    assert (held.mother, held.lunar_birth_date, held.sms_consent) == ((ipp("9"),), "32/13/1958", False)


def test_what_an_identity_was_established_by_is_kept():
    """Proof, weeks of gestation and status of the national record stay until something else is told of them."""
    gateway = Gateway()
    proof = IdentityProof("INSI", "2026-03-09", "PA", "")
    gateway.send(told(patient(ipp("1"), proof=proof, gestation_weeks=38, national_record="ACTIF")), minute=1)
    gateway.send(told(ANNE_1, correction=True), minute=2)
    held = gateway.identity(ipp("1")).patient
    assert (held.proof, held.gestation_weeks, held.national_record) == (proof, 38, "ACTIF")


def test_an_identity_whose_date_of_birth_was_corrected_takes_no_ins():
    """It loses the one it had, takes none from a message that says nothing of the date, and may once it is not so."""
    gateway = Gateway()
    gateway.send(told(patient(ipp("1"), ins())), minute=1)
    gateway.send(told(patient(ipp("1"), birth_date_corrected=True)), minute=2)
    gateway.send(told(patient(ipp("1"), ins())), minute=3)
    person = gateway.person(ipp("1"))
    assert (person.status, ins() in person.identifiers) == (IdentityStatus.VALIDEE, False)
    gateway.send(told(patient(ipp("1"), ins(), birth_date_corrected=False), correction=True), minute=4)
    assert gateway.person(ipp("1")).status is IdentityStatus.QUALIFIEE


def test_a_demoted_identity_is_recovered_and_without_ins():
    """A47 that takes the INS of a qualified identity away is followed whole, and counted by its meaning."""
    gateway = Gateway()
    gateway.send(told(patient(ipp("1"), ins())), minute=1)
    demoted = PatientReported(
        patient(ipp("1"), status=IdentityStatus.RECUPEREE), change=IdentifierChange.DEMOTED, correction=True
    )
    changes = gateway.send(demoted, minute=2)
    person = gateway.person(ipp("1"))
    assert (person.status, person.identifiers) == (IdentityStatus.RECUPEREE, (ipp("1"),))
    assert changes.endings[0].notes["demoted"] == 1
