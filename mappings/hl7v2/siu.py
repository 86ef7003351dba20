"""SIU into facts: what an agenda did to an appointment (2.5.1 chapter 10)."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.er7 import Segment
from gateway.errors import FieldMissing, PersonNeeded, SegmentMissing
from gateway.facts import (
    AppointmentAct,
    AppointmentReported,
    AppointmentStatus,
    Fact,
    Identifier,
    Priority,
    Remark,
    Resource,
    ResourceKind,
)
from mappings.hl7v2 import times
from mappings.hl7v2.documents import restrictions
from mappings.hl7v2.patient import patient_of
from mappings.hl7v2.reading import (
    Reading,
    coded_text,
    field_of,
    first_of,
    is_confidential,
    person_shown,
    place_shown,
    priority_of,
    unit_of_visit,
)
from mappings.hl7v2.tables import (
    DURATION_SECONDS,
    EMERGENCY,
    FILLER_STATUSES,
    INCREMENTAL,
    NOT_SERVICES,
    PATIENT_NOTES,
    REMOVED,
    RESOURCE_SEGMENTS,
    SIU_EVENTS,
    TAKES_OFF,
    SiuRule,
)


def facts(reading: Reading) -> tuple[Fact, ...]:
    """Give what a SIU message says.

    Raises:
        SegmentMissing, FieldMissing: no SCH, no PID, or no number of the appointment.
        DataTypeInvalid: a time that is none.
        PersonNeeded: several patients share the appointment.

    """
    sch, pid = reading.message.first("SCH"), reading.message.first("PID")
    if sch is None or pid is None:
        raise SegmentMissing("an appointment has an SCH and a PID", path="SCH" if sch is None else "PID")
    if len(reading.message.all("PID")) > 1:
        raise PersonNeeded("one patient per appointment: a shared session is split by a person", path="PID[2]")
    if len(sch.repetitions(11)) > 1:
        reading.flag("SCH-11", "several times of one appointment: the first is taken")
    rule = SIU_EVENTS[reading.event]
    visit = reading.message.first("PV1")
    named = _Resources.of(reading)
    start = _start(reading, sch, named)
    numbers = keys(reading, sch)
    return (
        AppointmentReported(
            patient=patient_of(reading, pid),
            keys=numbers,
            act=rule.act,
            status=_status(reading, sch, rule),
            start=start,
            end=_end(reading, sch, start, named),
            unit=first_of(field_of(named.kept("AIL"), 3), unit_of_visit(visit)),
            location=first_of(*(place_shown(s, 3) for s in named.kept("AIL")), place_shown(visit, 3)),
            practitioner=_practitioners(named),
            service_code=_service(sch, named, 1),
            service_text=_service(sch, named, 2),
            priority=_priority(reading, sch),
            notes="\n".join(_notes(reading)),
            resources=tuple(map(_resource, named.staying)),
            taken_off=tuple(map(_resource, named.gone)),
            partial=named.incremental,
            reason=coded_text(sch, 6),
            group=next(iter(reading.object_keys(sch, 4, domain="/group")), None),
            parents=tuple(parent for parent in _parents(reading, sch) if parent not in numbers),
            emptied=frozenset(_emptied(reading, sch) if rule.act is not AppointmentAct.BOOK else ()),
            remarks=reading.remarked(),
            reason_code=sch.text(6).strip(),
            confidential=is_confidential(visit, reading.message.first("PV2")),
            restrictions=restrictions(reading, reading.message.all("OBX")),
        ),
    )


def check(reading: Reading) -> None:
    """Return when each appointment has a number.

    Raises:
        FieldMissing: one has none.

    """
    for sch in reading.message.all("SCH"):
        keys(reading, sch)


def keys(reading: Reading, sch: Segment) -> tuple[Identifier, ...]:
    """Give the appointment's numbers: the filler's (SCH-2) first, then the placer's (SCH-1), all repetitions.

    Filler and placer count apart, so that a placer's number never finds another appointment by its filler's.

    Raises:
        FieldMissing: there is none.

    """
    found = reading.object_keys(sch, 2) + reading.object_keys(sch, 1, domain="/placer")
    if not found:
        raise FieldMissing("an appointment has a filler or a placer number", path="SCH-2")
    return tuple(dict.fromkeys(found))


def _parents(reading: Reading, sch: Segment) -> tuple[Identifier, ...]:
    """The numbers of the parent appointment: filler's SCH-24, placer's SCH-23 (2.5.1 §10.6.1.23, §10.6.1.24)."""
    return reading.object_keys(sch, 24) + reading.object_keys(sch, 23, domain="/placer")


@dataclass(frozen=True, slots=True)
class _Resources:
    """The resource segments of a message.

    Attributes:
        staying: those that are of the appointment.
        gone: those that are taken off it.
        incremental: they are told as changes: the event says so, or an action code does (table 0206).

    """

    staying: tuple[Segment, ...]
    gone: tuple[Segment, ...]
    incremental: bool

    @classmethod
    def of(cls, reading: Reading) -> "_Resources":
        """Read them group by group (RGS): a group that is taken off takes its resources along."""
        staying: list[Segment] = []
        gone: list[Segment] = []
        group, coded = "", False
        for segment in reading.message.segments:
            if segment.name == "RGS":
                group = segment.text(2).strip().upper()
            elif segment.name in RESOURCE_SEGMENTS:
                code = segment.text(2).strip().upper()
                off = REMOVED in {group, code} or (not code and reading.event in TAKES_OFF)
                (gone if off else staying).append(segment)
                coded = coded or off or bool(code)
        changes = SIU_EVENTS[reading.event].act is not AppointmentAct.BOOK
        return cls(tuple(staying), tuple(gone), changes and (coded or reading.event in INCREMENTAL))

    def kept(self, name: str) -> tuple[Segment, ...]:
        """Give the segments of this name that stay."""
        return tuple(s for s in self.staying if s.name == name)


def _resource(segment: Segment) -> Resource:
    kind, _ = RESOURCE_SEGMENTS[segment.name]
    shown = {ResourceKind.PLACE: place_shown, ResourceKind.PERSON: person_shown}.get(kind, coded_text)
    return Resource(kind, segment.text(3).strip(), shown(segment, 3))


def _status(reading: Reading, sch: Segment, rule: SiuRule) -> AppointmentStatus:
    """SCH-25 in any case; where it says nothing or contradicts the event, the event's own."""
    code = first_of(sch.text(25), sch.text(25, 2)).upper()
    if not code:
        return rule.status
    told = FILLER_STATUSES.get(code)
    if told is None and (reading.event, code) == ("S16", "DISCONTINUED"):
        return rule.status
    if told is None:
        reading.flag("SCH-25", "a status that FHIR does not have: the event's own is taken")
        return rule.status
    if told not in rule.allowed:
        reading.flag("SCH-25", "the status contradicts the event: the event wins", Remark.STATUS_CONTRADICTED)
        return rule.status
    return told


