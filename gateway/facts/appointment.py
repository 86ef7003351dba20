"""What a message says of appointments."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from gateway.facts.identity import Identifier, Patient
from gateway.facts.priority import Priority
from gateway.facts.remark import Remark


class AppointmentStatus(StrEnum):
    """FHIR R4 appointmentstatus."""

    PROPOSED = "proposed"
    PENDING = "pending"
    BOOKED = "booked"
    ARRIVED = "arrived"
    FULFILLED = "fulfilled"
    CANCELLED = "cancelled"
    NOSHOW = "noshow"
    ENTERED_IN_ERROR = "entered-in-error"
    CHECKED_IN = "checked-in"
    WAITLIST = "waitlist"


class AppointmentAct(StrEnum):
    """What the message does to the appointment; a change of something never booked waits for its booking."""

    BOOK = "book"
    CHANGE = "change"
    CANCEL = "cancel"
    DECLARE = "declare"
    """The whole state as it stands (FHIR PUT): needs no earlier booking."""


class ResourceKind(StrEnum):
    """What an appointment needs (HL7 v2: AIS, AIG, AIL, AIP)."""

    SERVICE = "service"
    THING = "thing"
    PLACE = "place"
    PERSON = "person"


@dataclass(frozen=True, slots=True)
class Resource:
    """One service, thing, place or person of an appointment.

    Attributes:
        kind: which of them.
        code: its code; of a place, the unit; of a person, the number.
        text: the same, for people.

    """

    kind: ResourceKind
    code: str
    text: str


@dataclass(frozen=True, slots=True)
class AppointmentReported:
    """An agenda booked, changed or cancelled an appointment.

    Attributes:
        patient: the patient.
        keys: business identifiers (SCH-2 filler, SCH-1 placer, Appointment.identifier); any of them finds it.
        act: what the message does.
        status: status after it.
        start: start; None if not set yet.
        end: end, if known.
        unit: unit code that receives the patient.
        location: place, as shown to people.
        practitioner: practitioner, as shown to people.
        service_code: kind of appointment or exam.
        service_text: the same, for people.
        priority: how urgent.
        notes: instructions to the patient.
        resources: services, things, places and people, in the sender's order.
        taken_off: resources that are no longer of it.
        partial: the resources are told as changes to those known, not as all there are.
        reason: why it came to be so, for people (a cancellation's reason).
        reason_code: its code.
        confidential: the stay is one that nobody at home is to learn of (PV2-22, PV1-16).
        restrictions: what limits its being told of (INVISIBLE_REP_LEGAUX, CONNEXION_SECRETE).
        group: number of the series that it was asked for in (SCH-4); it finds no appointment, for several share it.
        parents: numbers of the appointment of which it is a part: the filler's (SCH-24), then the placer's (SCH-23).
        emptied: names of the fields above that a change deletes, where silence would leave them.
        remarks: what was odd in what was told last.

    """

    patient: Patient
    keys: tuple[Identifier, ...]
    act: AppointmentAct
    status: AppointmentStatus
    start: datetime | None = None
    end: datetime | None = None
    unit: str = ""
    location: str = ""
    practitioner: str = ""
    service_code: str = ""
    service_text: str = ""
    priority: Priority = Priority.ROUTINE
    notes: str = ""
    resources: tuple[Resource, ...] = ()
    taken_off: tuple[Resource, ...] = ()
    partial: bool = False
    reason: str = ""
    group: Identifier | None = None
    parents: tuple[Identifier, ...] = ()
    emptied: frozenset[str] = frozenset()
    remarks: tuple[Remark, ...] = ()
    reason_code: str = ""
    confidential: bool = False
    restrictions: frozenset[str] = frozenset()

    def named(self, kind: ResourceKind) -> tuple[Resource, ...]:
        """Give its resources of one kind."""
        return tuple(r for r in self.resources if r.kind is kind)
