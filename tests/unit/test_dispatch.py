"""Work items follow their object: one per object and queue, opened again only where a reader sees something else."""

from dataclasses import replace

import pytest
from facts import (
    AGENDA,
    LAB,
    ROUTED_KINDS,
    SITE,
    Gateway,
    at,
    book,
    cancel,
    change,
    document,
    ipp,
    patient,
    result,
    told,
    visit,
)

from gateway.dispatch import WAS_DONE, more_urgent
from gateway.facts import Abnormality, AppointmentStatus, DocumentAct, Priority, ResultStatus, VisitState
from gateway.handling import acknowledged, claimed, done, read_clinically
from gateway.routing import Rule
from gateway.site import Site
from gateway.worklist import ItemKind, ItemState

ANNE_1 = patient(ipp("1"))
NADIA, OMAR = "account:nadia", "account:omar"
RESULT, CONVOCATION, LETTER, STAY = (
    ItemKind.RESULT,
    ItemKind.CONVOCATION,
    ItemKind.CORRESPONDENCE,
    ItemKind.ADMISSION,
)


def known(site: Site = SITE) -> Gateway:
    """Give a gateway that admissions has told of the patient."""
    gateway = Gateway(site)
    gateway.send(told(ANNE_1))
    return gateway


def sent_to(*rules: Rule) -> Site:
    """Give a site with these rules alone."""
    return replace(SITE, rules=rules)


# -- results -----------------------------------------------------------------------------------------------------------


def test_preliminary_final_corrected_is_one_item():
    """P, F and C of one order are one item that moves on, each with a version of its own."""
    gateway = known()
    titles = []
    for minute, status in enumerate((ResultStatus.PRELIMINARY, ResultStatus.FINAL, ResultStatus.CORRECTED)):
        gateway.send(result(ANNE_1, status, value=f"4.{minute}"), source=LAB, minute=minute)
        titles.append((gateway.only(RESULT, every=True).title, gateway.only(RESULT).version))
    assert titles == [("result.preliminary", 1), ("result.final", 2), ("result.corrected", 3)]


def test_a_preliminary_result_after_the_final_one_is_stale():
    """A P that comes late never hides the F."""
    gateway = known()
    gateway.send(result(ANNE_1, ResultStatus.FINAL, "5.0"), source=LAB, minute=9)
    late = gateway.send(result(ANNE_1, ResultStatus.PRELIMINARY, "4.0"), source=LAB, minute=5)
    assert gateway.only(RESULT).title == "result.final"
    assert late.outbox == []


def test_final_with_the_values_read_as_preliminary_stays_done():
    """What was read is not to be read again because P became F with the same values (OBX-11 U)."""
    gateway = known()
    gateway.send(result(ANNE_1, ResultStatus.PRELIMINARY), source=LAB)
    gateway.work(gateway.only(RESULT), ItemState.DONE)
    gateway.send(result(ANNE_1, ResultStatus.FINAL), source=LAB)
    assert gateway.only(RESULT, every=True).state is ItemState.DONE
    assert gateway.only(RESULT, every=True).title == "result.final"


@pytest.mark.parametrize(
    "changed",
    [
        result(ANNE_1, ResultStatus.FINAL, "7.9"),
        result(ANNE_1, ResultStatus.CORRECTED, "7.9"),
        result(ANNE_1, ResultStatus.FINAL, abnormality=Abnormality.CRITICAL),
    ],
)
def test_a_changed_value_or_flag_opens_what_was_done(changed):
    """A value or flag that the reader has not seen is to be read."""
    gateway = known()
    gateway.send(result(ANNE_1, ResultStatus.FINAL), source=LAB)
    gateway.work(gateway.only(RESULT), ItemState.DONE)
    gateway.send(changed, source=LAB)
    assert gateway.only(RESULT).state is ItemState.NEW


def test_a_correction_that_changes_neither_value_nor_flag_opens_nothing():
    """C reopens when value or flag changed, and only then."""
    gateway = known()
    gateway.send(result(ANNE_1, ResultStatus.FINAL), source=LAB)
    gateway.work(gateway.only(RESULT), ItemState.DONE)
    gateway.send(result(ANNE_1, ResultStatus.CORRECTED), source=LAB)
    assert gateway.only(RESULT, every=True).state is ItemState.DONE


