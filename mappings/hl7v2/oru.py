"""ORU^R01 into facts: one report per order (2.5.1 chapter 7)."""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from gateway.er7 import NULL, Message, Repetition, Segment, Separators, unescape
from gateway.errors import FieldMissing, SegmentMissing
from gateway.facts import (
    Abnormality,
    Fact,
    Identifier,
    Observation,
    Priority,
    ResultReported,
    ResultStatus,
    graver,
)
from mappings.hl7v2.content import media_type
from mappings.hl7v2.patient import patient_of
from mappings.hl7v2.reading import Reading, directed_unit, field_of, first_of, place_shown, priority_of, unit_of_visit
from mappings.hl7v2.tables import ABNORMALITIES, CODED_TYPES, ENCAPSULATED, NOT_RESULTS, RESULT_STATUSES

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


@dataclass(slots=True)
class Order:
    """An OBR with the segments that belong to it.

    Attributes:
        pid: the PID before it, its patient; None if there is none.
        visit: the PV1 of that patient.
        common: the ORC directly before it.
        request: the OBR.
        lines: its OBX.
        timings: its TQ1.
        participations: its PRT, those of the message's visit included.

    """

    pid: Segment | None
    visit: Segment | None
    common: Segment | None
    request: Segment
    lines: list[Segment] = field(default_factory=list)
    timings: list[Segment] = field(default_factory=list)
    participations: list[Segment] = field(default_factory=list)


def orders(message: Message) -> list[Order]:
    """Give the message's orders: what stands behind an OBR is its own, up to the next ORC, OBR or PID (§7.3.1)."""
    found: list[Order] = []
    pid = visit = common = None
    current: Order | None = None
    pending: list[Segment] = []
    for segment in message.segments:
        match segment.name:
            case "PID":
                pid, visit, common, current, pending = segment, None, None, None, []
            case "PV1":
                visit = segment
            case "ORC":
                common, current, pending = segment, None, []
            case "OBR":
                current = Order(pid, visit, common, segment, participations=pending)
                common, pending = None, []
                found.append(current)
            case "OBX" if current:
                current.lines.append(segment)
            case "TQ1" if current:
                current.timings.append(segment)
            case "PRT":
                (current.participations if current else pending).append(segment)
    return found


def facts(reading: Reading) -> tuple[Fact, ...]:
    """Give what an ORU message says: one report per order.

    OBR that share order number and battery are one report: a second would overwrite the first.

    Raises:
        SegmentMissing: no OBR, or one before any PID.
        FieldMissing: an order has no number.

    """
    reports: dict[Identifier, list[Order]] = {}
    for order in orders(reading.message):
        reports.setdefault(key_of(reading, order), []).append(order)
    if not reports:
        raise SegmentMissing("a result has an OBR", path="OBR")
    return tuple(_report(reading, key, of_report) for key, of_report in reports.items())


def key_of(reading: Reading, order: Order) -> Identifier:
    """Give the report's key: order number of the filler (OBR-3, ORC-3), else of the placer (-2), and battery (OBR-4.1).

    Raises:
        FieldMissing: there is no number.

    """
    places = (
        (order.request, 3, ""),
        (order.common, 3, ""),
        (order.request, 2, "/placer"),
        (order.common, 2, "/placer"),
    )
    for segment, number, domain in places:
        found = reading.object_keys(segment, number, domain=domain) if segment else ()
        if found:
            battery = order.request.text(4).strip() or order.request.text(4, 2).strip()
            return Identifier(found[0].authority, f"{found[0].value}/{battery}", found[0].kind)
    raise FieldMissing("a result has a filler or a placer order number", path=reading.path(order.request, 3))


def _report(reading: Reading, key: Identifier, of_report: list[Order]) -> ResultReported:
    order = of_report[0]
    if order.pid is None:
        raise SegmentMissing("an order comes behind its PID", path="PID")
    lines = [line for each in of_report for line in each.lines]
    observations = tuple(_observation(reading, line) for line in lines)
    abnormality = graver(o.abnormality for o in observations if o.status is not ResultStatus.WITHDRAWN)
    return ResultReported(
        patient=patient_of(reading, order.pid),
        key=key,
        code=order.request.text(4).strip(),
        label=order.request.text(4, 2).strip(),
        status=_status([each.request.text(25) for each in of_report], lines),
        observations=observations,
        ordering_unit=_ordering_unit(order),
        location=place_shown(order.visit, 3),
        priority=_priority(of_report, abnormality),
        abnormality=abnormality,
    )


def _ordering_unit(order: Order) -> str:
    """PRT that directs it, ORC-17, OBR-16's organisation (XCN-23), ORC-13, else where the patient is."""
    common, request = order.common, order.request
    return first_of(
        directed_unit(order.participations),
        common.text(17) if common else "",
        request.text(16, 23),
        common.text(13) if common else "",
        unit_of_visit(order.visit),
    )


def _priority(of_report: list[Order], abnormality: Abnormality) -> Priority:
    """Stat for a critical value; else TQ1-9, OBR-27.6, OBR-5."""
    if abnormality is Abnormality.CRITICAL:
        return Priority.STAT
    order = of_report[0]
    return priority_of(field_of(order.timings, 9), order.request.text(27, 6), order.request.text(5))


def _status(reports: Iterable[str], lines: list[Segment]) -> ResultStatus:
    """The worse of OBR-25 and OBX-11 (tables 0123, 0085); a code in neither is "status unknown".

    One line that is withdrawn or unobtainable among others corrects the report; it does not take the others away.
    """
    told = [status_of(code) for code in reports if code.strip()]
    of_lines = [status_of(code) for line in lines if (code := line.text(11).strip()) and code not in NOT_RESULTS]
    if set(of_lines) - {ResultStatus.WITHDRAWN}:
        of_lines = [ResultStatus.CORRECTED if s is ResultStatus.WITHDRAWN else s for s in of_lines]
    if set(of_lines) - {ResultStatus.UNOBTAINABLE}:
        of_lines = [s for s in of_lines if s is not ResultStatus.UNOBTAINABLE]
    return max([*told, *of_lines], key=_WORSE.index, default=ResultStatus.UNKNOWN)


def status_of(code: str) -> ResultStatus:
    """Give the status that a code of table 0085 or 0123 means."""
    return RESULT_STATUSES.get(code.strip().upper(), ResultStatus.UNKNOWN)


def _observation(reading: Reading, obx: Segment) -> Observation:
    codes = [r.text().strip().upper() for r in obx.repetitions(8)]
    return Observation(
        code=obx.text(3).strip(),
        label=obx.text(3, 2).strip(),
        sub_id=obx.text(4).strip(),
        value="\n".join(_values(reading, obx)),
        unit=obx.text(6).strip(),
        reference_range=obx.text(7).strip(),
        abnormality=graver(ABNORMALITIES.get(c, Abnormality.UNCLASSIFIED) for c in codes if c),
        status=status_of(obx.text(11)),
    )


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
