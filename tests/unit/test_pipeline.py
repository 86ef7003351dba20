"""A message takes effect as a whole or not at all, in its place, and ends exactly once."""

from copy import deepcopy
from dataclasses import replace
from uuid import UUID

import pytest
from facts import (
    AGENDA,
    ANNE,
    IMAGING,
    LAB,
    PAUL,
    SITE,
    Gateway,
    at,
    book,
    cancel,
    change,
    declare,
    document,
    ins,
    ipp,
    merged,
    own,
    patient,
    rendered,
    result,
    told,
    visit,
)
from sites import ADMISSIONS

from gateway.audit import AuditAction
from gateway.effect import MOST_HELD
from gateway.errors import FieldMissing, SegmentMissing, StorageUnavailable
from gateway.facts import DocumentAct, Fact, Flag, Patient, ResultStatus, Translation
from gateway.focus import FocusKind
from gateway.pipeline import Job, needs
from gateway.reception import State as MessageState
from gateway.state import State, Table
from gateway.worklist import ItemKind, ItemState, WorkItem

ANNE_1, PAUL_2 = patient(ipp("1")), patient(ipp("2"), of=PAUL)
CONVOCATION, LETTER, RESULT = ItemKind.CONVOCATION, ItemKind.CORRESPONDENCE, ItemKind.RESULT
BROKEN = replace(result(ANNE_1, key="BROKEN"), status="DURAND")
"""A fact that our own code cannot process."""


def rows(state: State) -> dict[str, dict[object, object]]:
    """Give everything that a state holds, and what would be written of it."""
    tables = {name: each for name, each in vars(state).items() if isinstance(each, Table)}
    held = {name: dict(table.rows()) for name, table in tables.items()}
    written = {f"{name} written": dict(table.changes()) for name, table in tables.items()}
    return deepcopy({**held, **written})


# -- as a whole or not at all ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "facts",
    [
        (told(PAUL_2), result(PAUL_2, key="EX7"), BROKEN),
        (told(patient(ipp("1"), ins(), used_family_name="MOREL"), correction=True), BROKEN),
        (merged(ANNE_1, ipp("3")), BROKEN),
        (result(patient(ipp("1"), of=PAUL), key="EX7"), BROKEN),
        (result(patient(ipp("9"), own(LAB, "7")), key="EX7"), BROKEN),
        (change(ANNE_1, start=at(9)), cancel(ANNE_1, "RDV2"), BROKEN),
        (document(ANNE_1, DocumentAct.REPLACE, "D9", "D8"), BROKEN),
        (visit(ANNE_1, unit="3020"), visit(ANNE_1), BROKEN),
        (result(ANNE_1, ResultStatus.WITHDRAWN), BROKEN),
    ],
)
@pytest.mark.parametrize("source", [ADMISSIONS, LAB])
def test_a_message_that_fails_halfway_leaves_nothing(facts: tuple[Fact, ...], source):
    """Everything that the State holds and would write is as before the message; only its ending and audit are new."""
    gateway = Gateway()
    gateway.send(told(ANNE_1))
    gateway.send(told(patient(ipp("3"))))
    gateway.send(result(ANNE_1), book(ANNE_1), visit(ANNE_1), source=LAB)
    job = gateway.job(*facts, source=source)
    first = gateway.job(told(patient(ipp("4"), birth_date="1990-01-01")))
    state = gateway.store.load(needs([first, job]))
    gateway.decider.decide([first], state, gateway.now)
    before = rows(state)
    changes = gateway.decider.decide([job], state, gateway.now)
    written = [k for k in before if k.endswith("written")]
    after = rows(state)
    assert {k: v for k, v in after.items() if k not in written} == {k: v for k, v in before.items() if k not in written}
    for name in written:
        unchanged = before[name.removesuffix(" written")]
        assert all(unchanged[key] == row for key, row in after[name].items()), name
    assert (changes.history, changes.outbox) == ([], [])
    assert [e.action for e in changes.audit] == [AuditAction.MESSAGE_QUARANTINED]
    assert changes.endings[0].outcome.error == "ProcessingFailed"