@pytest.mark.parametrize("state", [ItemState.CLAIMED, ItemState.ON_HOLD])
def test_an_item_in_hand_stays_in_hand(state: ItemState):
    """A new value does not take an item out of the hands that hold it, but they are told."""
    gateway = known()
    gateway.send(result(ANNE_1, ResultStatus.PRELIMINARY), source=LAB)
    held = gateway.work(gateway.only(RESULT), state)
    gateway.send(result(ANNE_1, ResultStatus.FINAL, "7.9"), source=LAB)
    assert (gateway.only(RESULT).state, gateway.only(RESULT).version) == (state, held.version + 1)


def test_a_critical_result_is_immediate():
    """HH, LL, AA outrank what the order asked for."""
    gateway = known()
    gateway.send(result(ANNE_1, abnormality=Abnormality.CRITICAL), source=LAB)
    assert (gateway.only(RESULT).title, gateway.only(RESULT).priority) == ("result.critical", Priority.STAT)


def test_a_result_withdrawn_before_it_was_read_leaves_the_queue():
    """D or W on an unread result withdraws it."""
    gateway = known()
    gateway.send(result(ANNE_1), source=LAB)
    gateway.send(result(ANNE_1, ResultStatus.WITHDRAWN), source=LAB)
    assert gateway.only(RESULT, every=True).state is ItemState.WITHDRAWN


def test_a_result_withdrawn_after_it_was_read_tells_its_readers():
    """D or W on a read result is an item again: the readers are to be told."""
    gateway = known()
    gateway.send(result(ANNE_1), source=LAB)
    gateway.work(gateway.only(RESULT), ItemState.DONE)
    gateway.send(result(ANNE_1, ResultStatus.WITHDRAWN), source=LAB)
    assert gateway.only(RESULT).title == "result.withdrawn" + WAS_DONE


def test_a_withdrawn_result_that_comes_anew_is_work_again():
    """A result sent again after its withdrawal is the same item, open."""
    gateway = known()
    for status in (ResultStatus.FINAL, ResultStatus.WITHDRAWN, ResultStatus.FINAL):
        gateway.send(result(ANNE_1, status), source=LAB)
    assert gateway.only(RESULT).state is ItemState.NEW


def test_a_withdrawal_of_what_nobody_knew_is_no_work():
    """A result first heard of as withdrawn is on no queue."""
    gateway = known()
    gateway.send(result(ANNE_1, ResultStatus.WITHDRAWN), source=LAB)
    assert gateway.items(RESULT, every=True) == []


def test_an_unchanged_result_gets_no_new_version():
    """A result sent again says nothing to anyone."""
    gateway = known()
    gateway.send(result(ANNE_1), source=LAB)
    assert gateway.send(result(ANNE_1), source=LAB).outbox == []


# -- convocations ------------------------------------------------------------------------------------------------------


def test_a_rescheduled_appointment_keeps_its_item():
    """A new date before the letter is sent is the same item in a new version."""
    gateway = known()
    gateway.send(book(ANNE_1), source=AGENDA)
    gateway.send(change(ANNE_1, start=at(99)), source=AGENDA)
    assert (gateway.only(CONVOCATION).version, gateway.only(CONVOCATION).state) == (2, ItemState.NEW)


@pytest.mark.parametrize(
    "changed", [{"start": at(99)}, {"location": "Box 9"}, {"practitioner": "Dr BLANC"}, {"notes": "À jeun"}]
)
def test_a_visible_change_after_the_letter_was_sent_opens_the_item(changed):
    """A letter that is wrong now is to be replaced."""
    gateway = known()
    gateway.send(book(ANNE_1), source=AGENDA)
    gateway.work(gateway.only(CONVOCATION), ItemState.DONE)
    gateway.send(change(ANNE_1, **changed), source=AGENDA)
    assert gateway.only(CONVOCATION).state is ItemState.NEW


def test_a_change_that_the_patient_does_not_see_opens_nothing():
    """The letter stands when nothing on it changed."""
    gateway = known()
    gateway.send(book(ANNE_1), source=AGENDA)
    gateway.work(gateway.only(CONVOCATION), ItemState.DONE)
    gateway.send(change(ANNE_1, priority=Priority.URGENT), source=AGENDA)
    assert gateway.items(CONVOCATION) == []


