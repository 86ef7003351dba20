"""FHIR R4 Appointments as the demonstration's shared agenda sends them (GAP, FR Core)."""

from datetime import datetime, timedelta
from typing import Any

from adapters.demo.patients import APPOINTMENT_OID, IPP_OID, DemoPatient

PROFILE = "https://hl7.fr/ig/fhir/core/StructureDefinition/fr-core-appointment"
_TYPES = "http://terminology.hl7.org/CodeSystem/v2-0203"


def appointment(
    patient: DemoPatient,
    number: str,
    start: datetime,
    unit: str,
    service: str,
    *,
    status: str = "booked",
    priority: int = 0,
) -> dict[str, Any]:
    """Give an appointment of half an hour with a contained patient."""
    resource: dict[str, Any] = {
        "resourceType": "Appointment",
        "meta": {"profile": [PROFILE]},
        "contained": [_patient(patient)],
        "identifier": [{"system": f"urn:oid:{APPOINTMENT_OID}", "value": number}],
        "status": status,
        "serviceType": [{"text": service}],
        "start": start.isoformat(),
        "end": (start + timedelta(minutes=30)).isoformat(),
        "participant": [
            {"actor": {"reference": "#patient"}, "status": "accepted"},
            {"actor": _unit(unit), "status": "accepted"},
        ],
    }
    return resource | ({"priority": priority} if priority else {})


def _patient(patient: DemoPatient) -> dict[str, Any]:
    coding = {"coding": [{"system": _TYPES, "code": "PI"}]}
    return {
        "resourceType": "Patient",
        "id": "patient",
        "identifier": [{"type": coding, "system": f"urn:oid:{IPP_OID}", "value": patient.ipp}],
        "name": [{"use": "official", "family": patient.family, "given": list(patient.given)}],
        "gender": "female" if patient.sex == "F" else "male",
        "birthDate": patient.born.isoformat(),
    }


def _unit(code: str) -> dict[str, Any]:
    return {"type": "HealthcareService", "identifier": {"value": code}, "display": f"UF {code}"}


def query(number: str) -> str:
    """Give the search value of an appointment's number."""
    return f"urn:oid:{APPOINTMENT_OID}|{number}"
