"""MFN into facts: what the master files of staff (M02) and places (M05) say (2.5.1 chapter 8); and their MFK."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from gateway.er7 import Message, Repetition, Segment
from gateway.errors import FieldMissing, SegmentMissing, ValueUnknown
from gateway.facts import DirectoryTold, EntryKind, Fact, Identifier, IdentifierKind
from mappings.hl7v2.reading import Reading, first_of
from mappings.hl7v2.tables import (
    INACTIVE,
    MASTER_FILES,
    NATIONAL_PRACTITIONERS,
    NATIONAL_TYPES,
    RECORD_EVENTS,
    RELATION_OF_PARENT,
)

_STAFF_NUMBERS: Final = ((1, 0), (2, 4))
"""Fields of STF with numbers, and the component with the authority of each; 0 if it has none."""


@dataclass(slots=True)
class Record:
    """An MFE with the segments that belong to it."""

    head: Segment
    details: list[Segment] = field(default_factory=list)

    def first(self, name: str) -> Segment | None:
        """Give its first segment of this name."""
        return next((s for s in self.details if s.name == name), None)

    def all(self, name: str) -> list[Segment]:
        """Give its segments of this name."""
        return [s for s in self.details if s.name == name]


def records(message: Message) -> list[Record]:
    """Give the message's records."""
    found: list[Record] = []
    for segment in message.segments:
        if segment.name == "MFE":
            found.append(Record(segment))
        elif found:
            found[-1].details.append(segment)
    return found


def check(reading: Reading) -> None:
    """Return when each record has its event, a key and, unless it goes, its own segment.

    Raises:
        ValueUnknown: MFE-1 is no record-level event (table 0180).
        FieldMissing: a record has no key.
        SegmentMissing: a record that is added or changed has no STF or LOC.

    """
    name, _ = MASTER_FILES[reading.event]
    for record in records(reading.message):
        code = record.head.text(1).strip().upper()
        if code not in RECORD_EVENTS:
            raise ValueUnknown(f"one of {', '.join(RECORD_EVENTS)}", path=reading.path(record.head, 1))
        if RECORD_EVENTS[code] and record.first(name) is None:
            raise SegmentMissing(f"a record that is added or changed has a {name}", path=name)
        if not _keys(reading, record):
            raise FieldMissing("the key of the record", path=reading.path(record.head, 4))


def facts(reading: Reading) -> tuple[Fact, ...]:
    """Give what a master file message says, record by record.

    Raises:
        as ``check``.

    """
    check(reading)
    tell = _practitioner if MASTER_FILES[reading.event][1] is EntryKind.PRACTITIONER else _unit
    return tuple(tell(reading, record) for record in records(reading.message))


def _practitioner(reading: Reading, record: Record) -> DirectoryTold:
    """STF-3 by name, STF-8 (department) or STF-9 (service) as the unit, STF-7 whether active."""
    staff = record.first("STF")
    shown = [staff.text(3, n).strip() for n in (5, 2, 1)] if staff else []
    return DirectoryTold(
        EntryKind.PRACTITIONER,
        _keys(reading, record),
        " ".join(part for part in shown if part),
        first_of(staff.text(8), staff.text(9)) if staff else "",
        active=_active(record, staff.text(7) if staff else ""),
    )


def _unit(reading: Reading, record: Record) -> DirectoryTold:
    """LOC-2 or LOC-4 by name; of what it is part by LRL (PAR), else LDP-2 (department); LDP-6 whether active."""
    place, department = record.first("LOC"), record.first("LDP")
    parents = (s for s in record.all("LRL") if s.text(4).strip().upper() == RELATION_OF_PARENT)
    part_of = [first_of(s.text(6), s.text(5, 10), s.text(5, 3), s.text(5)) for s in parents]
    return DirectoryTold(
        EntryKind.UNIT,
        _keys(reading, record),
        first_of(place.text(2), place.text(4)) if place else "",
        first_of(*part_of, department.text(2) if department else ""),
        active=_active(record, department.text(6) if department else ""),
    )


def _active(record: Record, flag: str) -> bool:
    return RECORD_EVENTS[record.head.text(1).strip().upper()] and flag.strip().upper() != INACTIVE


def _keys(reading: Reading, record: Record) -> tuple[Identifier, ...]:
    """MFE-4, STF-1 and STF-2 of a practitioner; MFE-4 and LOC-1 of a unit; each once."""
    found: list[Identifier | None] = []
    if MASTER_FILES[reading.event][1] is EntryKind.UNIT:
        places = (record.head.text(4).strip(), *(s.text(1).strip() for s in record.all("LOC")))
        found += [Identifier("", value, IdentifierKind.OTHER) for value in places if value]
    else:
        staff = record.all("STF")[:1]
        for segment, number, authority in (
            (record.head, 4, 0),
            *((s, *place) for s in staff for place in _STAFF_NUMBERS),
        ):
            repetitions = segment.repetitions(number)
            found += [practitioner_key(reading, r, authority=authority, kind=5) for r in repetitions]
    return tuple(dict.fromkeys(reading.bounded_key(k, reading.path(record.head, 4)) for k in found if k is not None))


def practitioner_key(reading: Reading, number: Repetition, *, authority: int, kind: int) -> Identifier | None:
    """Give a practitioner's number: of the authority that it names, the national one for an RPPS, else of its source's.

    Args:
        reading: the message.
        number: CX, XCN or CE.
        authority: its component with the assigning authority; 0 if it has none.
        kind: its component with the identifier type code.

    """
    value = number.text(1).strip()
    if not value:
        return None
    named = (number.text(authority, 2).strip(), number.text(authority).strip()) if authority else ()
    national = number.text(kind).strip().upper() in NATIONAL_TYPES
    domain = NATIONAL_PRACTITIONERS if national else reading.site.authority(*named) or reading.source.id
    return Identifier(domain, value, IdentifierKind.OTHER)


def answered(message: Message, *, accepted: bool) -> Iterator[tuple[str, ...]]:
    """Give the segments of an MFK beside MSH and MSA, as fields: MFI as sent, and an MFA for each record (§8.5).

    Every record of an accepted message will be posted, none of a refused one (table 0181: S, U).
    """
    head = message.first("MFI")
    if head is not None:
        yield ("MFI", *(head.whole(n) for n in range(1, 7)))
    for record in records(message):
        code = "S" if accepted else "U"
        yield ("MFA", record.head.whole(1), record.head.whole(2), "", code, record.head.whole(4), record.head.whole(5))