def test_cancelled_before_the_letter_leaves_the_queue():
    """There is nothing to send and nobody to tell."""
    gateway = known()
    gateway.send(book(ANNE_1), source=AGENDA)
    gateway.send(cancel(ANNE_1), source=AGENDA)
    assert gateway.only(CONVOCATION, every=True).state is ItemState.WITHDRAWN


def told_of_a_cancelled_letter() -> Gateway:
    """Give a gateway where an appointment was cancelled after its letter was sent."""
    gateway = known()
    gateway.send(book(ANNE_1), source=AGENDA, minute=1)
    gateway.work(gateway.only(CONVOCATION), ItemState.DONE)
    gateway.send(cancel(ANNE_1), source=AGENDA, minute=2)
    return gateway


def test_cancelled_after_the_letter_opens_the_item_again():
    """The patient who holds a letter is to be told."""
    item = told_of_a_cancelled_letter().only(CONVOCATION)
    assert (item.state, item.title) == (ItemState.NEW, "convocation.cancelled" + WAS_DONE)


@pytest.mark.parametrize("status", [AppointmentStatus.CANCELLED, AppointmentStatus.ENTERED_IN_ERROR])
def test_a_cancellation_told_again_does_not_take_the_warning_away(status: AppointmentStatus):
    """Until somebody has told the patient the item stays open, however often the agenda cancels."""
    gateway = told_of_a_cancelled_letter()
    gateway.send(cancel(ANNE_1, status=status), source=AGENDA, minute=3)
    assert gateway.only(CONVOCATION).title == "convocation.cancelled" + WAS_DONE


def test_a_cancellation_told_again_after_the_patient_was_told_opens_nothing():
    """The patient is told once."""
    gateway = told_of_a_cancelled_letter()
    gateway.work(gateway.only(CONVOCATION), ItemState.DONE)
    gateway.send(cancel(ANNE_1), source=AGENDA, minute=3)
    assert gateway.items(CONVOCATION) == []


def test_booked_again_after_a_cancellation_is_a_letter_to_send():
    """Cancelled, then booked: a new letter."""
    gateway = told_of_a_cancelled_letter()
    gateway.send(book(ANNE_1), source=AGENDA, minute=3)
    assert (gateway.only(CONVOCATION).title, gateway.only(CONVOCATION).state) == (
        "convocation.to-send",
        ItemState.NEW,
    )


@pytest.mark.parametrize("status", [AppointmentStatus.ARRIVED, AppointmentStatus.FULFILLED, AppointmentStatus.NOSHOW])
def test_what_is_over_closes_its_item(status: AppointmentStatus):
    """The patient came, or did not: no letter is to be sent; done is only what a person has done."""
    gateway = known()
    gateway.send(book(ANNE_1), source=AGENDA)
    gateway.send(change(ANNE_1, status=status), source=AGENDA)
    assert gateway.only(CONVOCATION, every=True).state is ItemState.WITHDRAWN


def test_cancelled_after_the_patient_came_warns_nobody():
    """An item that the facts closed was never sent to anyone: the cancellation tells no patient of it."""
    gateway = known()
    gateway.send(book(ANNE_1), source=AGENDA)
    gateway.send(change(ANNE_1, status=AppointmentStatus.ARRIVED), source=AGENDA)
    gateway.send(cancel(ANNE_1), source=AGENDA)
    assert gateway.items(CONVOCATION) == []


def test_moved_to_another_unit_leaves_one_queue_and_enters_the_other():
    """The item follows the unit: withdrawn there, new here."""
    gateway = known()
    gateway.send(book(ANNE_1), source=AGENDA)
    gateway.send(change(ANNE_1, unit="3020"), source=AGENDA)
    states = {i.secretariat: i.state for i in gateway.items(CONVOCATION, every=True)}
    assert states == {"cardiologie": ItemState.WITHDRAWN, "pneumologie": ItemState.NEW}


def test_moved_back_takes_up_the_first_item():
    """There and back again is one open item, on the first queue."""
    gateway = known()
    gateway.send(book(ANNE_1), source=AGENDA)
    for unit in ("3020", "3010"):
        gateway.send(change(ANNE_1, unit=unit), source=AGENDA)
    assert gateway.only(CONVOCATION).secretariat == "cardiologie"
    assert len(gateway.items(CONVOCATION, every=True)) == 2


