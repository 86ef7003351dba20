"""MDM into facts: a document written, replaced, withdrawn, or further on its way (2.5.1 chapter 9, CI-SIS)."""

import re

from gateway.er7 import Message, Segment
from gateway.errors import FieldMissing, PersonNeeded, SegmentMissing, SenderError
from gateway.facts import DocumentAct, DocumentReported, Fact, Identifier
from mappings.hl7v2.content import content_of
from mappings.hl7v2.patient import patient_of
from mappings.hl7v2.reading import Reading, directed_units, field_of, first_of, person_shown, unit_of_visit
from mappings.hl7v2.tables import CDA_COHERENCE, CDA_PROFILE, EDITS, ENCAPSULATED, MDM_EVENTS

_LOINC = re.compile(r"\d{1,7}-\d", re.ASCII)


def facts(reading: Reading) -> tuple[Fact, ...]:
    """Give what an MDM message says.

    Raises:
        SegmentMissing, FieldMissing: no TXA, no PID, or no document number.
        DataTypeInvalid: the embedded content is not in the encoding that it names.
        PersonNeeded: several patients or documents in one message.

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
    content = content_of(lines, _content_path(lines))
    code, label = _type(txa, lines)
    return (
        DocumentReported(
            patient=patient_of(reading, pid),
            key=key,
            act=act,
            replaces=replaced,
            type_code=code,
            type_label=label,
            unit=_unit(message, txa),
            author=first_of(person_shown(txa, 9), person_shown(txa, 5)),
            completion=txa.text(17).strip(),
            media_type=content.media_type,
            size=content.size,
            sha256=content.sha256,
        ),
    )


def follows_cda_profile(message: Message) -> bool:
    """Whether MSH-21 names the profile CI-SIS « Transmission de documents CDA en HL7v2 »."""
    header = message.first("MSH")
    return header is not None and CDA_PROFILE in header.whole(21)


def check_profile(message: Message, event: str) -> None:
    """Return when a message of the CI-SIS profile is coherent; other messages are not held to it.

    Initial T02 has ORC-1 NW and OBX-11 F, replacement T10 RO, C and TXA-13, suppression T04 CA and D.

    Raises:
        FieldMissing: a replacement names no replaced document.
        SenderError: event, order control and result status contradict each other.

    """
    if event not in CDA_COHERENCE or not follows_cda_profile(message):
        return
    control, status = CDA_COHERENCE[event]
    if field_of(message.all("ORC"), 1) not in {"", control}:
        raise SenderError(f"{control} for {event} (CI-SIS, CDA en HL7v2)", path="ORC-1")
    embedded = (s for s in message.all("OBX") if s.text(2).strip() == ENCAPSULATED)
    if field_of(embedded, 11) not in {"", status}:
        raise SenderError(f"{status} for {event} (CI-SIS, CDA en HL7v2)", path="OBX-11")
    if event == "T10" and not field_of(message.all("TXA"), 13):
        raise FieldMissing("a replacement names the document that it replaces", path="TXA-13")


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

    T04 withdraws in the CI-SIS profile and tells a status elsewhere. An edit that names no other document tells the
    same document's new state.
    """
    act = MDM_EVENTS[reading.event]
    if reading.event == "T04" and follows_cda_profile(reading.message):
        return DocumentAct.WITHDRAW, None
    if act is not DocumentAct.REPLACE:
        return act, None
    replaced = next((k for k in reading.object_keys(txa, 13) if k != key), None)
    if replaced is not None:
        return act, replaced
    if reading.event in EDITS:
        return DocumentAct.STATUS, None
    reading.flag("TXA-13", "a replacement that names no other document: the same one is replaced")
    return act, None


def _content_path(lines: tuple[Segment, ...]) -> str:
    embedded = [i for i, s in enumerate(lines, 1) if s.text(2).strip().upper() == ENCAPSULATED]
    return "OBX-5" if not embedded or embedded[0] == 1 else f"OBX[{embedded[0]}]-5"


def _type(txa: Segment, lines: tuple[Segment, ...]) -> tuple[str, str]:
    """Code and text: LOINC where TXA-2 or an OBX-3 has one (the embedded document's first), else TXA-2 as sent."""
    ordered = sorted(lines, key=lambda s: s.text(2).strip().upper() != ENCAPSULATED)
    for segment, number in ((txa, 2), *((s, 3) for s in ordered)):
        if _LOINC.fullmatch(segment.text(number).strip()):
            return segment.text(number).strip(), segment.text(number, 2).strip()
    label = first_of(txa.text(2, 2), *(s.text(3, 2) for s in ordered))
    return txa.text(2).strip(), label


def _unit(message: Message, txa: Segment) -> str:
    """PRT that directs it, the author's organisation (XCN-23 of TXA-9, TXA-5), the patient's unit, ORC-17."""
    return first_of(
        *directed_units(message.all("PRT")),
        txa.text(9, 23),
        txa.text(5, 23),
        unit_of_visit(message.first("PV1")),
        field_of(message.all("ORC"), 17),
    )
