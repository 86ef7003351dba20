"""ORU and OUL into facts: one report per order (2.5.1 chapter 7)."""

import hashlib
from collections.abc import Iterator, Mapping
from typing import Final

from gateway.er7 import NULL, Message, Repetition, Segment, Separators, unescape
from gateway.errors import FieldMissing, SegmentMissing
from gateway.facts import (
    Abnormality,
    Fact,
    Identifier,
    Observation,
    Priority,
    Remark,
    ResultReported,
    ResultStatus,
    graver,
)
from mappings.hl7v2 import documents
from mappings.hl7v2.content import media_type
from mappings.hl7v2.mfn import practitioner_key
from mappings.hl7v2.orders import Line, Order, groups_of, notes_shown, numbers_of
from mappings.hl7v2.patient import patient_of
from mappings.hl7v2.reading import (
    Reading,
    coded_text,
    directed_units,
    field_of,
    first_of,
    person_shown,
    place_shown,
    priority_of,
    unit_of_visit,
)
from mappings.hl7v2.tables import (
    ABNORMALITIES,
    CODED_TYPES,
    ENCAPSULATED,
    LINE_STATUSES,
    MADE_FINAL,
    MOST_SHARED_NOTES,
    NOT_RESULTS,
    REPORT_STATUSES,
)

_STRUCTURED_NUMERIC = "SN"

_WORSE: Final = (
    ResultStatus.FINAL,
    ResultStatus.PRELIMINARY,
    ResultStatus.UNOBTAINABLE,
    ResultStatus.UNKNOWN,
    ResultStatus.CORRECTED,
    ResultStatus.WITHDRAWN,
)
"""From what a reader may rely on to what must stop him."""


def orders(message: Message, event: str) -> list[Order]:
    """Give the orders that the message reports on: those with an OBR."""
    return [order for order in groups_of(message, event).orders if order.request is not None]


def facts(reading: Reading) -> tuple[Fact, ...]:
    """Give what a result message says: one report per order; its documents, if it is of the CI-SIS profile.

    OBR that share order number and battery are one report: a second would overwrite the first.

    Raises:
        SegmentMissing: no OBR, or one before any PID.
        FieldMissing: an order has no number.
        MessageIncoherent: a document inside is of another patient than the message.

    """
    if documents.follows_cda_profile(reading.message):
        return documents.facts(reading)
    groups = groups_of(reading.message, reading.event)
    for name in dict.fromkeys(segment.name for segment in groups.astray):
        reading.flag(name, f"an {name} before any OBR is no line of a report: it is kept with the message")
    reports: dict[Identifier, list[Order]] = {}
    for order in groups.orders:
        if order.request is not None:
            reports.setdefault(key_of(reading, order), []).append(order)
        elif order.common is not None:
            reading.flag(
                reading.path(order.common, 1), "an ORC without OBR reports nothing: it is kept with the message"
            )
    if not reports:
        raise SegmentMissing("a result has an OBR", path="OBR")
    return tuple(_report(reading, key, of_report) for key, of_report in reports.items())


def check(reading: Reading) -> None:
    """Return when each report has a number, or when the documents are coherent by their profile.

    Raises:
        FieldMissing, DocumentIncoherent: as in ``key_of`` and ``documents.check_profile``.

    """
    if documents.follows_cda_profile(reading.message):
        documents.check_profile(reading)
        return
    for order in orders(reading.message, reading.event):
        key_of(reading, order)


def key_of(reading: Reading, order: Order) -> Identifier:
    """Give the report's key: order number of the filler (OBR-3, ORC-3), else of the placer (-2), and battery (OBR-4.1).

    Raises:
        FieldMissing: there is no number.

    """
    return _key(reading, order, numbers_of(reading, order))