def test_one_bad_message_does_not_stop_the_others():
    """Good, bad, good in one batch: the good ones take effect, the bad one is quarantined with a cause."""
    gateway = Gateway()
    jobs = [
        gateway.job(result(ANNE_1), source=LAB),
        gateway.job(result(PAUL_2, key="EX7"), BROKEN, source=LAB),
        gateway.job(refused=SegmentMissing("a PID is expected", path="PID"), source=LAB),
        gateway.job(result(Patient((), ANNE)), source=LAB),
        gateway.job(result(ANNE_1, key="EX2"), source=LAB),
    ]
    changes = gateway.process(jobs)
    errors = [e.outcome.error for e in changes.endings]
    assert errors == ["", "ProcessingFailed", "SegmentMissing", "FieldMissing", ""]
    assert len(gateway.items(RESULT)) == 2
    assert len(gateway.store.identities) == 1


def test_an_item_that_cannot_be_rendered_quarantines_its_message_alone():
    """A fault while the bus message is made is that message's fault: the others of the batch take effect."""

    def fragile(item: WorkItem, person, message_id: str) -> bytes:
        if person.traits == PAUL:
            raise ValueError(item.title)
        return rendered(item, person, message_id)

    gateway = Gateway(render=fragile)
    jobs = [gateway.job(result(who, key=f"EX{n}"), source=LAB) for n, who in enumerate((ANNE_1, PAUL_2, ANNE_1))]
    changes = gateway.process(jobs)
    assert [e.outcome.error for e in changes.endings] == ["", "ProcessingFailed", ""]
    assert {e.item for e in changes.outbox} == set(gateway.store.items)


def test_the_cause_of_a_fault_shows_no_value():
    """A fault's own text may hold patient data; only its class is named (promise P6)."""
    gateway = Gateway()
    changes = gateway.process([gateway.job(BROKEN, source=LAB)])
    assert changes.endings[0].outcome.error == "ProcessingFailed"
    assert "DURAND" not in f"{changes}"


def test_our_own_trouble_ends_no_message():
    """Trouble is no message's fault: the batch is given up and tried again."""

    def troubled(item: WorkItem, person, message_id: str) -> bytes:
        raise StorageUnavailable("no room")

    gateway = Gateway(render=troubled)
    with pytest.raises(StorageUnavailable):
        gateway.process([gateway.job(result(ANNE_1), source=LAB)])
    assert gateway.endings == []
    assert gateway.store.items == {}


def test_every_job_ends_exactly_once():
    """As many endings as jobs, in their order, each processed, ignored or quarantined, each with its audit event."""
    gateway = Gateway()
    ignored = Job(90, LAB, "M90", Translation(ignored="billing", flags=(Flag("ZZZ", "kept"),)))
    jobs = [
        gateway.job(told(ANNE_1)),
        gateway.job(refused=FieldMissing("x", path="PID-3")),
        ignored,
        gateway.job(cancel(ANNE_1), source=AGENDA),
        gateway.job(cancel(patient(ipp("2"), of=PAUL)), source=AGENDA),
    ]
    changes = gateway.process(jobs)
    assert [e.outcome.message for e in changes.endings] == [j.message for j in jobs]
    assert [e.outcome.state for e in changes.endings] == [
        MessageState.PROCESSED,
        MessageState.QUARANTINED,
        MessageState.IGNORED,
        MessageState.PROCESSED,
        MessageState.QUARANTINED,
    ]
    ends = {AuditAction.MESSAGE_PROCESSED, AuditAction.MESSAGE_IGNORED, AuditAction.MESSAGE_QUARANTINED}
    assert [e.message for e in changes.audit if e.action in ends] == [j.message for j in jobs]
    assert changes.endings[2].notes["flags"] == [{"path": "ZZZ", "rule": "kept"}]


