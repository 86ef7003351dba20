"""The codes of each audited act, as other systems know acts: ATNA (DICOM PS3.15, PS3.16 CID 400), IHE BALP, FHIR R4.

An action's grammar tells them: its object says what kind of event it is, what was done says create, read, update,
delete or execute. A new action therefore has its codes by itself; what is otherwise stands in a table.
"""

from dataclasses import dataclass

from gateway.audit import AuditAction

DCM = "http://dicom.nema.org/resources/ontology/DCM"
EVENT_TYPE = "http://terminology.hl7.org/CodeSystem/audit-event-type"
INTERACTION = "http://hl7.org/fhir/restful-interaction"
OWN = "urn:secretariat-gateway:audit-action"


@dataclass(frozen=True, slots=True)
class Code:
    """A code of a code system.

    Attributes:
        system: its URI.
        code: the code.
        display: its name in the system.

    """

    system: str
    code: str
    display: str


@dataclass(frozen=True, slots=True)
class Codes:
    """What one act is to other systems.

    Attributes:
        type: kind of event.
        subtype: what more the standards know of it; None where that is nothing.
        action: ``C``, ``R``, ``U``, ``D`` or ``E`` (AuditEvent.action).
        outcome: ``0`` success, ``4`` minor or ``8`` serious failure (AuditEvent.outcome).

    """

    type: Code
    subtype: Code | None
    action: str
    outcome: str


def _dcm(code: str, display: str) -> Code:
    return Code(DCM, code, display)


APPLICATION = _dcm("110100", "Application Activity")
LOG_USED = _dcm("110101", "Audit Log Used")
EXPORT = _dcm("110106", "Export")
IMPORT = _dcm("110107", "Import")
PATIENT_RECORD = _dcm("110110", "Patient Record")
QUERY = _dcm("110112", "Query")
SECURITY_ALERT = _dcm("110113", "Security Alert")
REST = Code(EVENT_TYPE, "rest", "RESTful Operation")

_STARTED = _dcm("110120", "Application Start")
_STOPPED = _dcm("110121", "Application Stop")
_SECURITY_CONFIGURED = _dcm("110129", "Security Configuration")
_SOFTWARE_CONFIGURED = _dcm("110131", "Software Configuration")
_RESTRICTED = _dcm("110132", "Use of Restricted Function")
_READ = Code(INTERACTION, "read", "read")
_SEARCH = Code(INTERACTION, "search-type", "search-type")

_OBJECTS = {
    "access": SECURITY_ALERT,
    "alarm": APPLICATION,
    "appointment": REST,
    "audit": LOG_USED,
    "audit-key": SECURITY_ALERT,
    "directory": APPLICATION,
    "identities": APPLICATION,
    "retention": APPLICATION,
    "service": APPLICATION,
    "status": APPLICATION,
    "store": APPLICATION,
}
"""Objects that are not a patient's record."""

_VERBS = {
    **dict.fromkeys(("created", "added", "decided", "proposed", "asked", "received", "doubted", "raised", "made"), "C"),
    **dict.fromkeys(("shown", "read", "compared", "explained"), "R"),
    **dict.fromkeys(("listed", "searched", "followed"), "E"),
    **dict.fromkeys(("purged", "discarded"), "D"),
    **dict.fromkeys(("started", "stopped", "run", "published", "replayed", "refused"), "E"),
    **dict.fromkeys(("recognised-duplicate", "ignored", "processed", "quarantined", "overdue"), "E"),
    **dict.fromkeys(
        (
            "migrated",
            "filed",
            "verified",
            "exported",
            "proven",
            "reported",
            "disclosed",
            "asked-to-be-returned",
            "returned",
        ),
        "E",
    ),
}
"""What was done; anything else changes what is there."""

_QUERIES = frozenset({"listed", "searched"})
"""What asks a record for many patients at once."""

_SUBTYPES: dict[str, Code] = {
    AuditAction.SERVICE_STARTED: _STARTED,
    AuditAction.SERVICE_STOPPED: _STOPPED,
    AuditAction.STORE_MIGRATED: _SOFTWARE_CONFIGURED,
    AuditAction.AUDIT_KEY_MADE: _SECURITY_CONFIGURED,
    AuditAction.AUDIT_KEY_ROTATED: _SECURITY_CONFIGURED,
    AuditAction.ACCESS_REFUSED: _RESTRICTED,
    AuditAction.APPOINTMENT_READ: _READ,
    AuditAction.APPOINTMENT_SEARCHED: _SEARCH,
}
_TYPES: dict[str, Code] = {
    AuditAction.MESSAGE_RECEIVED: IMPORT,
    AuditAction.ITEM_PUBLISHED: EXPORT,
}
_OUTCOMES: dict[str, str] = {
    AuditAction.ACCESS_REFUSED: "8",
    AuditAction.MESSAGE_QUARANTINED: "4",
    AuditAction.FACT_OVERDUE: "4",
    AuditAction.ALARM_RAISED: "4",
}


def codes(action: str) -> Codes:
    """Give the codes of an action; of one that this program does not know, by its grammar alone."""
    _, thing, done = [*action.split(":"), "", ""][:3]
    kind = _TYPES.get(action) or _OBJECTS.get(thing) or (QUERY if done in _QUERIES else PATIENT_RECORD)
    return Codes(kind, _SUBTYPES.get(action), _VERBS.get(done, "U"), _OUTCOMES.get(action, "0"))