def _starts(reading: Reading, sch: Segment, named: _Resources) -> Iterator[tuple[str, datetime]]:
    """Every start that the message tells, with its place, the most believed first."""
    places = [(sch, 11, 4), (reading.message.first("TQ1"), 7, 1)]
    places += [(s, field, 1) for name, (_, field) in RESOURCE_SEGMENTS.items() for s in named.kept(name)]
    for segment, number, component in places:
        moment = reading.instant(segment, number, component)
        if segment is not None and moment is not None:
            yield reading.path(segment, number) + (f".{component}" if component > 1 else ""), moment


def _start(reading: Reading, sch: Segment, named: _Resources) -> datetime | None:
    """The first start found (SCH-11.4, TQ1-7, AIS-4, AIL-6, AIP-6, AIG-8); any other that differs is flagged."""
    found = tuple(_starts(reading, sch, named))
    if not found:
        return None
    path, start = found[0]
    for other, moment in found[1:]:
        if moment != start:
            reading.flag(other, f"another start than {path}, which is taken", Remark.START_CONTRADICTED)
    if path == "SCH-11.4" and not times.has_time_of_day(sch.text(11, 4).strip()):
        reading.flag(path, "a date without time of day: midnight is taken")
    return start


def _end(reading: Reading, sch: Segment, start: datetime | None, named: _Resources) -> datetime | None:
    """SCH-11.5, else TQ1-8, else the start and SCH-9 in SCH-10's units, else AIS-7 in AIS-8's."""
    end = reading.instant(sch, 11, 5) or reading.readable_instant(reading.message.first("TQ1"), 8)
    if start is None:
        return end
    if end is None:
        service = next(iter(named.kept("AIS")), None)
        length = _length(reading, sch, 9) or (_length(reading, service, 7) if service else None)
        end = start + length if length else None
    if end is not None and end < start:
        reading.flag("SCH-11.5", "the end is before the start: left out")
        return None
    return end