def test_every_event_belongs_to_its_message():
    """No audit event of the batch is attributed to a neighbour, and none names a patient twice."""
    gateway = Gateway()
    changes = gateway.process(
        [gateway.job(result(ANNE_1), source=LAB), gateway.job(told(ANNE_1)), gateway.job(merged(ANNE_1, ipp("2")))]
    )
    for event in changes.audit:
        assert event.correlation == f"M{event.message}"
        assert len(set(event.patients)) == len(event.patients), event.action


# -- filing guard ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (book, change),
        (book, cancel),
        (visit, visit),
    ],
)
def test_an_object_of_another_patient_is_never_touched(first, second):
    """The patient of the message must be the patient of the object: else a person must look, and nothing changes."""
    gateway = Gateway()
    gateway.send(told(ANNE_1))
    gateway.send(told(PAUL_2))
    gateway.send(first(ANNE_1), source=LAB)
    before = deepcopy(gateway.store)
    outcome = gateway.process([gateway.job(second(PAUL_2), source=LAB)]).endings[0].outcome
    assert (outcome.error, outcome.path) == ("MessageIncoherent", "PID-3")
    assert gateway.store == before


@pytest.mark.parametrize(
    ("first", "second"),
    [(result, result), (document, lambda who: document(who, DocumentAct.REPLACE, "D2", "D1"))],
)
def test_a_result_or_document_under_anothers_number_is_delivered_apart(first, second):
    """It leaves the other patient's item as it was, makes one of its own once, and asks the identity desk."""
    gateway = Gateway()
    gateway.send(told(ANNE_1))
    gateway.send(told(PAUL_2))
    gateway.send(first(ANNE_1), source=LAB)
    (before,) = gateway.store.items.values()
    job = gateway.job(second(PAUL_2), source=LAB)
    for _ in range(2):  # the second time as a replay
        assert gateway.process([job]).endings[0].outcome.state == "processed"
        items = list(gateway.store.items.values())
        assert before in items
        others = {item.kind: item for item in items if item != before}
        assert len(items) == 3
        assert set(others) == {before.kind, "identity"}
        assert {item.identity for item in others.values()} == {gateway.identity(ipp("2")).id}


def test_what_waits_for_an_object_is_guarded_too():
    """A booking of another patient than the cancellation that waited for it is refused."""
    gateway = Gateway()
    gateway.send(told(ANNE_1))
    gateway.send(cancel(ANNE_1), source=AGENDA)
    outcome = gateway.process([gateway.job(book(PAUL_2), source=AGENDA)]).endings[0].outcome
    assert outcome.error == "MessageIncoherent"


def test_an_object_of_a_merged_patient_is_the_survivors():
    """After the merge either number files under the same patient."""
    gateway = Gateway()
    for value in "12":
        gateway.send(told(patient(ipp(value))))
    gateway.send(book(patient(ipp("2"))), source=AGENDA)
    gateway.send(merged(ANNE_1, ipp("2")))
    gateway.send(change(ANNE_1, start=at(9)), source=AGENDA)
    assert gateway.only(CONVOCATION).identity == gateway.identity(ipp("1")).id


# -- what comes before its object --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("early", "expected"),
    [
        (("S13",), {("convocation.to-send", at(13))}),
        (("S15",), set()),
        (("S13", "S15"), set()),
        (("S15", "S13"), set()),
    ],
)
def test_what_came_before_the_booking_is_held_and_applied(early: tuple[str, ...], expected):
    """S13 and S15 before their S12 make nothing, and take effect in their own order when it comes."""
    gateway = Gateway()
    gateway.send(told(ANNE_1))
    told_at = {"S13": (change(ANNE_1, start=at(13)), 13), "S15": (cancel(ANNE_1), 15)}
    for event in early:
        fact, minute = told_at[event]
        assert gateway.send(fact, source=AGENDA, minute=minute).endings[0].notes["held"] == 1
        assert gateway.items(CONVOCATION, every=True) == []
    gateway.send(book(ANNE_1), source=AGENDA, minute=12)
    focus = next(f for f in gateway.store.foci.values() if f.kind is FocusKind.APPOINTMENT)
    assert {(i.title, focus.fact.start) for i in gateway.items(CONVOCATION)} == expected
    assert focus.held == ()


