"""MDM into facts: a document written, replaced, withdrawn, or further on its way (2.5.1 chapter 9, CI-SIS)."""

import re

from gateway.er7 import Message, Segment
from gateway.errors import FieldMissing, PersonNeeded, SegmentMissing
from gateway.facts import DocumentAct, DocumentReported, Fact, Identifier, Remark
from mappings.cda import CdaHeader
from mappings.hl7v2 import documents
from mappings.hl7v2.content import content_of
from mappings.hl7v2.patient import patient_of
from mappings.hl7v2.reading import Reading, directed_units, field_of, first_of, person_shown, unit_of_visit
from mappings.hl7v2.tables import COMPLETIONS, DELETED, EDITS, ENCAPSULATED, MDM_EVENTS, UNAVAILABLE

_LOINC = re.compile(r"\d{1,7}-\d", re.ASCII)


def facts(reading: Reading) -> tuple[Fact, ...]:
    """Give what an MDM message says.

    Raises:
        SegmentMissing, FieldMissing: no TXA, no PID, or no document number.
        DataTypeInvalid: the embedded content is not in the encoding that it names.
        PersonNeeded: several patients or documents in one message.
        MessageIncoherent: the document inside is of another patient than the message.

    """
    message = reading.message
    txa, pid = message.first("TXA"), message.first("PID")
    if txa is None or pid is None:
        raise SegmentMissing("a document has a TXA and a PID", path="TXA" if txa is None else "PID")
    if len(message.all("PID")) > 1 or len(message.all("TXA")) > 1:
        raise PersonNeeded(
            "one document of one patient in a message", path="TXA" if len(message.all("TXA")) > 1 else "PID"
        )
    key = key_of(reading, txa)
    act, replaced = _act(reading, txa, key)
    lines = message.all("OBX")
    headers = documents.headers_in(reading, lines)
    documents.check_patients(reading, pid, headers)
    header = next(iter(headers), None)
    _check_numbers(reading, txa, headers)
    content = content_of(lines, _content_path(lines))
    _flag_encoding(reading, lines)
    code, label = _type(txa, lines, header)
    unit, *copies = _units(message, txa)
    return (
        DocumentReported(
            patient=patient_of(reading, pid),
            key=key,
            act=act,
            replaces=replaced,
            type_code=code,
            type_label=label,
            unit=unit,
            author=first_of(person_shown(txa, 9), person_shown(txa, 5), header.author if header else ""),
            completion=_completion(reading, txa),
            media_type=content.media_type,
            size=content.size,
            sha256=content.sha256,
            title=header.title if header else "",
            confidentiality=first_of(txa.text(18), header.confidentiality if header else ""),
            availability=_availability(reading, txa, act),
            restrictions=documents.restrictions(reading, lines),
            copies=tuple(copies),
            author_key=documents.author_key(reading, (txa, 9), (txa, 5)),
            carried_by=documents.carrier_of(reading),
            remarks=reading.remarked(),
        ),
    )


def check(reading: Reading) -> None:
    """Return when the message is coherent by its profile, and each document has a number.

    Raises:
        FieldMissing, DocumentIncoherent: as in ``documents.check_profile``, and no number.

    """
    documents.check_profile(reading)
    for txa in reading.message.all("TXA"):
        key_of(reading, txa)


def key_of(reading: Reading, txa: Segment) -> Identifier:
    """Give the document's number, TXA-12.

    Raises:
        FieldMissing: there is none.

    """
    found = reading.object_keys(txa, 12)
    if not found:
        raise FieldMissing("a document has a unique number", path="TXA-12")
    return found[0]


