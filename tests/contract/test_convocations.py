"""Convocations on each store: made with the message, acted on by people, audited, and never two live ones."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from messages import message, pid
from sqlalchemy import select
from stores import SITE, at_once

from adapters.convocation_operations import ConvocationOperations
from adapters.store import schema
from adapters.store.audit import AuditQuery
from adapters.store.convocations import ConvocationDesk
from adapters.worker import Worker
from gateway.audit import AuditAction
from gateway.convening import Convening, KindRule
from gateway.convocation import ConvocationAct, ConvocationKind, ConvocationState, Notice, Outcome
from gateway.errors import AccessRefused, ResourceNotFound, StateConflict
from gateway.letter import Template
from gateway.pipeline import Decider
from gateway.principal import Principal, PrincipalKind, Right
from gateway.worklist import ItemKind, ItemState

SAYS = {notice: (f"{notice} : {{patient}}, {{date}} à {{heure}}", "{documents}") for notice in Notice}
LETTER = Template("consultation", "1", {n: f"Objet {n}" for n in Notice}, SAYS)
RULES = Convening(
    (KindRule(ConvocationKind.CONSULTATION, template="consultation", documents=("carte Vitale",), follow_up=True),),
    completion="identite",
    sender=("CHU", "1 rue", "63000 CLERMONT-FERRAND"),
    letters={"consultation": LETTER},
)
CONVENING = replace(SITE, convening=RULES)
ALL = frozenset(Right) - {Right.WORKLIST_READ_ALL}
NADIA = Principal("account:nadia", PrincipalKind.PERSON, "secretary", frozenset({"accueil"}), ALL)
LEA = replace(NADIA, id="account:lea", secretariats=frozenset({"cardiologie"}))
NOW = datetime.now(UTC)
HOME = "12 rue des Lilas^^Clermont-Ferrand^^63000^FRA^H"


def decider(store) -> Decider:
    return replace(store.decider(), site=CONVENING)


def process(store, *raws: bytes) -> None:
    store.take(*raws)
    worker = Worker(store.work, decider(store), CONVENING, lambda: None)
    while worker.run_once():
        pass


def desk(store, principal=NADIA) -> ConvocationOperations:
    return ConvocationOperations(principal, ConvocationDesk(store.database, store.work), store.trail, decider(store))


def patient(number: str, control: str, *, address: str = HOME, dead: str = "", when: int = 0) -> bytes:
    fields = pid(number).split("|") + [""] * 31
    fields[11], fields[30] = address, dead
    segments = ("EVN||20260302081500", "|".join(fields[:31]))
    return message("ADT^A31^ADT_A05" if when else "ADT^A28^ADT_A05", control, *segments, application="ADM", when=when)


def siu(event: str, control: str, number: str, key: str, *, days: int = 30, when: int = 0) -> bytes:
    start = f"{NOW + timedelta(days=days):%Y%m%d}0900"
    sch = f"SCH||{key}^AGENDA|||||||||^^^{start}"
    return message(f"SIU^{event}^SIU_S12", control, sch, pid(number), application="AGENDA", when=when)


@pytest.fixture
def booked(store):
    """A store with one appointment, to be told by letter."""
    process(store, patient("8001", "P1"), siu("S12", "A1", "8001", "R1", when=1))
    return store


def one(store):
    (view,) = desk(store).listed()
    return view.convocations


def item(store):
    (found,) = [v.item for v in store.worklist.items(["accueil"]) if v.item.kind is ItemKind.CONVOCATION]
    return found.title, found.state


def done(store, *actions):
    return [e.action for e in store.trail.search(AuditQuery()) if e.action in actions]


def printed(store, appointment) -> bytes:
    made = []
    desk(store).print_one(appointment, made.append)
    return made[-1]


def test_a_booking_makes_one_convocation_in_the_messages_own_transaction(booked):
    """Its row, its item and its event; the row's columns say what lists ask for."""
    known = one(booked)
    assert (known.outcome, known.live.state, item(booked)[0]) == (
        Outcome.GENERATE,
        ConvocationState.TO_PREPARE,
        "convocation.to-send",
    )
    (row,) = booked.rows(select(schema.convocation))
    assert (row.state, row.channel, row.open, row.starts) == ("to-prepare", "letter", True, known.live.content.start)
    assert done(booked, AuditAction.CONVOCATION_GENERATED)


