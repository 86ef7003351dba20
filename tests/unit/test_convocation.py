"""The decisions of the trade about convocations, row by row: from what an appointment was to what it is now."""

from dataclasses import replace
from datetime import timedelta

import pytest
from facts import AGENDA, SITE, Gateway, appointment, at, book, cancel, change, declare, ipp, patient, told, visit

from gateway.audit import AuditAction
from gateway.convening import Convening, KindRule
from gateway.convocation import (
    DECISIONS,
    ConvocationAct,
    ConvocationKind,
    ConvocationState,
    Holds,
    Notice,
    Outcome,
    Standing,
    acted,
)
from gateway.facts import Address, AppointmentAct, AppointmentStatus, Contact, Representative, VisitState
from gateway.reach import Addressee, Channel, Reason
from gateway.site import Secretariat
from gateway.worklist import ItemKind, ItemState

DAY = 60 * 24
HOME = Contact(Address(("12 rue des Lilas",), "63000", "Clermont-Ferrand"), ("0473000001",))
ANNE_1 = patient(ipp("1"), contact=HOME)
CHILD = patient(ipp("1"), birth_date="2015-06-01", contact=HOME)
RULES = Convening(
    kinds=(
        KindRule(ConvocationKind.EXAMINATION, {"code": ("SCAN*",)}, lead_days=3),
        KindRule(ConvocationKind.SURGERY, {"unit": ("2310",)}),
        KindRule(ConvocationKind.CONSULTATION, follow_up=True),
    ),
    completion="bureau",
    patient_reasons=("pat*",),
)
CONVENING = replace(
    SITE, convening=RULES, secretariats=SITE.secretariats | {"bureau": Secretariat("bureau", "Bureau des entrées")}
)
FUTURE = at(30 * DAY)


def gateway(who=ANNE_1, site=CONVENING) -> Gateway:
    """A gateway that admissions has told of the patient."""
    made = Gateway(site)
    made.send(told(who))
    return made


def tell(made: Gateway, *facts, minute: int = 1, source=AGENDA) -> None:
    for later, fact in enumerate(facts):
        made.send(fact, source=source, minute=minute + later)


def of(made: Gateway, key: str = "RDV1"):
    """The convocations of the one appointment or stay with this key."""
    focus = next(f for (_, _, value), f in made.store.focus_keys.items() if value == key)
    return made.store.convocations[focus]


def act(made: Gateway, *acts: ConvocationAct, key: str = "RDV1", follow_up: bool = False) -> None:
    """A secretary does something with the live one, and is done with the item where that ends it."""
    for each in acts:
        known = of(made, key)
        after = acted(known, each, made.now, "account:nadia", recipient=("Anne", "12 rue"), follow_up=follow_up)
        made.store.convocations[known.appointment] = after
        for item in [i for i in made.store.items.values() if i.focus == known.appointment]:
            if each is ConvocationAct.RETURN or (item.open and not after.to_do):
                made.work(item, ItemState.NEW if each is ConvocationAct.RETURN else ItemState.DONE)


def item(made: Gateway):
    """Title and whether open, of the appointment's item on its own queue."""
    (found,) = [i for i in made.items(ItemKind.CONVOCATION, every=True) if i.secretariat == "cardiologie"]
    return found.title, found.open


def booked(who=ANNE_1, **changes) -> Gateway:
    made = gateway(who)
    tell(made, book(who, start=FUTURE, **changes))
    return made


def sent(who=ANNE_1, **changes) -> Gateway:
    """Booked, printed and sent."""
    made = booked(who, **changes)
    act(made, ConvocationAct.PRINT, ConvocationAct.SEND)
    return made


def test_the_table_decides_whatever_an_appointment_is_and_the_patient_holds():
    """No row is missing."""
    assert set(DECISIONS) == {(standing, holds) for standing in Standing for holds in Holds}


