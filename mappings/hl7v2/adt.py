"""ADT into facts: who the patient is, where the stay stands, which identifiers were merged (PAM.FR ITI-30, ITI-31)."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise

from gateway.er7 import Message, Segment
from gateway.errors import FieldMissing, PersonNeeded, SegmentMissing
from gateway.facts import (
    NO_CIRCUMSTANCES,
    Circumstances,
    Expected,
    Fact,
    Identifier,
    IdentifierChange,
    IdentifierKind,
    IdentityStatus,
    MovementAct,
    Patient,
    PatientMerged,
    PatientReported,
    PatientsLinked,
    Pending,
    Remark,
    StayMoved,
    VisitReported,
    VisitState,
)
from mappings.hl7v2.patient import identifiers_of, patient_identifiers, patient_of
from mappings.hl7v2.reading import Reading, first_of, is_confidential, is_true, place_shown, unit_of_visit
from mappings.hl7v2.tables import (
    ADT_EVENTS,
    CANCELLED_BY,
    LINKS,
    MADE_AS,
    MOVED_VISITS,
    MOVEMENT_ACTIONS,
    MOVEMENT_NATURES,
    PROVISIONAL_ATTRIBUTES,
    RENUMBERED,
    AdtRule,
)

_ACTION = 4
_CORRECTION = "Z99"
_ADMITS = "A01"
_UNLINK = "A37"
_PAIR = 2


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
class Zbe:
    """A ZBE (PAM.FR): which movement, since when, and whose responsibility.

    Attributes:
        id: ZBE-1, with the domain that it names.
        start: ZBE-2.
        act: ZBE-4; None if it is empty or none of the three.
        historic: ZBE-5 = Y.
        original_event: ZBE-6.
        unit: medically responsible unit (ZBE-7.10).
        care_unit: unit responsible for the care (ZBE-8.10).

    """

    id: str = ""
    start: datetime | None = None
    act: MovementAct | None = None
    historic: bool = False
    original_event: str = ""
    unit: str = ""
    care_unit: str = ""


def zbe_of(reading: Reading) -> Zbe:
    """Give the message's movement.

    ZBE-3 is forbidden by PAM.FR; some fill it and shift what follows by one: the fields are read where
    ZBE-4's action is.
    """
    zbe = reading.message.first("ZBE")
    if zbe is None:
        return Zbe()
    if len(reading.message.all("ZBE")) > 1:
        reading.flag(
            "ZBE[2]", "one movement in a message (PAM.FR): the first is followed", Remark.MOVEMENT_CONTRADICTED
        )
    shift = _shift(zbe)
    _flag_movement(reading, zbe, shift)
    return Zbe(
        id="^".join(part for part in (zbe.text(1).strip(), first_of(zbe.text(1, 2), zbe.text(1, 3))) if part),
        start=reading.instant(zbe, 2),
        act=MOVEMENT_ACTIONS.get(zbe.text(_ACTION + shift).strip().upper()),
        historic=is_true(zbe.text(5 + shift)),
        original_event=zbe.text(6 + shift).strip().upper(),
        unit=first_of(zbe.text(7 + shift, 10), zbe.text(7 + shift, 1)),
        care_unit=first_of(zbe.text(8 + shift, 10), zbe.text(8 + shift, 1)),
    )


def _shift(zbe: Segment) -> int:
    for shift in (0, 1, -1):
        if zbe.text(_ACTION + shift).strip().upper() in MOVEMENT_ACTIONS:
            return shift
    return 0


def _flag_movement(reading: Reading, zbe: Segment, shift: int) -> None:
    """Flag what a ZBE has that the profile does not (PAM.FR, ZBE)."""
    if shift:
        reading.flag("ZBE-3", "ZBE-4 stands in another field: the fields behind ZBE-3 are read shifted by one")
    elif zbe.text(3).strip():
        reading.flag("ZBE-3", "PAM.FR forbids the end of a movement: it is not read")
    if not zbe.text(1).strip():
        reading.flag("ZBE-1", "without a number a movement is told from others by its event and time")
    action, nature = zbe.text(_ACTION + shift).strip().upper(), zbe.text(9 + shift).strip().upper()
    if action not in MOVEMENT_ACTIONS:
        reading.flag("ZBE-4", "INSERT, UPDATE or CANCEL: read by the event")
    if nature and nature not in MOVEMENT_NATURES:
        reading.flag("ZBE-9", "a nature that PAM.FR does not hold is not read")


def facts(reading: Reading) -> tuple[Fact, ...]:
    """Give what an ADT message says.

    Raises:
        FieldMissing: a merge or move names no former identifier.
        SegmentMissing: a merge or move has no MRG.
        PersonNeeded: a renumbering, or the move of a number, which a person does.

    """
    rule = ADT_EVENTS[reading.event]
    if rule.by_hand:
        raise PersonNeeded(rule.by_hand, path="MRG")
    if rule.merge:
        return tuple(fact for group in groups(reading.message) for fact in _merges(reading, group))
    if reading.event in LINKS and len(pids := reading.message.all("PID")) == _PAIR:
        one, other = (patient_of(reading, pid) for pid in pids)
        return (PatientsLinked(one, other, apart=reading.event == _UNLINK),)
    if rule.moves:
        return tuple(fact for group in groups(reading.message) for fact in _moves(reading, group))
    if reading.event == "A08" and reading.message.text("MSH-12.2").strip().upper() == "FRA":
        reading.flag("MSH-9.2", "PAM.FR has no A08: read as the correction of traits that others send by it (A31)")
    zbe = zbe_of(reading)
    done = replace(_done(reading, zbe), remarks=reading.remarked())
    return tuple(fact for group in _told(reading) for fact in _told_facts(reading, group, rule, zbe, done))


def _told(reading: Reading) -> tuple[Group, ...]:
    """The groups that the message reports; a link of one patient alone links nobody."""
    found = groups(reading.message)
    if reading.event in LINKS and len(found) == 1:
        reading.flag("PID[2]", "a link or unlink names two patients: the one is reported as it is")
    elif len(found) > 1 and reading.event != "A17":
        raise PersonNeeded("one patient in a message of this event", path="PID[2]")
    return found


@dataclass(frozen=True, slots=True)
class Done:
    """What a message does to a movement.

    Attributes:
        act: whether it makes it, changes it or takes it back.
        event: event that made the movement; A04 under A01, for one event takes back both.
        rule: what the event that the message amounts to says.
        remarks: what was odd in it.

    """

    act: MovementAct
    event: str
    rule: AdtRule
    remarks: tuple[Remark, ...] = ()


def _done(reading: Reading, zbe: Zbe) -> Done:
    """The event and the action (ZBE-4) together; Z99 speaks for the event of ZBE-6, and the event wins a contradiction.

    PAM.FR, ITI-31: an event that cancels has the action CANCEL, Z99 UPDATE, and any other INSERT. Some senders cancel
    by the action alone.
    """
    event = reading.event
    if event == _CORRECTION:
        event = zbe.original_event
        if event not in ADT_EVENTS or not ADT_EVENTS[event].movement:
            reading.flag("ZBE-6", "a correction names the event that it corrects; the stay is left as it is")
            return Done(MovementAct.UPDATE, "", ADT_EVENTS[_CORRECTION])
    act = zbe.act or (MovementAct.UPDATE if reading.event == _CORRECTION else MovementAct.INSERT)
    if act is MovementAct.CANCEL:
        event = CANCELLED_BY.get(event, event)
    rule = ADT_EVENTS[event]
    if rule.cancels:
        if zbe.act not in {None, MovementAct.CANCEL} and reading.event != _CORRECTION:
            reading.flag(
                "ZBE-4", "the event cancels and the action does not: the event is taken", Remark.MOVEMENT_CONTRADICTED
            )
        made_by = zbe.original_event if zbe.original_event in rule.cancels else rule.cancels[0]
        return Done(MovementAct.CANCEL, MADE_AS.get(made_by, made_by), rule)
    if reading.event == _CORRECTION and act is MovementAct.INSERT:
        reading.flag("ZBE-4", "a correction inserts nothing: read as UPDATE", Remark.MOVEMENT_CONTRADICTED)
        act = MovementAct.UPDATE
    return Done(act, MADE_AS.get(event, event), rule)


def _told_facts(reading: Reading, group: Group, rule: AdtRule, zbe: Zbe, done: Done) -> Iterator[Fact]:
    patient = patient_of(reading, group.pid)
    change = _change(reading, group, patient) if rule.change else None
    if change is IdentifierChange.DEMOTED and not patient.birth_date_corrected:
        patient = replace(patient, status=IdentityStatus.RECUPEREE)
    yield PatientReported(patient, correction=rule.correction, change=change)
    if rule.change:
        yield from _changes(reading, group, patient)
    if done.rule.movement:
        yield from _visits(reading, group, patient, zbe, done)


def _visits(reading: Reading, group: Group, patient: Patient, zbe: Zbe, done: Done) -> Iterator[VisitReported]:
    pv1, state = group.first("PV1"), done.rule.state
    visit = visit_number(reading, group.pid, pv1)
    if visit is None:
        reading.flag("PID-18", "without a visit number (PID-18, PV1-19) the movement is not followed")
        return
    if state is VisitState.CANCELLED and pv1 is not None and pv1.text(5).strip() and done.event == _ADMITS:
        state = VisitState.PLANNED  # 2.5.1 §3.3.11: the pre-admission that was there before stands again
    if done.rule.expects is not None:
        yield _announced(reading, group, patient, visit, zbe, done)
        return
    yield VisitReported(
        patient=patient,
        visit=visit,
        state=state,
        patient_class=pv1.text(2).strip() if pv1 else "",
        unit=first_of(zbe.unit, unit_of_visit(pv1)),
        care_unit=zbe.care_unit,
        location=place_shown(pv1, 3),
        start=_start(reading, group, zbe, state),
        movement=zbe.id,
        historic=zbe.historic,
        moved_at=zbe.start,
        act=done.act,
        event=done.event,
        circumstances=_circumstances(group),
        remarks=done.remarks,
        confidential=is_confidential(pv1, group.first("PV2")),
    )


def _announced(
    reading: Reading, group: Group, patient: Patient, visit: Identifier, zbe: Zbe, done: Done
) -> VisitReported:
    """A transfer or discharge that is expected, or is no longer: the stay stands where it stood (PAM.FR, ITI-31).

    When: EVN-3, else PV2-9 of a discharge, else ZBE-2. Where: PV1-42 of a transfer, PV1-37 of a discharge (2.5.1
    §3.3.15, §3.3.16). What PV1-3 and ZBE-7 say is where the patient is still, or is to be: neither moves anybody now.
    """
    pv1, what = group.first("PV1"), done.rule.expects
    expected: tuple[Expected, ...] = ()
    if what is not None and done.act is not MovementAct.CANCEL:
        leaves = what is Pending.DISCHARGE
        at = reading.readable_instant(reading.message.first("EVN"), 3)
        at = at or (reading.readable_instant(group.first("PV2"), 9) if leaves else None) or zbe.start
        place = place_shown(pv1, 42) if pv1 and not leaves else (pv1.text(37).strip() if pv1 else "")
        expected = (Expected(what, at, place, "" if leaves or pv1 is None else pv1.text(42).strip()),)
    return VisitReported(
        patient,
        visit,
        None,
        movement=zbe.id,
        historic=zbe.historic,
        act=done.act,
        event=done.event,
        expected=expected,
        remarks=done.remarks,
    )


def _circumstances(group: Group) -> Circumstances:
    """How the patient came and went: the PMSI modes of ZFM, establishment of origin and transport of ZFV (PAM.FR)."""
    zfm, zfv = group.first("ZFM"), group.first("ZFV")
    if zfm is None and zfv is None:
        return NO_CIRCUMSTANCES
    entry, exit_, origin, destination = (zfm.text(n).strip() if zfm else "" for n in (1, 2, 3, 4))
    came_from, transport = (zfv.text(n).strip() if zfv else "" for n in (1, 2))
    return Circumstances(entry, exit_, origin, destination, came_from, transport)


def visit_number(reading: Reading, pid: Segment, pv1: Segment | None) -> Identifier | None:
    """Give the stay's number: PID-18 (NDA, mandatory in PAM.FR), else PV1-19, else PV1-50."""
    fields = ((pid, 18), (pv1, 19), (pv1, 50))
    found = (i for segment, field in fields if segment for i in identifiers_of(reading, segment, field))
    number = next(found, None)
    return number and Identifier(number.authority, number.value, IdentifierKind.OTHER)


