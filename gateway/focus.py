"""What a work item is about: an appointment, a report, a document, a stay, an identity question."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from gateway.facts import AppointmentReported


class FocusKind(StrEnum):
    """Kind of object."""

    APPOINTMENT = "appointment"
    RESULT = "result"
    DOCUMENT = "document"
    VISIT = "visit"
    QUESTION = "question"


@dataclass(frozen=True, slots=True)
class StoredAppointment:
    """An appointment as it stands.

    Attributes:
        id: logical id (UUID text).
        version: rises with each change.
        updated_at: aware instant of the last change.
        fact: the last fact that was applied.
        resource: the FHIR body that brought that fact, as received; empty if it came by HL7 v2.

    """

    id: str
    version: int
    updated_at: datetime
    fact: AppointmentReported
    resource: bytes = b""