@pytest.mark.parametrize("status", [AppointmentStatus.PROPOSED, AppointmentStatus.PENDING, AppointmentStatus.WAITLIST])
def test_none_to_proposed_or_waitlist_is_no_letter_but_an_item_to_schedule(status):
    """« À programmer »."""
    made = gateway()
    tell(made, book(ANNE_1, status=status, start=None))
    assert (of(made).outcome, of(made).each, item(made)) == (
        Outcome.SCHEDULE,
        (),
        ("convocation.to-schedule", True),
    )


def test_none_to_booked_in_the_future_generates():
    """One convocation to prepare, its item, and an event that says so."""
    made = booked()
    (one,) = of(made).each
    assert (one.number, one.notice, one.state) == (1, Notice.INVITATION, ConvocationState.TO_PREPARE)
    assert one.content.start == FUTURE
    assert (one.reach.channel, one.reach.addressee) == (Channel.LETTER, Addressee.PATIENT)
    assert item(made) == ("convocation.to-send", True)
    assert AuditAction.CONVOCATION_GENERATED in made.actions()


CHANGES = [
    pytest.param({"start": FUTURE + timedelta(days=1)}, id="start"),
    pytest.param({"location": "Box 9"}, id="place"),
    pytest.param({"practitioner": "DR MARC ROUX"}, id="practitioner"),
    pytest.param({"notes": "À jeun"}, id="instructions"),
]


@pytest.mark.parametrize("changes", CHANGES)
def test_booked_to_booked_changed_and_not_sent_replaces(changes):
    """The same convocation says the new thing; nothing is annulled, for nothing has left."""
    made = booked()
    tell(made, change(ANNE_1, **{"start": FUTURE, **changes}), minute=9)
    (one,) = of(made).each
    assert (one.notice, one.state, one.replaces) == (Notice.INVITATION, ConvocationState.TO_PREPARE, 0)
    assert all(getattr(one.content, {"location": "place"}.get(n, n)) == value for n, value in changes.items())
    assert AuditAction.CONVOCATION_CHANGED in made.actions()


@pytest.mark.parametrize("changes", CHANGES)
@pytest.mark.parametrize("acts", [(ConvocationAct.PRINT,), (ConvocationAct.PRINT, ConvocationAct.SEND)])
def test_booked_to_booked_changed_and_sent_corrects(acts, changes):
    """« Annule et remplace »: what left is superseded, and one is live; a printed letter may be in the post."""
    made = booked()
    act(made, *acts)
    tell(made, change(ANNE_1, **{"start": FUTURE, **changes}), minute=9)
    first, second = of(made).each
    assert (first.state, second.state) == (ConvocationState.SUPERSEDED, ConvocationState.TO_PREPARE)
    assert (second.notice, second.replaces, second.number) == (Notice.CORRECTION, 1, 2)
    assert item(made) == ("convocation.to-correct", True)
    assert AuditAction.CONVOCATION_SUPERSEDED in made.actions()


def test_visible_fields_unchanged_is_nothing():
    """A new end, priority or repetition is no letter, no version and no event."""
    made = sent()
    before, events, told_before = of(made), len(made.audit), len(made.outbox)
    tell(made, change(ANNE_1, start=FUTURE, end=FUTURE + timedelta(hours=1)), minute=9)
    assert (of(made), len(made.outbox)) == (before, told_before)
    assert not [e for e in made.audit[events:] if e.action.startswith("gateway:convocation")]


def test_moved_and_moved_back_before_the_correction_left_is_the_first_letter_again():
    """The patient holds what is right: no letter, and the first is live as it was."""
    made = sent()
    tell(made, change(ANNE_1, start=FUTURE + timedelta(days=1)), change(ANNE_1, start=FUTURE), minute=9)
    (one,) = of(made).each
    assert (one.state, of(made).outcome) == (ConvocationState.SENT, Outcome.KEEP)
    assert not item(made)[1]