def test_a_letters_life_is_audited_step_by_step(booked):
    """Previewed, printed, printed again, sent, confirmed: each by its event; the item is done once it is sent."""
    appointment = one(booked).appointment
    assert desk(booked).preview(appointment).startswith(b"%PDF")
    assert one(booked).live.state is ConvocationState.TO_PREPARE
    first = printed(booked, appointment)
    assert (one(booked).live.state, item(booked)) == (
        ConvocationState.PRINTED,
        ("convocation.printed", ItemState.NEW),
    )
    assert printed(booked, appointment) == first
    desk(booked).do(ConvocationAct.SEND, appointment)
    assert item(booked)[1] is ItemState.DONE
    desk(booked).do(ConvocationAct.CONFIRM, appointment)
    assert one(booked).live.state is ConvocationState.CONFIRMED
    acts = [e for e in booked.trail.search(AuditQuery()) if e.action.startswith("user:convocation:")]
    assert [e.action for e in acts if "listed" not in e.action] == [
        AuditAction.CONVOCATION_PREVIEWED,
        AuditAction.CONVOCATION_PRINTED,
        AuditAction.CONVOCATION_REPRINTED,
        AuditAction.CONVOCATION_SENT,
        AuditAction.CONVOCATION_CONFIRMED,
    ]
    assert {e.principal for e in acts} == {NADIA.id}
    reprinted = next(e for e in acts if e.action == AuditAction.CONVOCATION_REPRINTED)
    assert reprinted.detail["count"] == 2


def test_the_same_template_and_fields_give_the_same_bytes_and_another_template_is_refused(booked):
    """The PDF is not kept: it is made again, and known by its hash."""
    appointment = one(booked).appointment
    made = printed(booked, appointment)
    process(booked, siu("S13", "A2", "8001", "R1", days=40, when=5))
    assert desk(booked).preview(appointment, 1) == made
    other = replace(RULES, letters={"consultation": replace(LETTER, version="2", closing=("Adieu.",))})
    changed = replace(booked.decider(), site=replace(CONVENING, convening=other))
    with pytest.raises(StateConflict, match="consultation 1"):
        ConvocationOperations(NADIA, ConvocationDesk(booked.database, booked.work), booked.trail, changed).preview(
            appointment, 1
        )


def test_a_move_after_the_letter_left_is_a_correction_that_a_second_letter_prints(booked):
    """« Annule et remplace »: one live, the item open again, and a cancellation after it annuls the second."""
    appointment = one(booked).appointment
    printed(booked, appointment)
    desk(booked).do(ConvocationAct.SEND, appointment)
    process(booked, siu("S13", "A2", "8001", "R1", days=40, when=5))
    assert [c.state for c in one(booked).each] == [ConvocationState.SUPERSEDED, ConvocationState.TO_PREPARE]
    assert item(booked) == ("convocation.to-correct", ItemState.NEW)
    printed(booked, appointment)
    process(booked, siu("S15", "A3", "8001", "R1", days=40, when=9))
    assert (one(booked).live.notice, one(booked).live.replaces) == (Notice.CANCELLATION, 2)


def test_a_death_that_admissions_tells_withdraws_what_no_message_of_the_agenda_touches(booked):
    """Found by the patient, with its item."""
    process(booked, patient("8001", "P2", dead="Y", when=5))
    assert (one(booked).live, one(booked).outcome) == (None, Outcome.NEVER)
    assert item(booked) == ("convocation.never", ItemState.WITHDRAWN)


def test_an_address_that_comes_later_ends_the_completion_item(store):
    """Neither address nor telephone: the bureau has an item until they are known."""
    process(store, patient("8001", "P1", address=""), siu("S12", "A1", "8001", "R1", when=1))
    titles = {v.item.secretariat: v.item.title for v in store.worklist.items(None) if v.item.open}
    assert titles == {"accueil": "convocation.to-complete", "identite": "convocation.address-to-complete"}
    process(store, patient("8001", "P2", when=5))
    titles = {v.item.secretariat: v.item.title for v in store.worklist.items(None) if v.item.open}
    assert titles == {"accueil": "convocation.to-send"}