def test_cancelled_after_two_queues_had_it_leaves_both():
    """A cancellation reaches every queue that the object was on."""
    gateway = known()
    gateway.send(book(ANNE_1), source=AGENDA)
    gateway.send(change(ANNE_1, unit="3020"), source=AGENDA)
    gateway.send(cancel(ANNE_1, unit="3020"), source=AGENDA)
    assert gateway.items(CONVOCATION) == []


# -- documents and stays -----------------------------------------------------------------------------------------------


def test_a_replaced_document_is_one_item():
    """A T10 opens the item of the T02 again, under its new title."""
    gateway = known()
    gateway.send(document(ANNE_1), source=LAB)
    gateway.work(gateway.only(LETTER), ItemState.DONE)
    gateway.send(document(ANNE_1, DocumentAct.REPLACE, "D2", "D1"), source=LAB)
    assert gateway.only(LETTER).title == "correspondence.replaced"


def test_a_document_withdrawn_after_its_treatment_tells_its_recipients():
    """A T04 of a letter that was sent is work."""
    gateway = known()
    gateway.send(document(ANNE_1), source=LAB)
    gateway.work(gateway.only(LETTER), ItemState.DONE)
    gateway.send(document(ANNE_1, DocumentAct.WITHDRAW), source=LAB)
    assert gateway.only(LETTER).title == "correspondence.withdrawn" + WAS_DONE


def test_a_historic_movement_leaves_the_item_as_it_is():
    """ZBE-5 = Y enters history without re-routing, and the stay goes on from where it stood."""
    gateway = known()
    gateway.send(visit(ANNE_1))
    gateway.work(gateway.only(STAY), ItemState.DONE)
    gateway.send(visit(ANNE_1, unit="3020", historic=True))
    gateway.send(visit(ANNE_1))
    (item,) = gateway.items(STAY, every=True)
    assert (item.secretariat, item.state) == ("cardiologie", ItemState.DONE)


def test_a_cancelled_stay_leaves_the_queue():
    """An A11 withdraws."""
    gateway = known()
    gateway.send(visit(ANNE_1))
    gateway.send(visit(ANNE_1, VisitState.CANCELLED))
    assert gateway.items(STAY) == []


# -- queues ------------------------------------------------------------------------------------------------------------


def test_what_no_rule_catches_goes_to_the_default_queue():
    """Nothing is on no queue (promise P4)."""
    gateway = known()
    gateway.send(result(ANNE_1, ordering_unit="9999"), source=LAB)
    assert (gateway.only(RESULT).secretariat, gateway.only(RESULT).rule) == ("accueil", "default")


def test_the_default_queue_hands_over_when_the_unit_becomes_known():
    """An item on the default queue leaves it when a rule catches it."""
    gateway = known()
    gateway.send(result(ANNE_1, ResultStatus.PRELIMINARY, ordering_unit=""), source=LAB)
    gateway.send(result(ANNE_1), source=LAB)
    assert gateway.only(RESULT).secretariat == "cardiologie"


def test_copies_are_items_of_their_own():
    """Each further secretariat has a copy; doing one leaves the other."""
    gateway = known(sent_to(Rule("both", "deux", ("cardiologie", "pneumologie"), ROUTED_KINDS, {})))
    gateway.send(result(ANNE_1), source=LAB)
    first, _ = sorted(gateway.items(RESULT), key=lambda i: i.secretariat)
    gateway.work(first, ItemState.DONE)
    assert gateway.only(RESULT).secretariat == "pneumologie"


def test_a_rule_that_names_a_secretariat_twice_makes_one_item():
    """One object, one queue, one item."""
    gateway = known(sent_to(Rule("twice", "deux fois", ("cardiologie", "cardiologie"), ROUTED_KINDS, {})))
    gateway.send(result(ANNE_1), source=LAB)
    assert gateway.only(RESULT).secretariat == "cardiologie"


def test_a_rule_raises_the_priority_and_never_lowers_it():
    """A rule's priority is a floor."""
    for floor, urgency in ((Priority.ROUTINE, Priority.STAT), (Priority.STAT, Priority.STAT)):
        gateway = known(sent_to(Rule("floor", "plancher", ("cardiologie",), ROUTED_KINDS, {}, floor)))
        gateway.send(result(ANNE_1, priority=Priority.STAT), source=LAB)
        assert gateway.only(RESULT).priority is urgency