def test_what_was_held_is_not_applied_when_it_is_older_than_the_booking():
    """A cancellation of a former booking does not cancel the new one."""
    gateway = Gateway()
    gateway.send(cancel(ANNE_1), source=AGENDA, minute=5)
    changes = gateway.send(book(ANNE_1), source=AGENDA, minute=12)
    assert gateway.only(CONVOCATION).title == "convocation.to-send"
    assert changes.endings[0].notes["stale"] == 1


def test_a_held_cancellation_told_twice_waits_once_for_each_message():
    """The same message processed again holds nothing twice."""
    gateway = Gateway()
    job = gateway.job(cancel(ANNE_1), source=AGENDA, minute=5)
    gateway.process([job])
    gateway.process([job])
    (focus,) = (f for f in gateway.store.foci.values() if f.kind is FocusKind.APPOINTMENT)
    assert len(focus.held) == 1


def test_only_so_many_facts_wait_for_an_object():
    """The next one is quarantined, not lost: replayed once the booking is there, it takes effect."""
    gateway = Gateway()
    for _ in range(MOST_HELD):
        gateway.send(change(ANNE_1, start=at(30)), source=AGENDA, minute=10)
    further = gateway.job(cancel(ANNE_1), source=AGENDA, minute=20)
    outcome = gateway.process([further]).endings[0].outcome
    assert (outcome.state, outcome.error) == (MessageState.QUARANTINED, "PersonNeeded")
    gateway.send(book(ANNE_1), source=AGENDA, minute=1)
    assert gateway.process([further]).endings[0].outcome.state is MessageState.PROCESSED
    assert gateway.items(CONVOCATION) == []


def test_a_replacement_before_its_document_is_held_and_applied():
    """T10 before T02: the replaced version never shows as the current one."""
    gateway = Gateway()
    gateway.send(document(ANNE_1, DocumentAct.REPLACE, "D2", "D1"), source=LAB, minute=10)
    assert gateway.items(LETTER) == []
    gateway.send(document(ANNE_1), source=LAB, minute=2)
    assert gateway.only(LETTER).title == "correspondence.replaced"


DOCUMENTS = {
    1: document(ANNE_1),
    2: document(ANNE_1, DocumentAct.REPLACE, "D2", "D1"),
    3: document(ANNE_1, DocumentAct.REPLACE, "D3", "D2"),
}


@pytest.mark.parametrize("order", [(1, 2, 3), (1, 3, 2), (2, 1, 3), (2, 3, 1), (3, 1, 2), (3, 2, 1)])
def test_a_chain_of_replacements_ends_in_its_last_version_in_any_order(order: tuple[int, ...]):
    """D1, replaced by D2, replaced by D3: one letter to handle, the last, and nothing waits for ever."""
    gateway = Gateway()
    gateway.send(told(ANNE_1))
    for minute in order:
        gateway.send(DOCUMENTS[minute], source=LAB, minute=minute)
    shown = [gateway.store.foci[i.focus].fact.key.value for i in gateway.items(LETTER)]
    assert shown == ["D3"]
    assert [f for f in gateway.store.foci.values() if f.held] == []


def test_a_booking_that_joins_two_keys_finds_what_waits_under_either():
    """S13 by the filler's number and S15 by the placer's wait for one booking that has both."""
    gateway = Gateway()
    gateway.send(change(ANNE_1, "F1", start=at(9)), source=AGENDA, minute=2)
    gateway.send(cancel(ANNE_1, "P1"), source=AGENDA, minute=3)
    gateway.send(book(ANNE_1, "P1+F1"), source=AGENDA, minute=1)
    assert gateway.items(CONVOCATION) == []
    assert [f for f in gateway.store.foci.values() if f.held] == []