def _start(reading: Reading, group: Group, zbe: Zbe, state: VisitState | None) -> datetime | None:
    """Begin of the movement: PV2-8 of a planned one, else ZBE-2, else admission or discharge time."""
    pv1, pv2 = group.first("PV1"), group.first("PV2")
    if state is VisitState.PLANNED:
        return reading.instant(pv2, 8) or zbe.start or reading.readable_instant(pv1, 44)
    told = 45 if state is VisitState.DISCHARGED else 44
    return zbe.start or reading.readable_instant(pv1, told)


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
        SegmentMissing, FieldMissing: a merge retires nobody; a move names no former patient, or no stay.
        DataTypeInvalid: a number is too long.

    """
    for group in groups(reading.message):
        visit_number(reading, group.pid, group.first("PV1"))
        if ADT_EVENTS[reading.event].merge:
            retired_by(reading, group)
        if ADT_EVENTS[reading.event].moves:
            tuple(moves_of(reading, group))


def _merges(reading: Reading, group: Group) -> Iterator[PatientMerged]:
    """One fact per retired identifier (A40; A18, A30, A34, A36, A39)."""
    patient = patient_of(reading, group.pid)
    for identifier in retired_by(reading, group):
        yield PatientMerged(patient, identifier)


def moves_of(reading: Reading, group: Group) -> Iterator[tuple[Identifier, tuple[Identifier, ...]]]:
    """Give each stay that a move names: the patient's number under which it was entered, and the stay's numbers.

    An account is PID-18, and was MRG-3 (A44); each visit is the PV1-19 behind its MRG, and was MRG-5 (A45).

    Raises:
        SegmentMissing: the group has no MRG.
        FieldMissing: MRG names no patient, or nothing names the stay.

    """
    visits = reading.event in MOVED_VISITS
    segments = [s for s in group.following if s.name in {"MRG", "PV1"}]
    if all(s.name != "MRG" for s in segments):
        raise SegmentMissing("a move has an MRG behind each PID", path="MRG")
    for mrg, pv1 in zip(segments, [*segments[1:], None], strict=True):
        if mrg.name != "MRG":
            continue
        former = _retired(reading, mrg)
        if not former:
            raise FieldMissing("a move names the patient from whom a stay is moved", path=reading.path(mrg, 1))
        now = (pv1, 19) if visits else (group.pid, 18)
        told = [i for s, n in (now, (mrg, 5 if visits else 3)) if s for i in identifiers_of(reading, s, n)[:1]]
        if not told:
            raise FieldMissing("a move names the stay", path="PV1-19" if visits else "PID-18")
        numbers = (Identifier(i.authority, i.value, IdentifierKind.OTHER) for i in told)
        yield former[0], tuple(dict.fromkeys(numbers))


def _moves(reading: Reading, group: Group) -> Iterator[StayMoved]:
    """One fact per stay that is moved (A44, A45), or has another number (A49, A50).

    Raises:
        PersonNeeded: a change of number names another patient.

    """
    patient = patient_of(reading, group.pid)
    for former, numbers in moves_of(reading, group):
        if reading.event in RENUMBERED and former not in patient.identifiers:
            rule = "a change of a stay's number names one patient; admissions moves stays by A44, A45; then resolve it"
            raise PersonNeeded(rule, path="MRG-1")
        yield StayMoved(patient, former, numbers)


def _change(reading: Reading, group: Group, patient: Patient) -> IdentifierChange | None:
    """Tell the four meanings of A47 apart (PAM.FR 4.1, 4.4).

    An INS in MRG-1 was replaced if PID-3 has one, and removed if PID-3 has none or a null one; of what was removed,
    PROV says that the identity is récupérée now, unless it is doubtful or fictive (RNIV 1, EXI SI 09).
    """
    mrg = group.first("MRG")
    if mrg is not None and _has_ins(reading, mrg, 1):
        if _has_ins(reading, group.pid, 3):
            return IdentifierChange.INS_REPLACED
        codes = {r.text(1).strip().upper() for r in group.pid.repetitions(32)}
        recovered = "PROV" in codes and not codes & PROVISIONAL_ATTRIBUTES
        return IdentifierChange.DEMOTED if recovered else IdentifierChange.INS_REMOVED
    if mrg is not None and any(i not in patient.identifiers for i in _retired(reading, mrg)):
        return IdentifierChange.NUMBER_REPLACED
    reading.flag("MRG-1", "a change of identifiers names the one that was replaced or removed: read as a correction")
    return None


def _has_ins(reading: Reading, segment: Segment, field: int) -> bool:
    return any(i.kind is IdentifierKind.INS for i in identifiers_of(reading, segment, field))


def _changes(reading: Reading, group: Group, patient: Patient) -> Iterator[PatientMerged]:
    """A47: an IPP that was replaced is retired; an INS in MRG-1 was replaced or removed: PID-3 tells what is left."""
    mrg = group.first("MRG")
    if mrg is None:
        return
    for identifier in _retired(reading, mrg):
        if identifier not in patient.identifiers:
            yield PatientMerged(patient, identifier)
