"""What an object asks of a secretariat now: from an appointment, report, document, stay or question to work.

Nothing here remembers: a demand follows from the object alone, and gateway/dispatch.py holds it against the items that
exist. That is why repetitions, permutations and replays end in the same items.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from gateway.convocation import ConvocationKind, Convocations, Outcome
from gateway.facts import (
    DISCHARGE_LETTER,
    Abnormality,
    AppointmentReported,
    AppointmentStatus,
    DocumentAct,
    DocumentReported,
    OrderReported,
    Pending,
    Priority,
    Remark,
    ResourceKind,
    ResultReported,
    ResultStatus,
    VisitReported,
    VisitState,
)
from gateway.focus import Discrepancies, Doubt, Focus, Letters, Noted, Question
from gateway.routing import Subject
from gateway.worklist import ItemKind


@dataclass(frozen=True, slots=True)
class Side:
    """What one more secretariat is told of an object, wherever the rules send it.

    Attributes:
        title: key of the text catalogue.
        rule: why it is told: the name of a reason of ours.

    """

    title: str
    rule: str


@dataclass(frozen=True, slots=True)
class Demand:
    """What the items about an object should be.

    Attributes:
        subject: what the routing rules look at.
        kind: kind of item.
        needed: someone must act; False: there is nothing to do any more.
        priority: urgency by the facts alone.
        title: key of the text catalogue.
        detail: what the medical view adds.
        content: what a reader would see; a change of it makes a new version and reopens what was done.
        warns: where it is not needed, whoever has acted on it must be told (a letter sent, a result read).
        copies: units that are to receive a copy, wherever the item itself goes.
        remarks: what whoever works on it must know of how it was understood.
        of_object: the object has come; False: what waits for it is shown, and nobody has acted on the object itself.
        sides: secretariats that are told beside where the rules send it, and what.
        routed: the rules send it; False: it is for its sides alone.
        begins: when what it is about begins (an appointment).

    """

    subject: Subject
    kind: ItemKind
    needed: bool
    priority: Priority
    title: str
    detail: str
    content: tuple[object, ...]
    warns: bool = False
    copies: tuple[str, ...] = ()
    remarks: tuple[Remark, ...] = ()
    of_object: bool = True
    sides: Mapping[str, Side] = field(default_factory=dict)
    routed: bool = True
    begins: datetime | None = None

    def title_for(self, secretariat: str) -> str:
        """Give the title that a secretariat reads."""
        side = self.sides.get(secretariat)
        return side.title if side else self.title


_APPOINTMENT_TITLES = {
    AppointmentStatus.PROPOSED: "convocation.to-schedule",
    AppointmentStatus.PENDING: "convocation.to-schedule",
    AppointmentStatus.WAITLIST: "convocation.to-schedule",
    AppointmentStatus.BOOKED: "convocation.to-send",
}


def _of_appointment(fact: AppointmentReported, source: str) -> Demand:
    cancelled = fact.status in {AppointmentStatus.CANCELLED, AppointmentStatus.ENTERED_IN_ERROR}
    title = "convocation.cancelled" if cancelled else _APPOINTMENT_TITLES.get(fact.status, "convocation.closed")
    return Demand(
        Subject(
            ItemKind.CONVOCATION,
            source,
            fact.unit,
            fact.location,
            fact.service_code,
            priority=fact.priority,
            practitioner=tuple(r.code for r in fact.named(ResourceKind.PERSON) if r.code),
        ),
        ItemKind.CONVOCATION,
        fact.status in _APPOINTMENT_TITLES,
        fact.priority,
        title,
        fact.service_text or fact.service_code,
        (title, fact.start, fact.end, fact.location, fact.practitioner, fact.service_code, fact.notes),
        warns=cancelled,
        remarks=fact.remarks,
        begins=fact.start,
    )


_RESULT_TITLES = {
    ResultStatus.PRELIMINARY: "result.preliminary",
    ResultStatus.FINAL: "result.final",
    ResultStatus.CORRECTED: "result.corrected",
    ResultStatus.WITHDRAWN: "result.withdrawn",
    ResultStatus.UNOBTAINABLE: "result.unobtainable",
    ResultStatus.UNKNOWN: "result.unknown-status",
}


def _of_result(fact: ResultReported, source: str) -> Demand:
    withdrawn = fact.status is ResultStatus.WITHDRAWN
    critical = fact.abnormality is Abnormality.CRITICAL and not withdrawn
    title = "result.critical" if critical else _RESULT_TITLES[fact.status]
    content = tuple((o.code, o.sub_id, o.value, o.unit, o.abnormality, o.notes) for o in fact.observations)
    unit, grade = fact.ordering_unit or fact.stay_unit, "" if withdrawn else fact.abnormality
    return Demand(
        Subject(
            ItemKind.RESULT,
            source,
            unit,
            fact.location,
            fact.code,
            priority=fact.priority,
            grade=grade,
            practitioner=(fact.requester_key.value,) if fact.requester_key else (),
        ),
        ItemKind.RESULT,
        not withdrawn,
        Priority.STAT if critical else fact.priority,
        title,
        fact.label or fact.code,
        (withdrawn, fact.abnormality, fact.notes, *content),
        warns=withdrawn,
        copies=fact.copies,
        remarks=fact.remarks,
    )


MISSING_RESULT = "result.missing"
"""Title of an order of which no result has come in time."""


def _of_order(fact: OrderReported, source: str) -> Demand:
    """Give what an order asks for of which no result has come in time: that a person sees it."""
    code = next(iter(fact.codes), "")
    return Demand(
        Subject(ItemKind.RESULT, source, fact.ordering_unit, code=code, priority=fact.priority),
        ItemKind.RESULT,
        fact.expects,
        fact.priority,
        MISSING_RESULT,
        fact.label,
        (fact.codes,),
    )


_DOCUMENT_TITLES = {
    DocumentAct.REPLACE: "correspondence.replaced",
    DocumentAct.WITHDRAW: "correspondence.withdrawn",
    DocumentAct.STATUS: "correspondence.status",
}

LOOP_TITLES = {
    "DI": "correspondence.dictated",
    "IP": "correspondence.in-progress",
    "IN": "correspondence.in-progress",
    "DO": "correspondence.typed",
    "PA": "correspondence.to-sign",
}
"""The typing loop (TXA-17, table 0271) as long as the document is not signed."""


def _of_document(fact: DocumentReported, source: str) -> Demand:
    withdrawn = fact.act is DocumentAct.WITHDRAW
    title = _DOCUMENT_TITLES.get(fact.act, "correspondence.new")
    if not withdrawn:
        title = "correspondence.undelivered" if fact.undelivered else LOOP_TITLES.get(fact.completion, title)
    return Demand(
        Subject(ItemKind.CORRESPONDENCE, source, fact.unit, code=fact.type_code),
        ItemKind.CORRESPONDENCE,
        not withdrawn,
        Priority.URGENT if fact.undelivered and not withdrawn else Priority.ROUTINE,
        title,
        fact.type_label or fact.type_code,
        (fact.key, fact.sha256, withdrawn, LOOP_TITLES.get(fact.completion), fact.undelivered),
        warns=withdrawn,
        copies=fact.copies,
        remarks=(*fact.remarks, Remark.RESTRICTED) if fact.restrictions else fact.remarks,
    )


LETTER_EXPECTED = "correspondence.discharge-letter-expected"
"""Title of a discharge letter that is to be written."""


def _of_letters(letters: Letters, source: str) -> Demand:
    """Give what the ends of stays ask for of which there is no letter yet: one item, of the stay that ended last."""
    missing = letters.missing
    last = next(reversed(missing or letters.stays), None)
    subject = Subject(ItemKind.CORRESPONDENCE, source, code=DISCHARGE_LETTER)
    if last is not None:
        subject = replace(subject, unit=last.unit, location=last.location, patient_class=last.patient_class)
    detail = last.location if last else ""
    kind, title = ItemKind.CORRESPONDENCE, LETTER_EXPECTED
    return Demand(subject, kind, bool(missing), Priority.ROUTINE, title, detail, missing)


def _of_visit(fact: VisitReported, source: str) -> Demand:
    """What a stay asks for: nothing where only its history is known, or only what leaves it where it was (A54)."""
    titles = {
        VisitState.PLANNED: "admission.planned",
        VisitState.ADMITTED: "admission.arrived",
        VisitState.ON_LEAVE: "admission.on-leave",
        VisitState.DISCHARGED: "admission.left",
        VisitState.CANCELLED: "admission.cancelled",
    }
    state = None if fact.historic else fact.state
    return Demand(
        Subject(ItemKind.ADMISSION, source, fact.unit, fact.location, patient_class=fact.patient_class),
        ItemKind.ADMISSION,
        state not in {None, VisitState.CANCELLED},
        Priority.ROUTINE,
        titles[state] if state else "admission.history",
        fact.location,
        (state, fact.unit, fact.location),
        warns=state is VisitState.CANCELLED,
        remarks=(*fact.remarks, *(_EXPECTED[e.what] for e in fact.expected)),
    )


_EXPECTED = {Pending.TRANSFER: Remark.TRANSFER_EXPECTED, Pending.DISCHARGE: Remark.DISCHARGE_EXPECTED}


ASKED = "asked"
"""Rule of an item by which the identity desk asks a secretariat for what it knows."""


def _of_question(question: Question, source: str) -> Demand:
    urgent = question.doubt not in {Doubt.UNKNOWN, Doubt.POSSIBLE_MATCH, Doubt.LINK_PROPOSED}
    return Demand(
        Subject(ItemKind.IDENTITY, source, code=question.doubt),
        ItemKind.IDENTITY,
        not question.answered,
        Priority.URGENT if urgent else Priority.ROUTINE,
        f"identity.{question.doubt}",
        ", ".join(question.traits),
        (question,),
        sides={secretariat: Side("identity.information-asked", ASKED) for secretariat in question.waits_for},
    )


DIFFERS = "discrepancy"
"""Rule of an item by which both sides know that a department and admissions differ."""


def _of_discrepancies(told: Discrepancies, source: str) -> Demand:
    blocking = told.doubt is Doubt.BLOCKING_DISCREPANCY
    title = f"identity.{told.doubt}"
    return Demand(
        Subject(ItemKind.IDENTITY, source, code=Doubt.DISCREPANCY),
        ItemKind.IDENTITY,
        bool(told.found),
        Priority.URGENT if blocking else Priority.ROUTINE,
        title,
        ", ".join(told.traits),
        tuple((d.source, d.differs) for d in told.found),
        sides={secretariat: Side(title, DIFFERS) for secretariat in told.secretariats},
        routed=False,
    )


def _of_what_waits(focus: Focus) -> Demand | None:
    """Give what a placeholder asks for once facts have waited on it for too long: that a person sees the last one."""
    if not (focus.overdue and focus.held):
        return None
    last = focus.held[-1]
    match last.fact:
        case AppointmentReported() as fact:
            wanted = _of_appointment(fact, last.source)
        case DocumentReported() as fact:
            wanted = _of_document(fact, last.source)
        case _:
            return None
    title = f"{wanted.kind}.{fact.act}-unknown"
    content = (title, *(held.message for held in focus.held))
    return _with_event(replace(wanted, needed=True, title=title, content=content, warns=False, of_object=False))


_DEMANDS: Mapping[type, Callable[[Any, str], Demand]] = {
    AppointmentReported: _of_appointment,
    ResultReported: _of_result,
    DocumentReported: _of_document,
    VisitReported: _of_visit,
    Question: _of_question,
    Discrepancies: _of_discrepancies,
    Letters: _of_letters,
}


BESIDE = frozenset({"to-complete", "pre-admission"})
"""Rules of items that go with a convocation, and do not say that the patient is told."""

TO_COMPLETE = "to-complete"
"""Rule of an item by which the bureau des entrées is to find out how a patient is reached."""

PRE_ADMISSION = "pre-admission"
"""Rule of an item by which the bureau des entrées prepares a planned admission."""

_TO_TELL = frozenset({Outcome.GENERATE, Outcome.CORRECT, Outcome.CANCEL})
_AHEAD = frozenset({Outcome.GENERATE, Outcome.CORRECT, Outcome.KEEP, Outcome.DOUBLE})


def _of_convened(wanted: Demand, fact: AppointmentReported | VisitReported, known: Convocations, desk: str) -> Demand:
    """Give what is asked for once it is known what the patient has been told; a stay that has begun asks as before.

    Args:
        wanted: what the object asks for by itself.
        fact: the object.
        known: its convocations.
        desk: the bureau des entrées; empty: the site names none.

    """
    sides = {}
    if desk and known.outcome in _TO_TELL and known.reach.incomplete:
        sides[desk] = Side("convocation.address-to-complete", TO_COMPLETE)
    elif desk and known.outcome in _AHEAD and known.kind is ConvocationKind.ADMISSION:
        sides[desk] = Side("admission.pre-admission", PRE_ADMISSION)
    if isinstance(fact, AppointmentReported):
        told = (
            known.outcome,
            known.reach.incomplete,
            fact.start,
            fact.location,
            fact.practitioner,
            fact.service_code,
            fact.notes,
        )
        title = f"convocation.{known.title}"
        return replace(wanted, title=title, needed=known.to_do, content=told, warns=False, sides=sides)
    if fact.state not in {VisitState.PLANNED, VisitState.CANCELLED}:
        return wanted
    content = (*wanted.content, fact.start, known.outcome)
    if known.outcome in _TO_TELL or (known.outcome is Outcome.KEEP and known.to_do):
        title = f"admission.{known.title}"
        return replace(wanted, title=title, needed=True, content=content, warns=False, sides=sides)
    return replace(wanted, content=content, sides=sides)


def demand(focus: Focus, known: Convocations | None = None, desk: str = "") -> Demand | None:
    """Give what the object asks for; None while it is a placeholder or an order in its time, or noted by hand.

    Args:
        focus: the object.
        known: the convocations of an appointment or planned stay; None: there are none.
        desk: the secretariat that completes addresses and prepares admissions.

    """
    match focus.fact:
        case None:
            return _of_what_waits(focus)
        case OrderReported() as order:
            return _of_order(order, focus.told.source) if focus.overdue else None
        case Noted():
            return None
    wanted = _DEMANDS[type(focus.fact)](focus.fact, focus.told.source)
    if known is not None and isinstance(focus.fact, AppointmentReported | VisitReported):
        wanted = _of_convened(wanted, focus.fact, known, desk)
    return _with_event(wanted)


def _with_event(wanted: Demand) -> Demand:
    """Let the rules see what happened, as the item's title tells it."""
    return replace(wanted, subject=replace(wanted.subject, event=wanted.title.partition(".")[2]))