def test_stat_outranks_urgent_outranks_routine():
    """The more urgent of two, whatever their order; none leaves the other."""
    stat, urgent, routine = Priority
    assert more_urgent(routine, stat) is more_urgent(stat, routine) is stat
    assert more_urgent(routine, urgent) is urgent
    assert more_urgent(routine, None) is routine


def test_identity_questions_go_to_the_identity_desk():
    """Without a rule of their own questions are the desk's, not the default queue's."""
    gateway = Gateway(replace(SITE, rules=()))
    gateway.send(result(patient(ipp("1"))), source=LAB)
    assert gateway.only(ItemKind.IDENTITY).secretariat == "identite"


def test_every_step_of_an_item_is_published_and_kept():
    """Each version in the store was published once and stands in the history: none is missing, none is doubled."""
    gateway = known()
    steps = [
        gateway.send(fact, source=AGENDA)
        for fact in (book(ANNE_1), change(ANNE_1, start=at(99)), change(ANNE_1, start=at(9)), cancel(ANNE_1))
    ]
    assert [s.item.version for c in steps for s in c.history] == [1, 2, 3, 4]
    assert [e.version for c in steps for e in c.outbox] == [1, 2, 3, 4]


# -- who had read it ---------------------------------------------------------------------------------------------------


def corrected(gateway: Gateway, value: str, minute: int, **changes) -> None:
    gateway.send(result(ANNE_1, ResultStatus.CORRECTED, value=value, **changes), source=LAB, minute=minute)


@pytest.mark.parametrize("act", ["held", "received", "read", "done"])
def test_a_correction_names_whoever_saw_the_first_result(act: str):
    """Whatever they did with it, they are named until they have seen the new one; the others never are."""
    gateway = known()
    gateway.send(result(ANNE_1, ResultStatus.FINAL, value="4.1"), source=LAB, minute=1)
    item = gateway.only(RESULT)
    acts = {
        "held": claimed(item, NADIA, gateway.now),
        "received": acknowledged(item, NADIA, gateway.now),
        "read": read_clinically(item, NADIA, gateway.now, clinical=True),
        "done": done(item, NADIA),
    }
    gateway.store.items[item.id] = acts[act]
    corrected(gateway, "7.1", 2)
    after = gateway.only(RESULT)
    assert (after.hand.saw, after.hand.receipt, after.hand.reading) == ((NADIA,), None, None)
    corrected(gateway, "7.2", 3)
    assert gateway.only(RESULT).hand.saw == (NADIA,)
    assert acknowledged(gateway.only(RESULT), OMAR, gateway.now).hand.saw == (NADIA,)
    assert acknowledged(gateway.only(RESULT), NADIA, gateway.now).hand.saw == ()


def test_a_correction_reaches_a_secretariat_that_acted_by_the_first_though_it_goes_elsewhere():
    """Cardiology was done with it, pneumology has it by now: both get what was corrected."""
    gateway = known()
    gateway.send(result(ANNE_1, ResultStatus.FINAL, value="4.1", ordering_unit="3010"), source=LAB, minute=1)
    gateway.store.items[gateway.only(RESULT).id] = done(gateway.only(RESULT), NADIA)
    corrected(gateway, "7.1", 2, ordering_unit="3020")
    found = {i.secretariat: (i.state, i.hand.saw, i.title) for i in gateway.items(RESULT)}
    assert found == {
        "cardiologie": (ItemState.NEW, (NADIA,), "result.corrected"),
        "pneumologie": (ItemState.NEW, (), "result.corrected"),
    }
    versions = {i.id: i.version for i in gateway.store.items.values()}
    corrected(gateway, "7.1", 3, ordering_unit="3020")
    assert {i.id: i.version for i in gateway.store.items.values()} == versions


def test_who_had_only_a_look_at_a_queue_it_left_gets_no_copy():
    """Nobody acted by it there: it is withdrawn from there, and the new queue alone has it."""
    gateway = known()
    gateway.send(result(ANNE_1, ResultStatus.FINAL, value="4.1", ordering_unit="3010"), source=LAB, minute=1)
    corrected(gateway, "7.1", 2, ordering_unit="3020")
    assert [i.secretariat for i in gateway.items(RESULT)] == ["pneumologie"]
