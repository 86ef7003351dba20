"""Documents inside messages: the CI-SIS profile « Transmission de documents CDA en HL7v2 » 2.1, and CDA headers.

A message of the profile is an MDM or an ORU. What it shows by itself to be incoherent is refused before the answer, as
application error 906; whether the patient, the author or the replaced version is known is not asked here.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from gateway.er7 import Message, Segment
from gateway.errors import DataTypeInvalid, DocumentIncoherent, FieldMissing, LimitExceeded, MessageIncoherent
from gateway.facts import DocumentAct, DocumentReported, Fact, Identifier, IdentifierKind, Remark
from mappings.cda import CdaHeader, Instance, header_of
from mappings.hl7v2 import times
from mappings.hl7v2.content import content_of, media_type, pieces_of
from mappings.hl7v2.mfn import practitioner_key
from mappings.hl7v2.orders import Line, Order, groups_of
from mappings.hl7v2.patient import identifiers_of, patient_of
from mappings.hl7v2.reading import (
    Reading,
    directed_units,
    field_of,
    first_of,
    is_true,
    person_shown,
    unit_of_visit,
)
from mappings.hl7v2.tables import (
    CDA_ACTS,
    CDA_COHERENCE,
    CDA_PROFILE,
    ENCAPSULATED,
    RESTRICTIONS,
    XML_TYPES,
)

MOST_FORMATS: Final = 2
"""In which one message of the profile brings a document: CDA level 1 and level 3."""


def follows_cda_profile(message: Message) -> bool:
    """Whether MSH-21 names the profile CI-SIS « Transmission de documents CDA en HL7v2 »."""
    header = message.first("MSH")
    return header is not None and CDA_PROFILE in header.whole(21)


def embedded(message: Message) -> tuple[Segment, ...]:
    """Give the OBX that hold a document."""
    return tuple(s for s in message.all("OBX") if s.text(2).strip().upper() == ENCAPSULATED)


# -- before the answer -------------------------------------------------------------------------------------------------


def check_profile(reading: Reading) -> None:
    """Return when a message of the profile is coherent; other messages are not held to it.

    Raises:
        FieldMissing: a replacement names no replaced document.
        DocumentIncoherent: event, order control and result status contradict each other, or the document's patient is
            not the message's, or the document is none.

    """
    message = reading.message
    if not follows_cda_profile(message):
        return
    if reading.event in CDA_COHERENCE:
        _check_event(message, reading.event)
    elif message.first("TXA") is None:
        _check_controls(reading)
    else:
        raise DocumentIncoherent(f"one of {', '.join(CDA_COHERENCE)} (CI-SIS, CDA en HL7v2)", path="MSH-9.2")
    pid = message.first("PID")
    for line in embedded(message):
        header = _strict_header(reading, line)
        if header is not None and pid is not None:
            _check_patient(reading, pid, header)


def _check_event(message: Message, event: str) -> None:
    """Initial T02 has ORC-1 NW and OBX-11 F, replacement T10 RO, C and TXA-13, suppression T04 CA and D."""
    control, status = CDA_COHERENCE[event]
    if field_of(message.all("ORC"), 1).upper() not in {"", control}:
        raise DocumentIncoherent(f"{control} for {event} (CI-SIS, CDA en HL7v2)", path="ORC-1")
    if field_of(embedded(message), 11).upper() not in {"", status}:
        raise DocumentIncoherent(f"{status} for {event} (CI-SIS, CDA en HL7v2)", path="OBX-11")
    if event == "T10" and not field_of(message.all("TXA"), 13):
        raise FieldMissing("a replacement names the document that it replaces", path="TXA-13")


def _check_controls(reading: Reading) -> None:
    """In an ORU, ORC-1 and OBX-11 of its document say the same, and the document has a number."""
    statuses = dict(CDA_COHERENCE.values())
    for order in groups_of(reading.message, reading.event).orders:
        control = order.common_field(1).upper()
        for line in _documents(order):
            status = line.segment.text(11).strip().upper()
            path = reading.path(line.segment, 11)
            if status not in CDA_ACTS:
                raise DocumentIncoherent("F, C or D on a document (CI-SIS, CDA en HL7v2)", path=path)
            if control in statuses and statuses[control] != status:
                raise DocumentIncoherent(f"{statuses[control]} for ORC-1 {control} (CI-SIS, CDA en HL7v2)", path=path)
            _numbered_header(reading, line.segment)


def _strict_header(reading: Reading, line: Segment) -> CdaHeader | None:
    """The header; XML that is not well-formed is no document."""
    try:
        return _header(reading, line)
    except DataTypeInvalid as error:
        raise DocumentIncoherent(error.rule, path=error.path) from None


def _header(reading: Reading, line: Segment) -> CdaHeader | None:
    """The CDA header of the document in an OBX; None if it holds something else."""
    values = line.repetitions(5)
    if not values or media_type(values[0]) not in XML_TYPES or not values[0].text(5).strip():
        return None
    path = reading.path(line, 5)
    return header_of(pieces_of(values[0], path), path=path)


def _check_patient(reading: Reading, pid: Segment, header: CdaHeader) -> None:
    if path := differs_from(reading, pid, header, strict=True):
        raise DocumentIncoherent("the patient of the document's recordTarget", path=path)


def differs_from(reading: Reading, pid: Segment, header: CdaHeader, *, strict: bool = False) -> str:
    """Give where the message's patient is not the document's: the path of the field; "" if nothing contradicts.

    The numbers of one domain contradict each other where none of one side is one of the other, and so do two whole
    dates of birth. By the profile PID-3 is what recordTarget/patientRole/id is: ``strict`` wants one number in common.
    """
    told = identifiers_of(reading, pid, 3)
    numbers = {(reading.site.authority(root) or root, value) for root, value in header.patient_ids}
    domains = {authority for authority, _ in numbers}
    shared = [i for i in told if i.authority in domains]
    right = {i.authority for i in shared if (i.authority, i.value) in numbers}
    if any(i.authority not in right for i in shared) or (strict and numbers and not shared):
        return reading.path(pid, 3)
    try:
        born, sent = times.date(header.birth_date), times.date(pid.text(7).strip())
    except ValueError:
        return ""
    whole = len(born) == len(sent) == len("1958-03-21")
    return reading.path(pid, 7) if whole and born != sent else ""


# -- after it ----------------------------------------------------------------------------------------------------------


def headers_in(reading: Reading, lines: Iterable[Segment]) -> list[CdaHeader]:
    """Give the headers of the CDA documents among OBX; what cannot be read is flagged, not refused."""
    found: list[CdaHeader | None] = []
    for line in lines:
        if line.text(2).strip().upper() == ENCAPSULATED:
            try:
                found.append(_header(reading, line))
            except LimitExceeded as error:
                reading.flag(error.path, "the header of the document is too large to be read")
            except DataTypeInvalid as error:
                reading.flag(error.path, "the XML of the document cannot be read")
    return [header for header in found if header is not None]


def check_patients(reading: Reading, pid: Segment, headers: Iterable[CdaHeader]) -> None:
    """Return when the documents inside are the patient's (the filing guard).

    Raises:
        MessageIncoherent: one is of another patient.

    """
    for header in headers:
        if path := differs_from(reading, pid, header):
            raise MessageIncoherent("the document inside is of another patient than the message", path=path)


def restrictions(reading: Reading, lines: Sequence[Segment]) -> frozenset[str]:
    """Give the restrictions that are set; one that says neither Y nor N is set, and flagged."""
    return frozenset(_restrictions(reading, lines))


def _restrictions(reading: Reading, lines: Sequence[Segment]) -> Iterator[str]:
    for line in lines:
        name = line.text(3).strip().upper()
        if name in RESTRICTIONS:
            value = line.text(5).strip().upper()
            if not is_true(value) and value != "N":
                reading.flag(reading.path(line, 5), "a restriction says Y or N: it is taken as set")
            if value != "N":
                yield name


def carrier_of(reading: Reading) -> Identifier | None:
    """Give the message as its business acknowledgments name it: its control ID, of its source."""
    control_id = reading.message.text("MSH-10").strip()
    return message_key(reading.source.id, control_id) if control_id else None


def message_key(source: str, control_id: str) -> Identifier:
    """Give the key of a message among those of its source."""
    return Identifier(f"{source}/message", control_id, IdentifierKind.OTHER)


def facts(reading: Reading) -> tuple[Fact, ...]:
    """Give the documents of an ORU of the profile; each is known by its CDA id.

    Raises:
        DocumentIncoherent: a document has no id.
        DataTypeInvalid: a document is not in the encoding that it names.

    """
    orders = groups_of(reading.message, reading.event).orders
    return tuple(_document(reading, order, formats) for order in orders for formats in _formats(reading, order))


_Format = tuple[Segment, CdaHeader, Identifier]
"""A document as one OBX has it: with its header and its number."""


def _formats(reading: Reading, order: Order) -> Iterator[list[_Format]]:
    """The documents of an order, each in one format or two: of one type and title, and asked for alike, two are one.

    CI-SIS « Transmission de documents CDA en HL7v2 » 2.1, message ORU: the same content may stand beside the document
    in another format, under an id of its own. More than two are documents of their own, so that none is hidden.
    """
    found: dict[tuple[str, str, str], list[_Format]] = {}
    for line in (each.segment for each in _documents(order)):
        header, number = _numbered_header(reading, line)
        alike = (line.text(3).strip(), line.text(11).strip().upper(), header.title.casefold())
        found.setdefault(alike, []).append((line, header, number))
    for formats in found.values():
        yield from [formats] if len(formats) <= MOST_FORMATS else ([each] for each in formats)


def _documents(order: Order) -> Iterator[Line]:
    return (line for line in order.all_lines if line.segment.text(2).strip().upper() == ENCAPSULATED and _is_xml(line))


def _is_xml(line: Line) -> bool:
    """Whether it is the document, and not a text of the mail that goes with it (CORPSMAIL_PS, CORPSMAIL_PATIENT)."""
    values = line.segment.repetitions(5)
    return bool(values) and media_type(values[0]) in XML_TYPES


def key_of(reading: Reading, instance: Instance, path: str) -> Identifier:
    """Give the key of a CDA id: as TXA-12 has it, extension and root, or the root alone as a number of the source's."""
    root, extension = instance
    authority = reading.site.authority(root) if extension else reading.source.id
    return reading.bounded_key(Identifier(authority, extension or root, IdentifierKind.OTHER), path)


