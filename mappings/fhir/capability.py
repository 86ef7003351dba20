"""What the FHIR interface offers, as R4 CapabilityStatement."""

from typing import Any

from mappings.fhir.appointment import PROFILES
from mappings.fhir.audit_event import TDE
from mappings.fhir.audit_search import PARAMETERS

PUBLISHED = "2026-12-01"
"""Date of the last change of what is offered here."""


def capability(*, label: str, version: str) -> dict[str, Any]:
    """Give the CapabilityStatement of one installation.

    Args:
        label: the establishment's name for people.
        version: version of the software.

    """
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": PUBLISHED,
        "kind": "instance",
        "software": {"name": "secretariat-gateway", "version": version},
        "implementation": {"description": label},
        "fhirVersion": "4.0.1",
        "format": ["application/fhir+json"],
        "rest": [{"mode": "server", "security": _SECURITY, "resource": [_APPOINTMENT, _AUDIT_EVENT, _PATIENT, _TASK]}],
    }


_SECURITY = {"description": "Bearer token: a JWT signed by the client's own key (EdDSA, ES256 or RS256)."}

_APPOINTMENT = {
    "type": "Appointment",
    "supportedProfile": sorted(PROFILES),
    "interaction": [{"code": code} for code in ("create", "update", "read", "search-type")],
    "versioning": "versioned",
    "conditionalUpdate": True,
    "updateCreate": True,
    "documentation": "Updates are conditional: PUT Appointment?identifier=system|value; If-Match is honoured.",
    "searchParam": [{"name": "identifier", "type": "token", "documentation": "system|value"}],
}

_PATIENT = {
    "type": "Patient",
    "interaction": [{"code": code} for code in ("read", "search-type")],
    "documentation": "A search names _id, identifier, or birthdate with family or given; pages by _count and _offset.",
    "searchParam": [
        {"name": "_id", "type": "token"},
        {"name": "identifier", "type": "token", "documentation": "system|value; system| limits the identifiers told"},
        {"name": "family", "type": "string", "documentation": "beginning of the birth or the used name"},
        {"name": "given", "type": "string", "documentation": "beginning of a given name"},
        {"name": "birthdate", "type": "date", "documentation": "one day"},
        {"name": "gender", "type": "token"},
        {"name": "active", "type": "token"},
    ],
    "operation": [
        {"name": "ihe-pix", "definition": "https://profiles.ihe.net/ITI/PIXm/OperationDefinition/IHE.PIXm.pix"},
        {"name": "match", "definition": "http://hl7.org/fhir/OperationDefinition/Patient-match"},
    ],
}

_AUDIT_EVENT = {
    "type": "AuditEvent",
    "supportedProfile": [TDE],
    "interaction": [{"code": code} for code in ("read", "search-type")],
    "documentation": (
        "ITI-81: date is mandatory. One AuditEvent for each patient of an act (IHE BALP's patterns) or one for the act "
        "(_profile of TdE). Sorted by date, newest first unless _sort=date; _count up to 1000; GET, or POST _search."
    ),
    "searchParam": [{"name": name, "type": PARAMETERS[name]} for name in sorted(PARAMETERS)],
}

_TASK = {
    "type": "Task",
    "interaction": [{"code": code} for code in ("create", "read", "search-type")],
    "versioning": "versioned",
    "documentation": (
        "Work items. Operations by POST Task/ID/$NAME, with Parameters note, to and until; If-Match is honoured: "
        "claim, release, reassign, done, acknowledge, acknowledge-clinically, hold, comment, forward, reopen, undo."
    ),
    "searchParam": [
        {"name": "owner", "type": "token", "documentation": "id of a secretariat"},
        {"name": "status", "type": "token", "documentation": "one or several; open ones without it"},
        {"name": "code", "type": "token", "documentation": "kind of item"},
    ],
}