@pytest.mark.parametrize("status", [AppointmentStatus.CANCELLED, AppointmentStatus.ENTERED_IN_ERROR])
def test_booked_to_cancelled_and_not_sent_withdraws(status):
    """No trace but the audit's: nothing is live, the item is withdrawn."""
    made = booked()
    tell(made, cancel(ANNE_1, status=status), minute=9)
    assert (of(made).each, of(made).outcome, item(made)) == (
        (),
        Outcome.WITHDRAW,
        ("convocation.cancelled", False),
    )
    assert AuditAction.CONVOCATION_CANCELLED in made.actions()


@pytest.mark.parametrize("status", [AppointmentStatus.CANCELLED, AppointmentStatus.ENTERED_IN_ERROR])
def test_booked_to_cancelled_and_sent_is_a_cancellation_letter(status):
    """It names the appointment that is no more."""
    made = sent()
    tell(made, cancel(ANNE_1, status=status, start=None), minute=9)
    first, second = of(made).each
    assert (first.state, second.notice, second.content.start) == (
        ConvocationState.CANCELLED,
        Notice.CANCELLATION,
        FUTURE,
    )
    assert item(made) == ("convocation.cancellation-to-send", True)


def test_cancelled_at_the_patients_request_is_no_letter():
    """Who asked for it knows."""
    made = sent()
    tell(made, cancel(ANNE_1, reason_code="PAT-CRS"), minute=9)
    assert (of(made).live, of(made).outcome) == (None, Outcome.WITHDRAW)
    assert not item(made)[1]


def test_cancelled_to_booked_is_a_new_one():
    """The patient has been told that there is none: it is an invitation, and annuls nothing."""
    made = sent()
    tell(made, cancel(ANNE_1), minute=9)
    act(made, ConvocationAct.PRINT, ConvocationAct.SEND)
    tell(made, book(ANNE_1, start=FUTURE), minute=12)
    assert [c.state for c in of(made).each] == [
        ConvocationState.CANCELLED,
        ConvocationState.SUPERSEDED,
        ConvocationState.TO_PREPARE,
    ]
    assert (of(made).live.notice, item(made)) == (Notice.INVITATION, ("convocation.to-send", True))


@pytest.mark.parametrize(
    "status", [AppointmentStatus.ARRIVED, AppointmentStatus.CHECKED_IN, AppointmentStatus.FULFILLED]
)
def test_to_arrived_checked_in_or_fulfilled_closes(status):
    """The convocation is honoured."""
    made = sent()
    tell(made, change(ANNE_1, start=FUTURE, status=status), minute=9)
    assert (of(made).live, of(made).last.state) == (None, ConvocationState.HONOURED)
    assert not item(made)[1]


def test_to_noshow_closes_and_is_followed_up_by_rule():
    """A consultation's rule asks for a call; an examination's does not."""
    for code, follows in (("", True), ("SCAN1", False)):
        made = sent(service_code=code)
        tell(made, change(ANNE_1, start=FUTURE, service_code=code, status=AppointmentStatus.NOSHOW), minute=9)
        assert of(made).last.state is ConvocationState.NO_SHOW
        assert item(made) == ("convocation.no-show" if follows else "convocation.to-send", follows)


@pytest.mark.parametrize(("days", "code", "channel"), [(4, "", "phone"), (5, "", "letter"), (4, "SCAN1", "letter")])
def test_start_nearer_than_the_lead_time_is_a_phone_task(days, code, channel):
    """By the kind's own lead time, in days of the calendar from when the agenda told it."""
    made = gateway()
    tell(made, book(ANNE_1, start=at(days * DAY), service_code=code))
    assert of(made).reach.channel == channel
    assert item(made) == (f"convocation.to-{'phone' if channel == 'phone' else 'send'}", True)


def test_moved_from_tomorrow_to_next_month_is_a_phone_task():
    """Else the patient would come tomorrow."""
    made = gateway()
    tell(made, book(ANNE_1, start=at(7 * DAY)))
    act(made, ConvocationAct.PRINT, ConvocationAct.SEND)
    tell(made, change(ANNE_1, start=FUTURE), minute=6 * DAY)
    assert (of(made).reach.reason, item(made)) == (Reason.SOON, ("convocation.to-phone-moved", True))


