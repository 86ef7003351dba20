"""Orders and what belongs to each: the groups of ORU, OUL, ORM, OMG and OML (2.5.1 chapters 4 and 7), walked once.

The standard's groups say which segment goes with which; senders leave segments out, repeat them and move them. So the
walk knows for each segment only what it belongs to, never what must come next. What was observed of a specimen is shown
with the first report on it, so no OBX that could be a result is lost by its place.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from gateway.er7 import Message, Segment
from gateway.facts import Identifier
from mappings.hl7v2.reading import Reading
from mappings.hl7v2.tables import COMMON_BEHIND, FORMER_RESULTS, ORDER_EVENTS, SPECIMEN_FIRST


@dataclass(slots=True)
class Line:
    """An OBX with the notes that comment on it."""

    segment: Segment
    notes: list[Segment] = field(default_factory=list)


@dataclass(slots=True)
class Specimen:
    """An SPM with what was observed of the specimen itself, and the notes on it."""

    segment: Segment
    lines: list[Line] = field(default_factory=list)
    notes: list[Segment] = field(default_factory=list)


@dataclass(slots=True)
class Order:
    """An ORC, an OBR, or both, with the segments that belong to them.

    Attributes:
        pid: the PID before it, its patient; None if there is none.
        visit: the PV1 of that patient.
        common: its ORC: before the OBR, in OUL behind it.
        request: its OBR; None if an ORC has none.
        lines: its OBX.
        notes: NTE on the order or the report as a whole.
        of_patient: NTE on its patient.
        timings: its TQ1.
        participations: its PRT, those of the patient's visit and of its lines included.
        specimens: its SPM.
        former: a result of before, sent along with an order for the reader's information.

    """

    pid: Segment | None
    visit: Segment | None
    common: Segment | None = None
    request: Segment | None = None
    lines: list[Line] = field(default_factory=list)
    notes: list[Segment] = field(default_factory=list)
    of_patient: list[Segment] = field(default_factory=list)
    timings: list[Segment] = field(default_factory=list)
    participations: list[Segment] = field(default_factory=list)
    specimens: list[Specimen] = field(default_factory=list)
    former: bool = False

    def field(self, number: int, component: int = 1) -> str:
        """Give a field of its OBR; "" if it has none."""
        return self.request.text(number, component).strip() if self.request else ""

    def common_field(self, number: int, component: int = 1) -> str:
        """Give a field of its ORC; "" if it has none."""
        return self.common.text(number, component).strip() if self.common else ""

    @property
    def all_lines(self) -> list[Line]:
        """Its OBX, then those on its specimens."""
        return [*self.lines, *(line for specimen in self.specimens for line in specimen.lines)]

    @property
    def place(self) -> Segment | None:
        """The segment by which it is named in errors."""
        return self.request or self.common


@dataclass(slots=True)
class Groups:
    """What a message's walk found.

    Attributes:
        orders: in order.
        astray: OBX that belong to no order: of the patient or a stay (2.7), or senders' errors; NTE before anything.

    """

    orders: list[Order] = field(default_factory=list)
    astray: list[Segment] = field(default_factory=list)


def groups_of(message: Message, event: str) -> Groups:
    """Give the orders of a message of this event, each with what belongs to it."""
    walk = _Walk(event)
    for segment in message.segments:
        walk.take(segment)
    return walk.found


class _Walk:
    """Where the walk stands: the patient, the order, the specimen, and what a note would comment on."""

    def __init__(self, event: str) -> None:
        self.found = Groups()
        self._specimen_first = event in SPECIMEN_FIRST
        self._common_behind = event in COMMON_BEHIND
        self._asks = event in ORDER_EVENTS
        self._pid: Segment | None = None
        self._visit: Segment | None = None
        self._former = False
        self._order: Order | None = None
        self._specimen: Specimen | None = None
        self._notes = self.found.astray
        self._of_patient: list[Segment] = []
        self._participations: list[Segment] = []

    def take(self, segment: Segment) -> None:
        """Let a segment belong where it does."""
        match segment.name:
            case "PID":
                self._take_patient(segment)
            case "PV1" if not self._former:
                self._visit = segment
            case "ORC":
                self._take_common(segment)
            case "OBR":
                self._take_request(segment)
            case "SPM":
                self._take_specimen(segment)
            case "OBX":
                self._take_line(segment)
            case "NTE":
                self._notes.append(segment)
            case "TQ1" if self._order:
                self._order.timings.append(segment)
            case "PRT":
                (self._order.participations if self._order else self._participations).append(segment)

    def _take_patient(self, segment: Segment) -> None:
        """A PID begins a patient; behind an order that is asked for, it begins a result of before (PATIENT_PRIOR)."""
        self._order = self._specimen = None
        self._notes = self._of_patient = []
        self._former = self._asks and bool(self.found.orders)
        if not self._former:
            self._pid, self._visit, self._participations = segment, None, []

    def _begin(self, common: Segment | None, request: Segment | None) -> None:
        order = Order(self._pid, self._visit, common, request, of_patient=self._of_patient)
        order.participations += self._participations
        control = common.text(1).strip().upper() if common else ""
        order.former = control in FORMER_RESULTS or (self._former and not control)
        if self._specimen_first and self._specimen:
            order.specimens.append(self._specimen)
            order.lines, self._specimen.lines = self._specimen.lines, []
        self.found.orders.append(order)
        self._order, self._notes = order, order.notes

    def _take_common(self, segment: Segment) -> None:
        """An ORC begins an order; in OUL it belongs to the OBR before it, if that has none yet."""
        order = self._order
        if self._common_behind and order and order.common is None:
            order.common = segment
        else:
            self._begin(segment, None)

    def _take_request(self, segment: Segment) -> None:
        """An OBR goes with the ORC directly before it."""
        order = self._order
        if order and order.request is None:
            order.request = segment
        else:
            self._begin(None, segment)

    def _take_specimen(self, segment: Segment) -> None:
        """An SPM belongs to the order before it; where specimens come first, the orders behind it are on it."""
        self._specimen = Specimen(segment)
        self._notes = self._specimen.notes
        if self._specimen_first:
            self._order = None
        elif self._order:
            self._order.specimens.append(self._specimen)

    def _take_line(self, segment: Segment) -> None:
        """An OBX is the order's, behind an SPM the specimen's."""
        line = Line(segment)
        self._notes = line.notes
        of_order = self._order and (self._specimen_first or not self._order.specimens)
        if self._order and of_order:
            self._order.lines.append(line)
        elif self._specimen:
            self._specimen.lines.append(line)
        else:
            self.found.astray.append(segment)


def numbers_of(reading: Reading, order: Order) -> tuple[Identifier, ...]:
    """Give the order's numbers: the filler's (OBR-3, ORC-3), then the placer's (OBR-2, ORC-2), each once.

    Filler and placer count apart, so that a placer's number never finds another order by its filler's. A number that
    names no domain is of the domain that the site gives its source's orders, else of the source's own.

    Raises:
        DataTypeInvalid: one is longer than what the stores index.

    """
    found: dict[Identifier, None] = {}
    for number, domain in ((3, ""), (2, "/placer")):
        for segment in (order.request, order.common):
            if segment:
                found.update(
                    dict.fromkeys(reading.object_keys(segment, number, domain=domain, of=reading.source.orders))
                )
    return tuple(found)


def notes_shown(notes: Iterable[Segment]) -> str:
    """Give comments as people read them, one line for each repetition of NTE-3."""
    return "\n".join(_texts(notes))


def _texts(notes: Iterable[Segment]) -> Iterator[str]:
    for note in notes:
        yield from (text for r in note.repetitions(3) if (text := r.text().strip()))