# -- two that prove to be one ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("last", "live"), [(change, 1), (cancel, 0)])
@pytest.mark.parametrize("keys", ["F1+P1", "P1+F1"])
def test_an_appointment_booked_under_two_numbers_is_one_once_a_message_names_both(last, live: int, keys: str):
    """Placer and filler each sent their own number; the message with both leaves one convocation, or none."""
    gateway = Gateway()
    gateway.send(told(ANNE_1))
    gateway.send(book(ANNE_1, "P1", location="Box 1"), source=AGENDA, minute=2)
    gateway.send(book(ANNE_1, "F1", location="Box 2"), source=AGENDA, minute=1)
    gateway.send(last(ANNE_1, keys, location=""), source=AGENDA, minute=3)
    assert len([i for i in gateway.items(CONVOCATION) if i.open]) == live
    gateway.send(change(ANNE_1, "P1", location="Box 9"), source=AGENDA, minute=4)
    gateway.send(change(ANNE_1, "F1", unit="3020"), source=AGENDA, minute=5)
    (open_item,) = (i for i in gateway.items(CONVOCATION) if i.open)
    assert open_item.secretariat == "pneumologie"


def test_an_appointment_told_last_is_the_one_that_stays():
    """What the joining message leaves unsaid is what was told last of either (promise P3)."""
    gateway = Gateway()
    gateway.send(told(ANNE_1))
    gateway.send(book(ANNE_1, "P1", location="Box 1"), source=AGENDA, minute=2)
    gateway.send(book(ANNE_1, "F1", location="Box 2"), source=AGENDA, minute=1)
    gateway.send(change(ANNE_1, "F1+P1", location=""), source=AGENDA, minute=3)
    (fact,) = (f.fact for f in gateway.store.foci.values() if f.kind is FocusKind.APPOINTMENT and f.fact)
    assert fact.location == "Box 1"


def test_a_document_sent_as_new_and_then_as_a_replacement_leaves_one_item():
    """A sender that announces the new version twice (T02, T10) leaves nobody with the replaced one."""
    gateway = Gateway()
    gateway.send(told(ANNE_1))
    gateway.send(document(ANNE_1, key="D1"), source=LAB, minute=1)
    gateway.send(document(ANNE_1, key="D2"), source=LAB, minute=2)
    gateway.send(document(ANNE_1, DocumentAct.REPLACE, key="D2", replaces="D1"), source=LAB, minute=3)
    assert len([i for i in gateway.items(LETTER) if i.open]) == 1
    gateway.send(document(ANNE_1, DocumentAct.WITHDRAW, key="D2"), source=LAB, minute=4)
    assert [i for i in gateway.items(LETTER) if i.open] == []


# -- order -------------------------------------------------------------------------------------------------------------


def test_within_a_source_the_facts_own_time_decides():
    """What comes late changes nothing, and is counted and audited."""
    gateway = Gateway()
    gateway.send(book(ANNE_1), source=AGENDA, minute=1)
    gateway.send(change(ANNE_1, start=at(99)), source=AGENDA, minute=9)
    late = gateway.send(change(ANNE_1, start=at(55)), source=AGENDA, minute=5)
    assert late.outbox == []
    assert late.endings[0].notes["stale"] == 1
    assert AuditAction.FACT_STALE in [e.action for e in late.audit]


def test_ties_within_a_source_go_by_reception():
    """Of two facts of one minute the later received stands."""
    gateway = Gateway()
    gateway.send(book(ANNE_1), source=AGENDA, minute=1)
    gateway.send(change(ANNE_1, location="Box 9"), source=AGENDA, minute=1)
    focus = next(f for f in gateway.store.foci.values() if f.kind is FocusKind.APPOINTMENT)
    assert focus.fact.location == "Box 9"