def test_past_start_is_no_letter_but_an_anomaly():
    """Booked for yesterday: a person looks."""
    made = gateway()
    tell(made, book(ANNE_1, start=at(-DAY)))
    assert (of(made).each, item(made)) == ((), ("convocation.past-start", True))


def test_a_deceased_patient_is_never_told_and_all_is_withdrawn():
    """Every convocation of the patient, sent or not, and no cancellation letter; another appointment makes none."""
    made = sent()
    tell(made, book(ANNE_1, "RDV2", start=FUTURE, location="Box 3"), minute=5)
    made.send(told(replace(ANNE_1, deceased=True), correction=True))
    assert [of(made, key).live for key in ("RDV1", "RDV2")] == [None, None]
    assert [i.open for i in made.items(ItemKind.CONVOCATION, every=True)] == [False, False]
    tell(made, cancel(ANNE_1), book(ANNE_1, "RDV3", start=FUTURE), minute=12)
    assert [of(made, key).outcome for key in ("RDV1", "RDV3")] == [Outcome.NEVER] * 2


def test_a_death_told_by_mistake_and_taken_back_restores_what_was():
    """The patient's letter counts again."""
    made = sent()
    made.send(told(replace(ANNE_1, deceased=True), correction=True))
    made.send(told(replace(ANNE_1, deceased=False), correction=True))
    assert of(made).live.state is ConvocationState.SENT


def test_a_fictitious_identity_is_never_told():
    """Only a human patient is convened."""
    made = booked(replace(ANNE_1, attributes=frozenset({"FICT"})))
    assert (of(made).each, of(made).outcome) == ((), Outcome.NEVER)


LEGAL = Representative("DURAND", "MARC", Contact(Address(("3 place du Marché",), "63200", "Riom"), ("0600000009",)))


@pytest.mark.parametrize(
    ("representatives", "addressee"), [(None, Addressee.GUARDIANS), ((LEGAL,), Addressee.REPRESENTATIVE)]
)
def test_a_minor_is_told_by_the_legal_representative(representatives, addressee):
    """By the one who is declared, else by whoever it is at the minor's address."""
    made = booked(replace(CHILD, representatives=representatives))
    assert (of(made).reach.channel, of(made).reach.addressee) == (Channel.LETTER, addressee)


@pytest.mark.parametrize("restriction", ["INVISIBLE_REP_LEGAUX", "CONNEXION_SECRETE"])
def test_a_minors_secret_is_told_to_the_minor_by_telephone(restriction):
    """Never by a letter that a representative opens."""
    made = booked(replace(CHILD, representatives=(LEGAL,)), restrictions=frozenset({restriction}))
    assert of(made).reach.channel is Channel.PHONE
    assert (of(made).reach.addressee, of(made).reach.reason) == (Addressee.PATIENT, Reason.OF_A_MINOR)


def test_a_minor_in_a_sensitive_unit_is_told_by_telephone():
    """The same where the secretariat is sensitive; an adult there gets a letter."""
    sensitive = Secretariat("cardiologie", "Cardiologie", sensitive=True)
    site = replace(CONVENING, secretariats=CONVENING.secretariats | {"cardiologie": sensitive})
    for who, channel in ((CHILD, Channel.PHONE), (ANNE_1, Channel.LETTER)):
        made = gateway(who, site)
        tell(made, book(who, start=FUTURE))
        assert of(made).reach.channel is channel


def test_a_protected_adult_is_told_by_the_declared_representative_only():
    """Also who has come of age since."""
    made = booked(replace(ANNE_1, representatives=(LEGAL,)))
    assert of(made).reach.addressee is Addressee.REPRESENTATIVE