def _key(reading: Reading, order: Order, numbers: tuple[Identifier, ...]) -> Identifier:
    if numbers:
        battery = first_of(order.field(4), order.field(4, 2))
        return Identifier(numbers[0].authority, f"{numbers[0].value}/{battery}", numbers[0].kind)
    path = reading.path(order.request, 3) if order.request else "OBR-3"
    raise FieldMissing("a result has a filler or a placer order number", path=path)


def _report(reading: Reading, key: Identifier, of_report: list[Order]) -> ResultReported:
    order = of_report[0]
    if order.pid is None:
        raise SegmentMissing("an order comes behind its PID", path="PID")
    lines = [line for each in of_report for line in each.all_lines]
    headers = documents.headers_in(reading, (line.segment for line in lines))
    documents.check_patients(reading, order.pid, headers)
    observations = tuple(_observation(reading, line) for line in lines)
    abnormality = graver(o.abnormality for o in observations if o.status is not ResultStatus.WITHDRAWN)
    directed = directed_units(p for each in of_report for p in each.participations)
    ordering_unit = _ordering_unit(order, directed)
    return ResultReported(
        patient=patient_of(reading, order.pid),
        key=key,
        code=order.field(4),
        label=order.field(4, 2),
        status=_status(reading, of_report, lines),
        observations=observations,
        ordering_unit=ordering_unit,
        location=place_shown(order.visit, 3),
        priority=_priority(of_report, abnormality),
        abnormality=abnormality,
        orders=tuple(dict.fromkeys(n for each in of_report for n in numbers_of(reading, each))),
        requester=requester(order),
        requester_key=_requester_key(reading, order),
        stay_unit=unit_of_visit(order.visit),
        copies=tuple(unit for unit in dict.fromkeys((*directed, *_copies(order))) if unit != ordering_unit),
        specimen=_specimen(of_report),
        notes=_notes(of_report),
        remarks=reading.remarked(),
    )


def requester(order: Order) -> str:
    """Give who asked for it, as shown to people: OBR-16, else ORC-12."""
    return first_of(person_shown(order.request, 16), person_shown(order.common, 12))


def _requester_key(reading: Reading, order: Order) -> Identifier | None:
    """The number of who asked for it (OBR-16, ORC-12: XCN, authority XCN-9, type XCN-13)."""
    for segment, number in ((order.request, 16), (order.common, 12)):
        for person in segment.repetitions(number) if segment else ():
            if key := practitioner_key(reading, person, authority=9, kind=13):
                return reading.bounded_key(key, reading.path(segment, number) if segment else "OBR-16")
    return None


def ordering_unit(order: Order) -> str:
    """Give the unit that asked for it: ORC-17, OBR-16's organisation (XCN-23), ORC-13."""
    return first_of(order.common_field(17), order.field(16, 23), order.common_field(13))


def _ordering_unit(order: Order, directed: tuple[str, ...]) -> str:
    """The unit to which a PRT directs it, else the one that asked for it."""
    return first_of(*directed, ordering_unit(order))


def _copies(order: Order) -> Iterator[str]:
    """Units of those who are to receive a copy (OBR-28, XCN-23)."""
    if order.request:
        yield from (unit for r in order.request.repetitions(28) if (unit := r.text(23).strip()))


def _specimen(of_report: list[Order]) -> str:
    """What was examined: SPM-4 of each specimen, else OBR-15 of older versions."""
    shown = (coded_text(specimen.segment, 4) for each in of_report for specimen in each.specimens)
    found = tuple(dict.fromkeys(text for text in shown if text))
    return ", ".join(found) or first_of(of_report[0].field(15, 1))


def _notes(of_report: list[Order]) -> str:
    """Comments on the patient, the report and its specimens; those that a thousand orders may share are bounded."""
    on_report = [*of_report[0].of_patient[:MOST_SHARED_NOTES], *(note for each in of_report for note in each.notes)]
    specimens = {s.segment.position: s for each in of_report for s in each.specimens}
    return notes_shown([*on_report, *(note for s in specimens.values() for note in s.notes[:MOST_SHARED_NOTES])])