def author_key(reading: Reading, *places: tuple[Segment, int]) -> Identifier | None:
    """Give the author's number (XCN, authority XCN-9, type XCN-13) where the profile has the author looked at."""
    if not follows_cda_profile(reading.message):
        return None
    for segment, number in places:
        for person in segment.repetitions(number):
            if key := practitioner_key(reading, person, authority=9, kind=13):
                return reading.bounded_key(key, reading.path(segment, number))
    return None


def _numbered_header(reading: Reading, line: Segment) -> tuple[CdaHeader, Identifier]:
    header, path = _strict_header(reading, line), reading.path(line, 5)
    if header is None or header.id is None:
        raise DocumentIncoherent("a CDA document with an id (CI-SIS, CDA en HL7v2)", path=path)
    return header, key_of(reading, header.id, path)


def _document(reading: Reading, order: Order, formats: list[_Format]) -> DocumentReported:
    line, header, key = formats[0]
    path = reading.path(line, 5)
    if order.pid is None:
        raise DocumentIncoherent("a document behind its PID (CI-SIS, CDA en HL7v2)", path=path)
    content = content_of((line,), path)
    lines = [each.segment for each in order.all_lines]
    directed = directed_units(order.participations)
    act = CDA_ACTS.get(line.text(11).strip().upper(), DocumentAct.CREATE)
    former = next((each.replaces for _, each, _ in formats if each.replaces), None)
    replaced = key_of(reading, former, path) if former and act is DocumentAct.REPLACE else None
    if act is DocumentAct.REPLACE and replaced is None:
        reading.flag(
            path,
            "a replacement whose document names no other (relatedDocument RPLC): the same is replaced",
            Remark.REPLACES_NOTHING,
        )
    return DocumentReported(
        patient=patient_of(reading, order.pid),
        key=key,
        act=act,
        replaces=replaced,
        renditions=tuple(number for number in dict.fromkeys(n for _, _, n in formats) if number != key),
        type_code=first_of(line.text(3), header.code),
        type_label=first_of(line.text(3, 2), header.label),
        unit=first_of(*directed[:1], unit_of_visit(order.visit)),
        author=first_of(header.author, *(person_shown(p, 5) for p in order.participations if p.text(4) == "SB")),
        completion="AU",
        media_type=content.media_type,
        size=content.size,
        sha256=content.sha256,
        title=header.title,
        confidentiality=header.confidentiality,
        restrictions=restrictions(reading, lines),
        copies=directed[1:],
        author_key=author_key(reading, *((p, 5) for p in order.participations if p.text(4) == "SB")),
        carried_by=carrier_of(reading),
        remarks=reading.remarked(),
    )