@pytest.mark.parametrize("who", [{"attributes": frozenset({"CACH"})}, {}])
def test_a_confidential_stay_is_no_letter_home_unless_flagged(who):
    """By telephone; by letter to the address that the patient has named for letters."""
    confidential = {} if who else {"confidential": True}
    made = booked(replace(ANNE_1, **who), **confidential)
    assert (of(made).reach.channel, of(made).reach.reason) == (Channel.PHONE, Reason.CONFIDENTIAL)
    elsewhere = replace(HOME, address=replace(HOME.address, mailing=True))
    made = booked(replace(ANNE_1, contact=elsewhere, **who), **confidential)
    assert of(made).reach.channel is Channel.LETTER


def test_no_usable_address_is_a_phone_task():
    """A town alone is none."""
    made = booked(replace(ANNE_1, contact=Contact(Address((), "63000", "Clermont-Ferrand"), ("0473000001",))))
    assert (of(made).reach.reason, item(made)) == (Reason.NO_ADDRESS, ("convocation.to-phone", True))


def test_no_usable_address_or_phone_is_a_completion_item_to_the_bureau_des_entrees():
    """Beside the secretariat's own; withdrawn once the address has come, and the letter is to be sent."""
    nowhere = replace(ANNE_1, contact=Contact())
    made = booked(nowhere)
    titles = {i.secretariat: i.title for i in made.items(ItemKind.CONVOCATION)}
    assert titles == {"cardiologie": "convocation.to-complete", "bureau": "convocation.address-to-complete"}
    made.send(told(ANNE_1, correction=True))
    assert {i.secretariat: i.title for i in made.items(ItemKind.CONVOCATION)} == {"cardiologie": "convocation.to-send"}


def test_in_house_that_day_is_told_on_the_ward():
    """Within the lead time; who is to come in a month is written to all the same."""
    made = gateway()
    tell(made, visit(ANNE_1), source=CONVENING.sources[0])
    tell(made, book(ANNE_1, start=at(2 * DAY)), minute=5)
    tell(made, book(ANNE_1, "RDV2", start=FUTURE, location="Box 3"), minute=6)
    assert [of(made, key).reach.channel for key in ("RDV1", "RDV2")] == [Channel.WARD, Channel.LETTER]
    tell(made, visit(ANNE_1, VisitState.DISCHARGED), source=CONVENING.sources[0], minute=9)
    assert of(made).reach.channel is Channel.PHONE


def test_a_returned_letter_waits_for_another_address():
    """The patient has not been told; the same address is none any more."""
    made = sent(replace(ANNE_1, contact=Contact(HOME.address)))
    known = of(made)
    window = ("Madame ANNE DURAND", "12 rue des Lilas", "63000 CLERMONT-FERRAND")
    each = tuple(replace(c, recipient=window) for c in known.each)
    made.store.convocations[known.appointment] = replace(known, each=each)
    act(made, ConvocationAct.RETURN)
    tell(made, change(ANNE_1, start=FUTURE), minute=9)
    assert [c.state for c in of(made).each] == [ConvocationState.SUPERSEDED, ConvocationState.TO_PREPARE]
    assert of(made).reach.incomplete
    made.send(told(replace(ANNE_1, contact=replace(HOME, address=LEGAL.contact.address)), correction=True))
    assert (of(made).live.notice, of(made).reach.channel) == (Notice.INVITATION, Channel.LETTER)


def test_what_was_done_on_the_worklist_was_told():
    """A secretary who is done with the item has sent the letter by other means."""
    made = booked()
    made.work(made.only(ItemKind.CONVOCATION), ItemState.DONE)
    tell(made, change(ANNE_1, start=FUTURE + timedelta(days=1)), minute=9)
    assert (of(made).live.notice, item(made)) == (Notice.CORRECTION, ("convocation.to-correct", True))


def test_a_no_show_said_by_hand_stays_when_the_agenda_repeats_the_booking():
    """The agenda does not know better."""
    made = sent()
    act(made, ConvocationAct.MISS, follow_up=True)
    tell(made, change(ANNE_1, start=FUTURE), minute=9)
    assert (of(made).last.state, of(made).outcome) == (ConvocationState.NO_SHOW, Outcome.FOLLOW_UP)


