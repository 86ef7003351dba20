"""Synthetic HL7 v2 and FHIR messages of a small hospital, as bytes on the wire.

Every name, number and date is made up. ``when`` is minutes since 08:00 of one fixed day: the facts' own time.
"""

import base64
import json
from datetime import datetime, timedelta

AUTHORITY = "1.2.250.1.999.1"
"""OID of the admissions domain."""

UNIT = "3201"
"""A unit that a secretariat serves."""

AHEAD = 20_000_000
"""Minutes to an appointment that no run of the tests sees come near: what is late has a version of its own by time."""

_DAY = datetime(2026, 3, 2, 8)  # noqa: DTZ001 - HL7 times without offset are the site's


def hl7_time(when: int) -> str:
    """Give an HL7 time."""
    return (_DAY + timedelta(minutes=when)).strftime("%Y%m%d%H%M%S")


def message(kind: str, control_id: str, *segments: str, application: str, when: int = 0, version: str = "2.5") -> bytes:
    """Give a message: an MSH with this MSH-9 before the segments."""
    msh = f"MSH|^~\\&|{application}|CHU|GATEWAY|CHU|{hl7_time(when)}||{kind}|{control_id}|P|{version}"
    return "".join(f"{segment}\r" for segment in (msh, *segments)).encode()


def pid(ipp: str, *, family: str = "FABULAIRE", given: str = "ODILE", born: str = "19580321", visit: str = "") -> str:
    """Give a PID; traits are the same for everybody unless told otherwise, for only the number finds a record."""
    number = f"{visit}^^^CHU&{AUTHORITY}&ISO^AN" if visit else ""
    fields = ["PID", "", "", f"{ipp}^^^CHU&{AUTHORITY}&ISO^PI", "", f"{family}^{given}^{given}^^^^L", "", born, "F"]
    return "|".join([*fields, *[""] * 9, number]).rstrip("|")


def patient_told(control_id: str, ipp: str, *, when: int = 0, event: str = "A28", **traits: str) -> bytes:
    """Admissions tells who a patient is (A28), or corrects it (A31)."""
    kind = f"ADT^{event}^ADT_A05"
    evn = f"EVN||{hl7_time(when)}"
    return message(kind, control_id, evn, pid(ipp, **traits), application="ADM", when=when, version="2.5^FRA^2.11")


def admission(control_id: str, ipp: str, visit: str, *, when: int = 0, unit: str = UNIT, **traits: str) -> bytes:
    """Admissions admits a patient to a unit (A01)."""
    return message(
        "ADT^A01^ADT_A01",
        control_id,
        f"EVN||{hl7_time(when)}",
        pid(ipp, visit=visit, **traits),
        f"PV1||I|{unit}^101^1",
        f"ZBE|M{visit}|{hl7_time(when)}||INSERT|N||^^^^^^^^^{unit}",
        application="ADM",
        when=when,
        version="2.5^FRA^2.11",
    )


def merge(control_id: str, ipp: str, retired: str, *, when: int = 0) -> bytes:
    """Admissions retires an identifier in favour of another (A40)."""
    mrg = f"MRG|{retired}^^^CHU&{AUTHORITY}&ISO^PI"
    return message("ADT^A40^ADT_A39", control_id, f"EVN||{hl7_time(when)}", pid(ipp), mrg, application="ADM", when=when)


def stay_moved(control_id: str, ipp: str, former: str, visit: str, *, when: int = 0) -> bytes:
    """Admissions moves a stay from the patient under whom it was entered to the one whose it is (A44)."""
    mrg = f"MRG|{former}^^^CHU&{AUTHORITY}&ISO^PI||{visit}^^^CHU&{AUTHORITY}&ISO^AN"
    segments = f"EVN||{hl7_time(when)}", pid(ipp, visit=visit), mrg
    return message("ADT^A44^ADT_A43", control_id, *segments, application="ADM", when=when, version="2.5^FRA^2.11")


def result(
    control_id: str, ipp: str, order: str, *, when: int = 0, status: str = "F", flag: str = "N", value: str = "4.1"
) -> bytes:
    """The laboratory reports a potassium (ORU^R01)."""
    obr = f"OBR|1|P{order}^SIL|F{order}^SIL|K^Potassium|||{hl7_time(when)}" + "|" * 9 + f"^^^^^^^^^^^^^^^^^^^^^^{UNIT}"
    obr += "|" * (25 - 16) + status
    obx = f"OBX|1|NM|K^Potassium||{value}|mmol/L|3.5-5.0|{flag}|||{status}"
    return message("ORU^R01^ORU_R01", control_id, pid(ipp), obr, obx, application="LAB", when=when)


def appointment(event: str, control_id: str, ipp: str, number: str, *, when: int = 0, starts: int = AHEAD) -> bytes:
    """The agenda books (S12), moves (S13) or cancels (S15) an appointment."""
    sch = f"SCH|P{number}^AGENDA|F{number}^AGENDA|||||CONS^Consultation||||^^^{hl7_time(starts)}"
    ail = f"AIL|1||{UNIT}^Salle 2"
    return message(f"SIU^{event}^SIU_S12", control_id, sch, pid(ipp), "RGS|1", ail, application="AGENDA", when=when)


def document(
    event: str, control_id: str, ipp: str, number: str, *, when: int = 0, replaces: str = "", pdf: bytes = b"%PDF-1.4"
) -> bytes:
    """Imaging writes (T02) or replaces (T10) a report with a PDF in it."""
    txa = ["TXA", "1", "18748-4^Compte rendu^LN", "", hl7_time(when), *[""] * 7, f"{number}^RIS", f"{replaces}^RIS"]
    content = base64.b64encode(pdf).decode()
    return message(
        f"MDM^{event}^MDM_T02",
        control_id,
        f"EVN||{hl7_time(when)}",
        pid(ipp),
        f"PV1||I|{UNIT}",
        "|".join(txa) if replaces else "|".join(txa[:-1]),
        f"OBX|1|ED|PDF^Document||^application^pdf^Base64^{content}||||||F",
        application="RIS",
        when=when,
    )


def billing(control_id: str, ipp: str) -> bytes:
    """A financial transaction (DFT^P03), out of scope by rule."""
    return message("DFT^P03^DFT_P03", control_id, pid(ipp), "FT1|1|||20260302||CG|K", application="ADM")


def fhir_appointment(number: str, ipp: str, *, status: str = "booked", starts: int = 2_000) -> bytes:
    """Give a FHIR R4 Appointment with its patient in it."""
    start = (_DAY + timedelta(minutes=starts)).isoformat() + "+01:00"
    end = (_DAY + timedelta(minutes=starts + 30)).isoformat() + "+01:00"
    patient = {
        "resourceType": "Patient",
        "id": "p",
        "identifier": [{"system": f"urn:oid:{AUTHORITY}", "value": ipp}],
        "name": [{"use": "official", "family": "FABULAIRE", "given": ["ODILE"]}],
        "gender": "female",
        "birthDate": "1958-03-21",
    }
    resource = {
        "resourceType": "Appointment",
        "contained": [patient],
        "identifier": [{"system": "urn:oid:1.2.250.1.999.11", "value": number}],
        "status": status,
        "start": start,
        "end": end,
        "participant": [{"actor": {"reference": "#p"}, "status": "accepted"}],
    }
    return json.dumps(resource).encode()