def test_between_sources_reception_decides():
    """Two systems' clocks are not held against each other."""
    gateway = Gateway()
    gateway.send(book(ANNE_1), source=AGENDA, minute=50)
    gateway.send(change(ANNE_1, location="Box 9"), source=IMAGING, minute=1)
    focus = next(f for f in gateway.store.foci.values() if f.kind is FocusKind.APPOINTMENT)
    assert focus.fact.location == "Box 9"


def test_a_stale_fact_stays_stale_when_another_source_spoke_between():
    """A source's older word never follows its newer one, whoever spoke in between (promise P3)."""
    gateway = Gateway()
    gateway.send(book(ANNE_1, location="Box 10"), source=AGENDA, minute=10)
    gateway.send(change(ANNE_1, location="Box 11"), source=IMAGING, minute=11)
    gateway.send(change(ANNE_1, location="Box 5"), source=AGENDA, minute=5)
    focus = next(f for f in gateway.store.foci.values() if f.kind is FocusKind.APPOINTMENT)
    assert focus.fact.location == "Box 11"


# -- again -------------------------------------------------------------------------------------------------------------


def a_day() -> Gateway:
    """Give a gateway after a day on which a bit of everything came in."""
    gateway = Gateway()
    doubtful = patient(ipp("1"), of=PAUL)
    day: list[tuple[Fact, object]] = [
        (result(ANNE_1, ResultStatus.PRELIMINARY), LAB),
        (told(ANNE_1), ADMISSIONS),
        (visit(ANNE_1), ADMISSIONS),
        (change(ANNE_1, start=at(99)), AGENDA),
        (book(ANNE_1), AGENDA),
        (change(ANNE_1, start=at(199)), AGENDA),
        (result(doubtful, key="EX5"), LAB),
        (told(patient(ipp("2"))), ADMISSIONS),
        (document(patient(ipp("2"))), LAB),
        (merged(ANNE_1, ipp("2")), ADMISSIONS),
        (document(ANNE_1, DocumentAct.REPLACE, "D2", "D1"), LAB),
        (result(ANNE_1, value="9"), LAB),
        (cancel(ANNE_1), AGENDA),
        (told(ANNE_1, correction=True), ADMISSIONS),
    ]
    for minute, (fact, source) in enumerate(day):
        gateway.send(fact, source=source, minute=minute)
    return gateway


def test_everything_replayed_changes_nothing():
    """A replay of all messages of all sources makes no item version, no bus message, no record and no question."""
    gateway = a_day()
    before = deepcopy((gateway.store.identities, gateway.store.persons, gateway.store.items))
    for job in list(gateway.jobs):
        changes = gateway.process([job])
        assert changes.outbox == [], (job.message, changes.history)
    identities, persons, items = before
    assert gateway.store.items == items
    assert gateway.store.persons == persons
    assert {i: r.patient for i, r in gateway.store.identities.items()} == {i: r.patient for i, r in identities.items()}


def test_a_message_of_one_source_replayed_after_another_source_spoke_keeps_its_first_place():
    """A replay is no new reception: between sources the first place counts (promise P3)."""
    gateway = Gateway()
    first = gateway.job(book(ANNE_1, location="Box 1"), source=AGENDA, minute=5)
    gateway.process([first])
    gateway.send(change(ANNE_1, location="Box 2"), source=IMAGING, minute=5)
    changes = gateway.process([first])
    focus = next(f for f in gateway.store.foci.values() if f.kind is FocusKind.APPOINTMENT)
    assert focus.fact.location == "Box 2"
    assert changes.outbox == []


