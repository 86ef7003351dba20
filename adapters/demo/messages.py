"""HL7 v2 messages as the demonstration's senders write them: PAM.FR 2.11, CI-SIS, and plain 2.5 elsewhere."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from adapters.demo.patients import (
    APPOINTMENT_OID,
    INS_TEST_OID,
    IPP_OID,
    STAY_OID,
    DemoPatient,
)

PAM_VERSION, PAM_PROFILE = "2.5^FRA^2.11", "2.11^IHE_FRANCE-2.11-PAM"
CDA_PROFILE = "2.1^CISIS_CDA_HL7_V2"
UTF_8, LATIN_1 = "UNICODE UTF-8", "8859/1"

_STRUCTURES = {
    "A04": "ADT_A01",
    "A06": "ADT_A06",
    "A11": "ADT_A09",
    "A13": "ADT_A01",
    "A28": "ADT_A05",
    "A31": "ADT_A05",
    "A40": "ADT_A39",
    "A44": "ADT_A43",
}
"""Table 0354: the structure where it is not named after the event itself."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """What the header says of one message.

    Attributes:
        application: MSH-3.
        at: MSH-7.
        control_id: MSH-10.
        facility: MSH-4.
        charset: MSH-18.

    """

    application: str
    at: datetime
    control_id: str
    facility: str = "CHU-DEMO"
    charset: str = UTF_8


@dataclass(frozen=True, slots=True)
class Stay:
    """A stay or an out-patient visit.

    Attributes:
        number: NDA.
        unit: responsible unit (UF).
        bed: room and bed, as PV1-3.2 and .3.
        patient_class: PV1-2.

    """

    number: str
    unit: str
    bed: str = ""
    patient_class: str = "I"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a result.

    Attributes:
        code: LOINC code and label.
        value: the number.
        unit: its unit.
        usual: reference range.
        flag: OBX-8.

    """

    code: str
    value: str
    unit: str
    usual: str
    flag: str = "N"


def stamp(moment: datetime) -> str:
    """Give a moment as HL7 writes it, with its offset."""
    return f"{moment:%Y%m%d%H%M%S%z}"


def segment(name: str, fields: Mapping[int, str]) -> str:
    """Give a segment of these fields, by number; MSH counts its separator as the first."""
    first = 2 if name == "MSH" else 1
    return "|".join((name, *(fields.get(n, "") for n in range(first, max(fields) + 1))))


def written(envelope: Envelope, kind: str, version: str, profile: str, segments: Sequence[str]) -> bytes:
    """Give a message's bytes in the character set that it names."""
    header = {
        2: r"^~\&",
        3: envelope.application,
        4: envelope.facility,
        5: "SECRETARIAT",
        6: "CHU-DEMO",
        7: stamp(envelope.at),
        9: kind,
        10: envelope.control_id,
        11: "P",
        12: version,
        17: "FRA",
        18: envelope.charset,
        21: profile,
    }
    text = "".join(f"{line}\r" for line in (segment("MSH", header), *segments))
    return text.encode("iso8859-1" if envelope.charset == LATIN_1 else "utf-8")


def ipp(value: str) -> str:
    """Give an IPP as CX."""
    return f"{value}^^^CHU-DEMO&{IPP_OID}&ISO^PI"


def pid(patient: DemoPatient, stay: Stay | None = None) -> str:
    """Give the PID of a patient (PAM.FR 2.11 §6): INS only with VALI, birth place in a BDL address, NDA in PID-18."""
    numbers = [ipp(patient.ipp)] if patient.ipp else []
    if patient.local:
        numbers.append(f"{patient.local}^^^{patient.local_domain}^PI")
    if patient.ins:
        numbers.append(f"{patient.ins}^^^ASIP-SANTE-INS-NIR&{INS_TEST_OID}&ISO^INS")
    fields = {
        3: "~".join(numbers),
        5: _names(patient),
        7: f"{patient.born:%Y%m%d}",
        8: patient.sex,
        11: _addresses(patient),
        13: f"^PRN^PH^^^^^^^^^{patient.phone}" if patient.phone else "",
        18: f"{stay.number}^^^CHU-DEMO-NDA&{STAY_OID}&ISO^AN" if stay else "",
        32: "VALI" if patient.ins else "PROV",
    }
    return segment("PID", fields)


def _names(patient: DemoPatient) -> str:
    birth = f"{patient.family}^{patient.given[0]}^{' '.join(patient.given)}^^^^L"
    return f"{birth}~{patient.used_family}^^^^^^D" if patient.used_family else birth


