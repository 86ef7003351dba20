"""Facts: what a message says happened, in the hospital's words. Values are frozen; nothing here reads or writes.

Dates of birth are ISO texts as precise as the sender gave them (``1958``, ``1958-03``, ``1958-03-21``); instants are
aware datetimes.
"""

from dataclasses import dataclass
from datetime import datetime

from gateway.facts.appointment import AppointmentAct, AppointmentReported, AppointmentStatus, Resource, ResourceKind
from gateway.facts.contact import NO_ADDRESS, NO_CONTACT, Address, Contact, Representative
from gateway.facts.directory import DirectoryTold, EntryKind
from gateway.facts.document import DISCHARGE_LETTER, Carrier, DocumentAct, DocumentAnswered, DocumentReported
from gateway.facts.identity import (
    NO_PROOF,
    Identifier,
    IdentifierChange,
    IdentifierKind,
    IdentityProof,
    IdentityStatus,
    Patient,
    PatientMerged,
    PatientReported,
    PatientsLinked,
    Traits,
)
from gateway.facts.priority import Priority
from gateway.facts.remark import Remark
from gateway.facts.result import Abnormality, Observation, OrderAct, OrderReported, ResultReported, ResultStatus, graver
from gateway.facts.stay import (
    NO_CIRCUMSTANCES,
    Circumstances,
    Expected,
    Movement,
    MovementAct,
    Pending,
    StayMoved,
    VisitReported,
    VisitState,
)

__all__ = [
    "DISCHARGE_LETTER",
    "NO_ADDRESS",
    "NO_CIRCUMSTANCES",
    "NO_CONTACT",
    "NO_PROOF",
    "Abnormality",
    "Address",
    "AppointmentAct",
    "AppointmentReported",
    "AppointmentStatus",
    "Carrier",
    "Circumstances",
    "Contact",
    "DirectoryTold",
    "DocumentAct",
    "DocumentAnswered",
    "DocumentReported",
    "EntryKind",
    "Expected",
    "Fact",
    "Flag",
    "Identifier",
    "IdentifierChange",
    "IdentifierKind",
    "IdentityProof",
    "IdentityStatus",
    "Movement",
    "MovementAct",
    "Observation",
    "OrderAct",
    "OrderReported",
    "Patient",
    "PatientMerged",
    "PatientReported",
    "PatientsLinked",
    "Pending",
    "Priority",
    "Remark",
    "Representative",
    "Resource",
    "ResourceKind",
    "ResultReported",
    "ResultStatus",
    "StayMoved",
    "Traits",
    "Translation",
    "VisitReported",
    "VisitState",
    "graver",
]


Fact = (
    PatientReported
    | PatientMerged
    | PatientsLinked
    | StayMoved
    | VisitReported
    | AppointmentReported
    | OrderReported
    | ResultReported
    | DocumentReported
    | DocumentAnswered
    | DirectoryTold
)


@dataclass(frozen=True, slots=True)
class Flag:
    """Something odd that was tolerated: path and rule, never a value."""

    path: str
    rule: str


@dataclass(frozen=True, slots=True)
class Translation:
    """What one message says.

    Attributes:
        facts: in the message's order; empty only if ``ignored`` says why.
        occurred_at: when the facts were told (EVN-2, else MSH-7); orders them within a source (promise P3). A movement
            has a time of its own (ZBE-2).
        ignored: name of the rule by which the message is out of scope; empty if it is in scope.
        flags: what was odd.
        segments: how many segments of each name came in.
        kept: names of segments that were kept and counted but that no rule reads (promise P5).
        departures: where the message departs from its source's profile.
        checked: its sender is to be told whether patient, author and version of its documents are those known here.

    """

    facts: tuple[Fact, ...] = ()
    occurred_at: datetime | None = None
    ignored: str = ""
    flags: tuple[Flag, ...] = ()
    segments: tuple[tuple[str, int], ...] = ()
    kept: tuple[str, ...] = ()
    departures: tuple[Flag, ...] = ()
    checked: bool = False