def test_a_letter_that_came_back_is_to_be_told_again_elsewhere(booked):
    """The item is open again, though it was done."""
    appointment = one(booked).appointment
    printed(booked, appointment)
    desk(booked).do(ConvocationAct.SEND, appointment)
    desk(booked).do(ConvocationAct.RETURN, appointment)
    assert one(booked).reach.incomplete
    assert item(booked) == ("convocation.to-complete", ItemState.NEW)


def test_who_did_not_come_is_to_be_called_by_rule(booked):
    """The item says so."""
    desk(booked).do(ConvocationAct.MISS, one(booked).appointment)
    assert item(booked) == ("convocation.no-show", ItemState.NEW)


def test_a_batch_prints_what_is_to_be_prepared_and_says_what_it_leaves_out(store):
    """One PDF; not of an identity to be confirmed; a second batch has nothing to print."""
    process(
        store,
        patient("8001", "P1"),
        siu("S12", "A1", "8001", "R1", when=1),
        siu("S12", "A2", "8001", "R2", days=35, when=2),
    )
    fields = pid("8009").split("|") + [""] * 12
    fields[11] = HOME
    start = f"{NOW + timedelta(days=30):%Y%m%d}0900"
    segments = f"SCH||R3^AGENDA|||||||||^^^{start}", "|".join(fields[:12])
    process(store, message("SIU^S12^SIU_S12", "A3", *segments, application="AGENDA", when=3))
    made = []
    batch = desk(store).print_all("", made.append)
    assert (len(batch.views), list(batch.left_out.values())) == (
        2,
        ["the patient's identity is to be confirmed first: nothing is printed"],
    )
    assert len(made) == 1
    assert desk(store).print_all("", made.append).views == []
    assert len(done(store, AuditAction.CONVOCATION_PRINTED)) == 2


def test_a_pdf_that_cannot_be_kept_leaves_everything_as_it_is(booked):
    """No letter counts as printed of which there is no paper."""
    before = one(booked)

    def full(_pdf: bytes) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        desk(booked).print_one(before.appointment, full)
    assert one(booked) == before
    assert not done(booked, AuditAction.CONVOCATION_PRINTED)


def test_nobody_acts_for_another_secretariat_or_without_the_right(booked):
    """Each refusal is audited."""
    appointment = one(booked).appointment
    reader = replace(NADIA, rights=frozenset({Right.CONVOCATION_READ}))
    for own, act in ((LEA, ConvocationAct.SEND), (reader, ConvocationAct.SEND), (reader, ConvocationAct.MISS)):
        with pytest.raises(AccessRefused):
            desk(booked, own).do(act, appointment)
    with pytest.raises(AccessRefused):
        desk(booked, LEA).preview(appointment)
    with pytest.raises(AccessRefused):
        desk(booked, reader).print_all("", lambda _: None)
    assert desk(booked, LEA).listed() == []
    assert len(done(booked, AuditAction.ACCESS_REFUSED)) == 5
    with pytest.raises(ResourceNotFound):
        desk(booked).show("nothing")


def test_of_many_who_send_at_once_one_does(booked, twin):
    """The others are told that it is sent; one step, one event."""
    appointment = one(booked).appointment

    def send(number: int) -> str:
        try:
            desk((booked, twin)[number % 2]).do(ConvocationAct.SEND, appointment)
        except StateConflict as conflict:
            return conflict.rule
        return ""

    came = at_once(*(lambda n=n: send(n) for n in range(8)))
    assert sorted(came) == [""] + ["the convocation is sent: sent is not possible"] * 7
    assert len(done(booked, AuditAction.CONVOCATION_SENT)) == 1


def test_acts_and_messages_at_once_leave_one_live(booked, twin):
    """A letter printed while the agenda moves the appointment: it is corrected or replaced, never both live."""
    appointment = one(booked).appointment
    moves = [siu("S13", f"M{n}", "8001", "R1", days=40 + n, when=10 + n) for n in range(3)]

    def tell() -> None:
        for raw in moves:
            process(twin, raw)

    def print_it() -> None:
        for _ in range(3):
            printed(booked, appointment)

    at_once(tell, print_it)
    known = one(booked)
    assert sum(c.live for c in known.each) == 1
    assert known.live.content.start.date() == (NOW + timedelta(days=42)).date()