def _addresses(patient: DemoPatient) -> str:
    home = f"{patient.street}^^Ville-Démo^^99000^FRA^H~" if patient.street else ""
    return f"{home}^^^^^^BDL^^{patient.birth_place}"


def pv1(stay: Stay) -> str:
    """Give the PV1 of a stay."""
    place = f"{stay.unit}^{stay.bed}" if stay.bed else stay.unit
    number = f"{stay.number}^^^CHU-DEMO-NDA&{STAY_OID}&ISO^VN"
    return segment("PV1", {1: "1", 2: stay.patient_class, 3: place, 10: stay.unit, 19: number})


def _evn(at: datetime) -> str:
    return segment("EVN", {2: stamp(at), 7: "CHU-DEMO"})


def _zbe(envelope: Envelope, stay: Stay, action: str, original: str) -> str:
    """ZBE (PAM.FR 2.11): ZBE-3 is forbidden, ZBE-7 the medically responsible unit with its code in XON-10."""
    unit = f"UF {stay.unit}^^^^^CHU-DEMO&{IPP_OID}&ISO^UF^^^{stay.unit}"
    movement = f"MVT-{stay.number}-{envelope.control_id}^CHU-DEMO^{IPP_OID}^ISO"
    fields = {1: movement, 2: stamp(envelope.at), 4: action, 5: "N", 6: original, 7: unit, 9: "HMS"}
    return segment("ZBE", fields)


def _adt(envelope: Envelope, event: str, segments: Sequence[str]) -> bytes:
    kind = f"ADT^{event}^{_STRUCTURES.get(event, f'ADT_{event}')}"
    return written(envelope, kind, PAM_VERSION, PAM_PROFILE, (_evn(envelope.at), *segments))


def identity(envelope: Envelope, event: str, patient: DemoPatient) -> bytes:
    """Give a creation or correction of an identity (ITI-30: A28, A31)."""
    mode = "INSI" if patient.ins else "SM"
    zfd = segment("ZFD", {3: "Y", 4: "N", 5: mode, 6: stamp(envelope.at)[:8] if patient.ins else "", 7: "CN"})
    return _adt(envelope, event, (pid(patient), segment("PV1", {1: "1", 2: "N"}), zfd))


def merge(envelope: Envelope, patient: DemoPatient, retired: str) -> bytes:
    """Give a merge (ITI-30: A40): the IPP in MRG-1 is retired."""
    return _adt(envelope, "A40", (pid(patient), segment("MRG", {1: ipp(retired)})))


def transfer_of_stay(envelope: Envelope, patient: DemoPatient, stay: Stay, wrong: str) -> bytes:
    """Give a move of a stay to the right patient (ITI-31: A44)."""
    return _adt(envelope, "A44", (pid(patient, stay), segment("MRG", {1: ipp(wrong)})))


def movement(
    envelope: Envelope,
    event: str,
    patient: DemoPatient,
    stay: Stay,
    *,
    expected: datetime | None = None,
    cancels: str = "",
    own: Sequence[str] = (),
) -> bytes:
    """Give a movement (ITI-31).

    Args:
        envelope: its header.
        event: trigger event.
        patient: the patient.
        stay: where the stay stands after it.
        expected: expected admission of a pre-admission (PV2-8).
        cancels: the event that it cancels (ZBE-6).
        own: segments of the sender's own.

    """
    segments = [pid(patient, stay), pv1(stay)]
    if expected:
        segments.append(segment("PV2", {8: stamp(expected)}))
    segments.append(_zbe(envelope, stay, "CANCEL" if cancels else "INSERT", cancels))
    return _adt(envelope, event, (*segments, *own))


def appointment(
    envelope: Envelope,
    event: str,
    patient: DemoPatient,
    number: str,
    start: datetime,
    unit: str,
    service: str,
    *,
    note: str = "",
    status: str = "Booked",
) -> bytes:
    """Give a SIU: an appointment of half an hour (2.5.1 chapter 10)."""
    end = start + timedelta(minutes=30)
    segments = [
        segment(
            "SCH",
            {
                2: f"{number}^CHU-DEMO-RDV^{APPOINTMENT_OID}^ISO",
                7: service,
                9: "30",
                10: "min",
                11: f"^^^{stamp(start)}^{stamp(end)}",
                25: status,
            },
        ),
        *([segment("NTE", {1: "1", 3: note})] if note else []),
        pid(patient),
        segment("PV1", {1: "1", 2: "O", 3: unit}),
        segment("RGS", {1: "1", 2: "A"}),
        segment("AIS", {1: "1", 2: "A", 3: service, 4: stamp(start)}),
        segment("AIL", {1: "1", 2: "A", 3: unit}),
    ]
    return written(envelope, f"SIU^{event}^SIU_S12", "2.5", "", segments)