def _priority(of_report: list[Order], abnormality: Abnormality) -> Priority:
    """Stat for a critical value; else TQ1-9, OBR-27.6, OBR-5."""
    if abnormality is Abnormality.CRITICAL:
        return Priority.STAT
    return asked_priority(of_report[0])


def asked_priority(order: Order) -> Priority:
    """Give the priority that was asked for: TQ1-9, OBR-27.6, OBR-5."""
    return priority_of(field_of(order.timings, 9), order.field(27, 6), order.field(5))


def _status(reading: Reading, of_report: list[Order], lines: list[Line]) -> ResultStatus:
    """The worse of OBR-25 and OBX-11 (tables 0123, 0085); a code in neither is "status unknown".

    One line that is withdrawn or unobtainable among others corrects the report; it does not take the others away.
    """
    told = [_status_of(code, REPORT_STATUSES) for each in of_report if (code := each.field(25))]
    codes = [code for line in lines if (code := line.segment.text(11).strip()) and code.upper() not in NOT_RESULTS]
    of_lines = [_status_of(code, LINE_STATUSES) for code in codes]
    if set(of_lines) - {ResultStatus.WITHDRAWN}:
        of_lines = [ResultStatus.CORRECTED if s is ResultStatus.WITHDRAWN else s for s in of_lines]
    if set(of_lines) - {ResultStatus.UNOBTAINABLE}:
        of_lines = [s for s in of_lines if s is not ResultStatus.UNOBTAINABLE]
    if ResultStatus.FINAL in told and ResultStatus.PRELIMINARY in of_lines:
        rule = "the report is final and a line preliminary: the worse is taken"
        reading.flag("OBR-25", rule, Remark.STATUS_CONTRADICTED)
    return max([*told, *of_lines], key=_WORSE.index, default=ResultStatus.UNKNOWN)


def _status_of(code: str, table: Mapping[str, ResultStatus]) -> ResultStatus:
    return table.get(code.strip().upper(), ResultStatus.UNKNOWN)


def _observation(reading: Reading, line: Line) -> Observation:
    obx = line.segment
    flags = [flag for r in obx.repetitions(8) if (flag := _flag_of(r)) is not None]
    value = "\n".join(_values(reading, obx))
    return Observation(
        code=obx.text(3).strip(),
        label=obx.text(3, 2).strip(),
        sub_id=obx.text(4).strip(),
        value=value,
        unit=obx.text(6).strip(),
        reference_range=obx.text(7).strip(),
        abnormality=graver(flags),
        status=_status_of(obx.text(11), LINE_STATUSES),
        notes=notes_shown(line.notes),
        stands=not value and obx.text(11).strip().upper() == MADE_FINAL,
    )


def _flag_of(flag: Repetition) -> Abnormality | None:
    """What an OBX-8 says: by its code, else the alternate one of a CWE (2.7), where the first is the sender's own."""
    codes = [code for n in (1, 4) if (code := flag.text(n).strip().upper())]
    known = (ABNORMALITIES[code] for code in codes if code in ABNORMALITIES)
    return next(known, Abnormality.UNCLASSIFIED) if codes else None


def _values(reading: Reading, obx: Segment) -> Iterator[str]:
    """OBX-5 by its type: a coded value's text, a structured number in one, embedded content by type and digest."""
    kind = obx.text(2).strip().upper()
    repetitions = obx.repetitions(5)
    if kind == ENCAPSULATED and repetitions:
        yield f"{media_type(repetitions[0])}; sha256={hashlib.sha256(obx.whole(5).encode()).hexdigest()}"
        return
    for value in repetitions:
        if kind in CODED_TYPES:
            yield first_of(value.text(2), value.text(5), value.text(1))
        else:
            yield ("" if kind == _STRUCTURED_NUMERIC else " ").join(_components(value, reading.message.separators))


def _components(value: Repetition, separators: Separators) -> Iterator[str]:
    for part in value.whole.split(separators.component):
        if part and part != NULL:
            yield unescape(part, separators)
