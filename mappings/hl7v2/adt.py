"""ADT into facts: who the patient is, where the stay stands, which identifiers were merged (PAM.FR ITI-30, ITI-31)."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from gateway.er7 import Message, Segment
from gateway.errors import FieldMissing, PersonNeeded, SegmentMissing
from gateway.facts import (
    Fact,
    Identifier,
    IdentifierKind,
    Patient,
    PatientMerged,
    PatientReported,
    VisitReported,
    VisitState,
)
from mappings.hl7v2.patient import identifiers_of, patient_identifiers, patient_of
from mappings.hl7v2.reading import Reading, first_of, is_true, place_shown, unit_of_visit
from mappings.hl7v2.tables import ADT_EVENTS, CANCELLED_BY, LINKS, MOVEMENT_ACTIONS, AdtRule

_ACTION = 4
_CORRECTED = "Z99"


@dataclass(frozen=True, slots=True)
class Group:
    """A PID and what follows it up to the next (2.5.1 §3.3.17, §3.3.39: swaps and merges repeat the group)."""

    pid: Segment
    following: tuple[Segment, ...]

    def first(self, name: str) -> Segment | None:
        """The group's first segment of this name."""
        return next((s for s in self.following if s.name == name), None)


def groups(message: Message) -> tuple[Group, ...]:
    """Give one group per PID, in order."""
    bounds = [*(s.position - 1 for s in message.all("PID")), len(message.segments)]
    return tuple(Group(message.segments[a], message.segments[a + 1 : b]) for a, b in pairwise(bounds))


@dataclass(frozen=True, slots=True)
class Movement:
    """A ZBE (PAM.FR): which movement, since when, and whose responsibility.

    Attributes:
        id: ZBE-1.
        start: ZBE-2.
        action: ZBE-4: INSERT, UPDATE, CANCEL.
        historic: ZBE-5 = Y.
        original_event: ZBE-6.
        unit: medically responsible unit (ZBE-7.10).

    """

    id: str = ""
    start: datetime | None = None
    action: str = ""
    historic: bool = False
    original_event: str = ""
    unit: str = ""


def movement_of(reading: Reading) -> Movement:
    """Give the message's movement.

    ZBE-3 is forbidden by PAM.FR; some fill it and shift what follows by one: the fields are read where
    ZBE-4's action is.
    """
    zbe = reading.message.first("ZBE")
    if zbe is None:
        return Movement()
    shift = _shift(zbe)
    if shift:
        reading.flag("ZBE-3", "ZBE-4 stands in another field: the fields behind ZBE-3 are read shifted by one")
    return Movement(
        id=zbe.text(1).strip(),
        start=reading.instant(zbe, 2),
        action=zbe.text(_ACTION + shift).strip().upper(),
        historic=is_true(zbe.text(5 + shift)),
        original_event=zbe.text(6 + shift).strip().upper(),
        unit=first_of(zbe.text(7 + shift, 10), zbe.text(7 + shift, 1)),
    )


def _shift(zbe: Segment) -> int:
    for shift in (0, 1, -1):
        if zbe.text(_ACTION + shift).strip().upper() in MOVEMENT_ACTIONS:
            return shift
    return 0


def facts(reading: Reading) -> tuple[Fact, ...]:
    """Give what an ADT message says.

    Raises:
        FieldMissing: a merge names no retired identifier.
        SegmentMissing: a merge has no MRG.
        PersonNeeded: a move or renumbering, which a person does.

    """
    rule = ADT_EVENTS[reading.event]
    if rule.by_hand:
        raise PersonNeeded(rule.by_hand, path="MRG")
    if rule.merge:
        return tuple(fact for group in groups(reading.message) for fact in _merges(reading, group))
    movement = movement_of(reading)
    state_rule = ADT_EVENTS[_effective_event(reading, movement)]
    return tuple(fact for group in _told(reading) for fact in _told_facts(reading, group, movement, rule, state_rule))


def _told(reading: Reading) -> tuple[Group, ...]:
    """The groups that the message reports; a link tells who both patients are, and a person is told to see to it."""
    found = groups(reading.message)
    if reading.event in LINKS:
        reading.flag("PID[2]", "links and unlinks are not followed: both patients are reported as they are")
    elif len(found) > 1 and reading.event != "A17":
        raise PersonNeeded("one patient in a message of this event", path="PID[2]")
    return found


def corrects(reading: Reading, movement: Movement) -> bool:
    """Whether the message takes back or changes an earlier movement: by its event, or by ZBE-4."""
    by_event = reading.event == _CORRECTED or reading.event in CANCELLED_BY.values()
    return by_event or movement.action in {"CANCEL", "UPDATE"}