def test_an_update_takes_effect_on_the_version_that_it_names():
    """One that names a version changes that one only, also within a batch, and once: a replay changes nothing."""
    gateway = Gateway()
    gateway.send(declare(ANNE_1, location="Box 1"), source=AGENDA)
    first, second, other = (
        replace(gateway.job(declare(ANNE_1, key, location=where), source=AGENDA), expects=1)
        for key, where in (("RDV1", "Box 3"), ("RDV1", "Box 4"), ("RDV2", "Box 5"))
    )
    endings = gateway.process([first, second, other]).endings
    assert [e.outcome.error for e in endings] == ["", "PreconditionFailed", "PreconditionFailed"]
    assert gateway.process([first]).outbox == []
    assert [f.fact.location for f in gateway.store.foci.values() if f.kind is FocusKind.APPOINTMENT] == ["Box 3"]
    assert gateway.only(CONVOCATION).version == 2


def test_a_whole_state_under_the_identifiers_of_two_appointments_changes_neither():
    """What is stated of one appointment is not applied to whichever of two is found first."""
    gateway = Gateway()
    gateway.send(declare(ANNE_1, "RDV1"), declare(ANNE_1, "RDV2"), source=AGENDA)
    job = gateway.job(declare(ANNE_1, "RDV1+RDV2", location="Box 9"), source=AGENDA)
    assert gateway.process([job]).endings[0].outcome.error == "PreconditionFailed"
    assert "Box 9" not in {f.fact.location for f in gateway.store.foci.values() if f.kind is FocusKind.APPOINTMENT}


def test_one_batch_or_many_make_the_same_of_a_day():
    """What a batch loads by its needs is all that it touches: one large batch and single ones agree."""
    single = a_day()
    together = Gateway()
    together.process(single.jobs)
    assert together.live() == single.live()
    assert [p.traits for p in together.store.persons.values()] == [p.traits for p in single.store.persons.values()]


def test_message_ids_follow_from_item_and_version():
    """The same version of an item has one message id, other versions others; two databases never share one."""
    gateway, other = a_day(), a_day()
    ids = {(e.item, e.version): e.message_id for e in gateway.outbox}
    assert len(set(ids.values())) == len(gateway.outbox)
    assert ids == {(e.item, e.version): e.message_id for e in other.outbox}
    elsewhere = replace(gateway.decider, installation=UUID(int=8))
    changes = elsewhere.decide([Job(1, LAB, "M", Translation((result(ANNE_1),)))], State(), at(0))
    assert not {e.message_id for e in changes.outbox} & set(ids.values())


def test_the_body_shows_the_person_as_it_stands_after_the_whole_message():
    """Rendering comes last: a correction and a result in one message show the corrected patient."""
    gateway = Gateway()
    gateway.send(told(ANNE_1))
    corrected = patient(ipp("1"), used_family_name="MOREL")
    changes = gateway.send(visit(ANNE_1), told(corrected, correction=True))
    assert b"MOREL" in changes.outbox[-1].body


def test_order_key_is_the_person_and_the_queue_is_the_items():
    """What is published of one patient is ordered under one key."""
    gateway = a_day()
    last = {e.item: e for e in gateway.outbox}
    for item in gateway.store.items.values():
        assert last[item.id].secretariat == item.secretariat
        assert last[item.id].version == item.version


def test_a_done_item_is_left_alone_by_a_correction_of_its_patient():
    """What is done is not told again when the patient's traits are corrected."""
    gateway = Gateway()
    gateway.send(told(ANNE_1))
    gateway.send(result(ANNE_1), source=LAB)
    done = gateway.work(gateway.only(RESULT), ItemState.DONE)
    gateway.send(told(patient(ipp("1"), used_family_name="MOREL"), correction=True))
    assert gateway.store.items[done.id] == done


def test_a_site_without_rules_still_gives_every_item_a_queue():
    """Each item has exactly one owner queue, and it is one of the site's (promise P4)."""
    gateway = Gateway(replace(SITE, rules=()))
    gateway.send(result(ANNE_1), book(ANNE_1), document(ANNE_1), visit(ANNE_1), source=LAB)
    assert {i.secretariat for i in gateway.store.items.values()} == {"accueil", "identite"}