def result(
    envelope: Envelope,
    patient: DemoPatient,
    order: str,
    battery: str,
    lines: Sequence[Line],
    *,
    status: str = "F",
    unit: str = "",
    stay: Stay | None = None,
    urgency: str = "",
    copy_to: str = "",
    version: str = "2.5",
) -> bytes:
    """Give an ORU^R01 of one order (2.5.1 chapter 7).

    Args:
        envelope: its header.
        patient: the patient.
        order: filler order number.
        battery: OBR-4.
        lines: the lines.
        status: OBR-25 and OBX-11.
        unit: ordering unit (ORC-17).
        stay: where the patient is.
        urgency: TQ1-9.
        copy_to: unit to which a PRT directs the result (CI-SIS).
        version: MSH-12.

    """
    segments = [
        pid(patient, stay),
        *([pv1(stay)] if stay else []),
        segment("ORC", {1: "RE", 3: order, 17: unit}),
        segment("OBR", {1: "1", 3: order, 4: battery, 7: stamp(envelope.at), 25: status}),
        *([segment("TQ1", {1: "1", 9: urgency})] if urgency else []),
        *([segment("PRT", {2: "AD", 4: "RCT", 8: f"UF {copy_to}^^^^^^UF^^^{copy_to}"})] if copy_to else []),
        *(_obx(number, line, status) for number, line in enumerate(lines, start=1)),
    ]
    return written(envelope, "ORU^R01^ORU_R01", version, "", segments)


def _obx(number: int, line: Line, status: str) -> str:
    fields = {1: str(number), 2: "NM", 3: line.code, 5: line.value, 6: line.unit, 7: line.usual, 8: line.flag}
    return segment("OBX", {**fields, 11: status})


_DOCUMENT_ACTS = {"T02": ("NW", "F"), "T10": ("RO", "C"), "T04": ("CA", "D")}


def document(
    envelope: Envelope,
    event: str,
    patient: DemoPatient,
    number: str,
    kind: str,
    stay: Stay,
    text: str,
    *,
    replaces: str = "",
) -> bytes:
    """Give an MDM with a PDF, by the CI-SIS profile: T02 initial, T10 replacement, T04 suppression."""
    control, status = _DOCUMENT_ACTS[event]
    content = base64.b64encode(pdf(text)).decode("ascii")
    segments = [
        _evn(envelope.at),
        pid(patient, stay),
        pv1(stay),
        segment("ORC", {1: control, 3: number}),
        segment("OBR", {1: "1", 3: number, 4: kind}),
        segment("TXA", {1: "1", 2: kind, 3: "ED", 4: stamp(envelope.at), 12: number, 13: replaces, 17: "LA", 19: "AV"}),
        segment("OBX", {1: "1", 2: "ED", 3: kind, 5: f"^application^pdf^Base64^{content}", 11: status}),
    ]
    return written(envelope, f"MDM^{event}^MDM_T02", "2.6", CDA_PROFILE, segments)


def billing(envelope: Envelope, patient: DemoPatient) -> bytes:
    """Give a DFT^P03: billing, which is no business of a secretariat."""
    charge = segment("FT1", {1: "1", 4: stamp(envelope.at)[:8], 6: "CG", 7: "NGAP^C"})
    return written(envelope, "DFT^P03^DFT_P03", "2.5", "", (_evn(envelope.at), pid(patient), charge))


def pdf(text: str) -> bytes:
    """Give a PDF of one page with one line of text (PDF 1.4, its cross-reference table included)."""
    stream = f"BT /F1 12 Tf 72 770 Td ({text}) Tj ET".encode("ascii")
    objects = (
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources <</Font <</F1 5 0 R>>>>>>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    )
    body, places = b"%PDF-1.4\n", []
    for number, content in enumerate(objects, start=1):
        places.append(len(body))
        body += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    size = len(objects) + 1
    xref = b"xref\n0 %d\n0000000000 65535 f \n%s" % (size, table)
    return body + xref + b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (size, len(body))