# -- planned stays -----------------------------------------------------------------------------------------------------


def planned(**changes):
    fields = {"start": FUTURE, "event": "A05", **changes}
    return visit(ANNE_1, VisitState.PLANNED, **fields)


def stay(made: Gateway):
    """Title by queue of the stay's open items."""
    return {i.secretariat: i.title for i in made.items(ItemKind.ADMISSION)}


ADT = CONVENING.sources[0]


def test_a05_with_a_future_date_is_booked_and_goes_to_the_bureau_des_entrees():
    """An admission's convocation, and a pre-admission to prepare."""
    made = gateway()
    tell(made, planned(), source=ADT)
    assert (of(made, "NDA1").kind, of(made, "NDA1").outcome) == (ConvocationKind.ADMISSION, Outcome.GENERATE)
    assert stay(made) == {"cardiologie": "admission.to-send", "bureau": "admission.pre-admission"}


def test_a05_without_a_future_date_convenes_nobody():
    """It is planned, and no more is known."""
    made = gateway()
    tell(made, planned(start=None), source=ADT)
    assert (made.store.convocations, stay(made)) == ({}, {"cardiologie": "admission.planned"})


def test_z99_of_a_pre_admission_corrects():
    """Another date, once the letter has left."""
    made = gateway()
    tell(made, planned(movement="M1"), source=ADT)
    act(made, ConvocationAct.PRINT, key="NDA1")
    tell(made, planned(movement="M1", start=FUTURE + timedelta(days=2)), source=ADT, minute=9)
    assert of(made, "NDA1").live.notice is Notice.CORRECTION
    assert stay(made)["cardiologie"] == "admission.to-correct"


def test_a38_cancels_a01_arrives_and_a11_is_a_pre_admission_again():
    """A38 after the letter is a cancellation letter; A01 honours it; A11 with PV1-5 lets it count again."""
    made = gateway()
    tell(made, planned(movement="M1"), source=ADT)
    act(made, ConvocationAct.PRINT, ConvocationAct.SEND, key="NDA1")
    tell(made, visit(ANNE_1, VisitState.ADMITTED, event="A01"), source=ADT, minute=9)
    assert of(made, "NDA1").last.state is ConvocationState.HONOURED
    tell(made, planned(event="A01"), source=ADT, minute=10)
    assert of(made, "NDA1").live.state is ConvocationState.SENT
    tell(made, visit(ANNE_1, VisitState.CANCELLED, event="A05", start=None), source=ADT, minute=11)
    assert of(made, "NDA1").live.notice is Notice.CANCELLATION
    assert stay(made) == {"cardiologie": "admission.cancellation-to-send"}


@pytest.mark.parametrize(("unit", "kind"), [("2310", ConvocationKind.SURGERY), ("3010", ConvocationKind.ADMISSION)])
def test_the_kind_of_a_stay_is_the_rules(unit, kind):
    """A surgical unit's planned stay is surgery."""
    made = gateway()
    tell(made, planned(unit=unit), source=ADT)
    assert of(made, "NDA1").kind is kind


# -- two agendas -------------------------------------------------------------------------------------------------------

FHIR = replace(AGENDA, id="agenda-fhir")


def both(*order: int) -> Gateway:
    """The same appointment under two numbers, by two agendas."""
    site = replace(CONVENING, sources=(*CONVENING.sources, FHIR))
    made = gateway(site=site)
    siu = book(ANNE_1, "RDV1", start=FUTURE)
    fhir = declare(ANNE_1, "GAP1", start=FUTURE, location="Consultation")
    for number in order:
        made.send((siu, fhir)[number], source=(AGENDA, FHIR)[number], minute=number)
    return made