def _length(reading: Reading, segment: Segment, number: int) -> timedelta | None:
    """A duration and its units in the next field; None, and a flag, if they cannot be read."""
    text, unit = segment.text(number).strip(), segment.text(number + 1).strip().upper()
    if not text:
        return None
    seconds = DURATION_SECONDS.get(unit)
    if seconds is None or not text.isascii() or not text.isdecimal() or len(text) > len("9999"):
        reading.flag(reading.path(segment, number), "a duration in minutes, seconds or hours: left out")
        return None
    return timedelta(seconds=int(text) * seconds)


def _practitioners(named: _Resources) -> str:
    shown = (person_shown(s, 3) for s in named.kept("AIP"))
    return ", ".join(dict.fromkeys(s for s in shown if s))


def _service(sch: Segment, named: _Resources, component: int) -> str:
    """What the appointment is for: SCH-7, AIS-3 or SCH-8, the first that holds a code and is no mere reason or type."""
    places = (sch, 7), *((s, 3) for s in named.kept("AIS")), (sch, 8)
    for segment, number in places:
        code = segment.text(number).strip()
        if code and code.upper() not in NOT_SERVICES:
            return segment.text(number, component).strip()
    return ""


def _priority(reading: Reading, sch: Segment) -> Priority:
    """SCH-11.6, else TQ1-9; an emergency by its reason (SCH-7, table 0276) is at least urgent."""
    priority = priority_of(sch.text(11, 6), field_of((reading.message.first("TQ1"),), 9))
    if priority is Priority.ROUTINE and sch.text(7).strip().upper() == EMERGENCY:
        return Priority.URGENT
    return priority


def _emptied(reading: Reading, sch: Segment) -> Iterator[str]:
    """What the null deletes (2.5.1 §2.5.3): the reason (SCH-6), the end (SCH-11.5), the notes (any NTE-3)."""
    if sch.is_null(6):
        yield "reason"
    if sch.is_null(11, 5):
        yield "end"
    if any(note.is_null(3) for note in _notes_for_patient(reading)):
        yield "notes"


def _notes(reading: Reading) -> Iterator[str]:
    for note in _notes_for_patient(reading):
        yield from (r.text() for r in note.repetitions(3) if r.text())


def _notes_for_patient(reading: Reading) -> Iterator[Segment]:
    """Notes that are for the patient: untyped ones directly behind SCH, and instructions (NTE-4) anywhere."""
    about_appointment = True
    for segment in reading.message.segments:
        if segment.name in {"PID", "RGS"}:
            about_appointment = False
        if segment.name != "NTE":
            continue
        kind = segment.text(4).strip().upper()
        if kind in PATIENT_NOTES or (about_appointment and not kind):
            yield segment