def _effective_event(reading: Reading, movement: Movement) -> str:
    """The event that decides the stay's state: Z99 corrects the one of ZBE-6, CANCEL makes it its cancellation."""
    event = reading.event
    if event == _CORRECTED and movement.original_event in ADT_EVENTS:
        event = movement.original_event
    elif event == _CORRECTED:
        reading.flag("ZBE-6", "a correction names the event that it corrects; the stay is left as it is")
    return CANCELLED_BY.get(event, event) if movement.action == "CANCEL" else event


def _told_facts(
    reading: Reading, group: Group, movement: Movement, rule: AdtRule, state_rule: AdtRule
) -> Iterator[Fact]:
    patient = patient_of(reading, group.pid)
    yield PatientReported(patient, correction=rule.correction)
    if rule.change:
        yield from _changes(reading, group, patient)
    if state_rule.state is not None:
        yield from _visits(reading, group, patient, movement, state_rule.state)


def _visits(
    reading: Reading, group: Group, patient: Patient, movement: Movement, state: VisitState
) -> Iterator[VisitReported]:
    pv1 = group.first("PV1")
    visit = visit_number(reading, group.pid, pv1)
    if visit is None:
        reading.flag("PID-18", "without a visit number (PID-18, PV1-19) the movement is not followed")
        return
    if state is VisitState.CANCELLED and pv1 is not None and pv1.text(5).strip():
        state = VisitState.PLANNED  # 2.5.1 §3.3.11: the pre-admission that was there before stands again
    yield VisitReported(
        patient=patient,
        visit=visit,
        state=state,
        patient_class=pv1.text(2).strip() if pv1 else "",
        unit=first_of(movement.unit, unit_of_visit(pv1)),
        location=place_shown(pv1, 3),
        start=_start(reading, group, movement, state),
        movement=movement.id,
        historic=movement.historic,
        moved_at=movement.start,
        corrects=corrects(reading, movement),
    )


def visit_number(reading: Reading, pid: Segment, pv1: Segment | None) -> Identifier | None:
    """Give the stay's number: PID-18 (NDA, mandatory in PAM.FR), else PV1-19, else PV1-50."""
    fields = ((pid, 18), (pv1, 19), (pv1, 50))
    found = (i for segment, field in fields if segment for i in identifiers_of(reading, segment, field))
    number = next(found, None)
    return number and Identifier(number.authority, number.value, IdentifierKind.OTHER)


def _start(reading: Reading, group: Group, movement: Movement, state: VisitState) -> datetime | None:
    """Begin of the movement: PV2-8 of a planned one, else ZBE-2, else admission or discharge time."""
    pv1, pv2 = group.first("PV1"), group.first("PV2")
    if state is VisitState.PLANNED:
        return reading.instant(pv2, 8) or movement.start or reading.readable_instant(pv1, 44)
    told = 45 if state is VisitState.DISCHARGED else 44
    return movement.start or reading.readable_instant(pv1, told)


def _retired(reading: Reading, mrg: Segment) -> tuple[Identifier, ...]:
    """The identifiers of MRG-1, else of MRG-4 (A30, A39 in older versions)."""
    for field in (1, 4):
        found = [i for i in patient_identifiers(reading, mrg, field) if i.kind is IdentifierKind.PATIENT]
        if found:
            return tuple(found)
    return ()


def retired_by(reading: Reading, group: Group) -> tuple[Identifier, ...]:
    """Give the patient identifiers that a merge retires.

    Raises:
        SegmentMissing: the group has no MRG.
        FieldMissing: MRG names none.

    """
    mrg = group.first("MRG")
    if mrg is None:
        raise SegmentMissing("a merge has an MRG behind each PID", path="MRG")
    retired = _retired(reading, mrg)
    if not retired:
        raise FieldMissing("a merge names the patient identifier that it retires", path=reading.path(mrg, 1))
    return retired


def check_keys(reading: Reading) -> None:
    """Return when what the facts are found by, beside the patient, is there and can be stored.

    Raises:
        SegmentMissing, FieldMissing: a merge retires nobody.
        DataTypeInvalid: a number is too long.

    """
    for group in groups(reading.message):
        visit_number(reading, group.pid, group.first("PV1"))
        if ADT_EVENTS[reading.event].merge:
            retired_by(reading, group)


def _merges(reading: Reading, group: Group) -> Iterator[PatientMerged]:
    """One fact per retired identifier (A40; A18, A30, A34, A36, A39)."""
    patient = patient_of(reading, group.pid)
    for identifier in retired_by(reading, group):
        yield PatientMerged(patient, identifier)


def _changes(reading: Reading, group: Group, patient: Patient) -> Iterator[PatientMerged]:
    """A47: an IPP that was replaced is retired; an INS in MRG-1 was replaced or removed: PID-3 tells what is left."""
    mrg = group.first("MRG")
    if mrg is None:
        return
    for identifier in _retired(reading, mrg):
        if identifier not in patient.identifiers:
            yield PatientMerged(patient, identifier)