@pytest.mark.parametrize("order", [(0, 1), (1, 0), (0, 1, 0, 1)])
def test_the_same_patient_start_and_place_of_two_agendas_is_a_doublon_and_no_second_letter(order):
    """Whichever came first; one letter, and an item that asks."""
    made = both(*order)
    assert sorted(c.outcome for c in made.store.convocations.values()) == [Outcome.DOUBLE, Outcome.GENERATE]
    assert [c.live is not None for c in made.store.convocations.values()].count(True) == 1
    assert "convocation.double" in {i.title for i in made.items(ItemKind.CONVOCATION)}


def test_the_other_is_told_once_the_first_is_cancelled():
    """It was not the same, then."""
    made = both(0, 1)
    tell(made, cancel(ANNE_1), minute=20)
    assert (of(made, "RDV1").outcome, of(made, "GAP1").outcome) == (Outcome.WITHDRAW, Outcome.GENERATE)


def test_one_number_in_both_agendas_is_one_appointment():
    """Joined by the identifier: one object, one convocation."""
    made = gateway()
    tell(made, book(ANNE_1, "RDV1", start=FUTURE))
    tell(made, declare(ANNE_1, "RDV1+GAP1", start=FUTURE), minute=5)
    assert len(made.store.convocations) == 1


def test_two_appointments_that_prove_to_be_one_keep_the_letter_that_left():
    """The patient holds a letter; it is of the one that stays."""
    made = gateway()
    tell(made, book(ANNE_1, "A", start=FUTURE, location="Box 1"), book(ANNE_1, "B", start=FUTURE, location="Box 2"))
    act(made, ConvocationAct.PRINT, ConvocationAct.SEND, key="A")
    tell(made, appointment(AppointmentAct.BOOK, ANNE_1, "B+A", start=FUTURE, location="Box 2"), minute=9)
    assert sum(c.live is not None for c in made.store.convocations.values()) == 1
    assert of(made, "B").live.notice is Notice.CORRECTION


def test_a_site_without_rules_makes_no_convocations():
    """The items alone say what to do, as before."""
    made = gateway(site=SITE)
    tell(made, book(ANNE_1, start=FUTURE))
    assert (made.store.convocations, item(made)) == ({}, ("convocation.to-send", True))


def test_a_doublon_that_was_done_with_is_opened_again_once_it_is_none():
    """Nobody has told the patient of it."""
    made = both(0, 1)
    double = next(i for i in made.items(ItemKind.CONVOCATION) if i.title == "convocation.double")
    made.work(double, ItemState.DONE)
    tell(made, cancel(ANNE_1), minute=20)
    assert [i.title for i in made.items(ItemKind.CONVOCATION)] == ["convocation.to-send"]


def test_a_completion_item_that_is_done_tells_nobody():
    """The bureau has found the address out; the patient is still to be told."""
    made = booked(replace(ANNE_1, contact=Contact()))
    made.work(next(i for i in made.items(ItemKind.CONVOCATION) if i.secretariat == "bureau"), ItemState.DONE)
    made.send(told(ANNE_1, correction=True))
    assert (of(made).live.state, item(made)) == (ConvocationState.TO_PREPARE, ("convocation.to-send", True))


def test_why_one_cancellation_came_is_not_why_another_does():
    """The patient asked once; booked again and cancelled by the hospital, the patient is told."""
    made = sent()
    tell(made, cancel(ANNE_1, reason_code="pat"), change(ANNE_1, start=FUTURE), minute=9)
    act(made, ConvocationAct.PRINT)
    tell(made, cancel(ANNE_1), minute=20)
    assert of(made).live.notice is Notice.CANCELLATION


def test_a_deceased_patient_who_did_not_come_is_not_called():
    """Whether the agenda or a person said so."""
    for by_hand in (True, False):
        made = sent()
        if by_hand:
            act(made, ConvocationAct.MISS, follow_up=True)
        tell(
            made,
            change(ANNE_1, start=FUTURE, status=AppointmentStatus.BOOKED if by_hand else AppointmentStatus.NOSHOW),
            minute=9,
        )
        made.send(told(replace(ANNE_1, deceased=True), correction=True))
        assert (of(made).outcome, item(made)[1]) == (Outcome.NEVER, False)