def _act(reading: Reading, txa: Segment, key: Identifier) -> tuple[DocumentAct, Identifier | None]:
    """What the event does, and to which document.

    T04 withdraws in the CI-SIS profile and tells a status elsewhere; a status that the document is deleted (TXA-19)
    withdraws it as well. An edit that names no other document tells the
    same document's new state.
    """
    act = MDM_EVENTS[reading.event]
    if reading.event == "T04" and documents.follows_cda_profile(reading.message):
        return DocumentAct.WITHDRAW, None
    if act is DocumentAct.STATUS and txa.text(19).strip().upper() == DELETED:
        return DocumentAct.WITHDRAW, None
    if act is not DocumentAct.REPLACE:
        return act, None
    replaced = next((k for k in reading.object_keys(txa, 13) if k != key), None)
    if replaced is not None:
        return act, replaced
    if reading.event in EDITS:
        return DocumentAct.STATUS, None
    reading.flag(
        "TXA-13", "a replacement that names no other document: the same one is replaced", Remark.REPLACES_NOTHING
    )
    return act, None


def _flag_encoding(reading: Reading, lines: tuple[Segment, ...]) -> None:
    """Flag content of which nothing says how it is written (ED-4): it is measured as it stands."""
    for line in lines:
        if line.text(2).strip().upper() == ENCAPSULATED and line.text(5, 5) and not line.text(5, 4).strip():
            reading.flag(f"{reading.path(line, 5)}.4", "no encoding is named: the content is taken as it stands")


def _content_path(lines: tuple[Segment, ...]) -> str:
    return next((s.path(5) for s in lines if s.text(2).strip().upper() == ENCAPSULATED), "OBX-5")


def _type(txa: Segment, lines: tuple[Segment, ...], header: CdaHeader | None) -> tuple[str, str]:
    """Code and text: LOINC where TXA-2, an OBX-3 (the embedded document's first) or the CDA has one, else TXA-2."""
    ordered = sorted(lines, key=lambda s: s.text(2).strip().upper() != ENCAPSULATED)
    for segment, number in ((txa, 2), *((s, 3) for s in ordered)):
        if _LOINC.fullmatch(segment.text(number).strip()):
            return segment.text(number).strip(), segment.text(number, 2).strip()
    if header is not None and _LOINC.fullmatch(header.code):
        return header.code, first_of(header.label, txa.text(2, 2))
    label = first_of(txa.text(2, 2), *(s.text(3, 2) for s in ordered))
    return txa.text(2).strip(), label


def _check_numbers(reading: Reading, txa: Segment, headers: list[CdaHeader]) -> None:
    """Flag a document inside that TXA-12 does not number."""
    told = txa.text(12).strip()
    numbers = [header.id for header in headers if header.id is not None]
    if numbers and all(told not in {extension or root, f"{root}.{extension}"} for root, extension in numbers):
        reading.flag("TXA-12", "the document inside has another id")


def _completion(reading: Reading, txa: Segment) -> str:
    """TXA-17 (table 0271)."""
    code = txa.text(17).strip().upper()
    if code and code not in COMPLETIONS:
        reading.flag("TXA-17", "no completion status of table 0271: it is kept as sent")
    return code


def _availability(reading: Reading, txa: Segment, act: DocumentAct) -> str:
    """TXA-19 (table 0273); what contradicts the event is flagged, and the event wins."""
    code = txa.text(19).strip().upper()
    if code == DELETED and act is not DocumentAct.WITHDRAW:
        reading.flag("TXA-19", "the availability contradicts the event: the event wins", Remark.STATUS_CONTRADICTED)
    if code in UNAVAILABLE:
        reading.flag("TXA-19", "the document is obsolete or not for patient care", Remark.UNAVAILABLE)
    return code


def _units(message: Message, txa: Segment) -> tuple[str, ...]:
    """The unit that handles it, then those of its copies.

    PRT that direct it, else the author's organisation (XCN-23 of TXA-9, TXA-5), the patient's unit, ORC-17.
    """
    own = first_of(
        txa.text(9, 23), txa.text(5, 23), unit_of_visit(message.first("PV1")), field_of(message.all("ORC"), 17)
    )
    return directed_units(message.all("PRT")) or (own,)
