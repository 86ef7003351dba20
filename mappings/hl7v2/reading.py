"""One message being read: what surrounds it, what was odd so far, and the HL7 data types in the hospital's terms."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from gateway.er7 import Message, Repetition, Segment
from gateway.errors import DataTypeInvalid
from gateway.facts import Flag, Identifier, IdentifierKind, Patient, Priority, Remark
from gateway.site import Site, Source
from mappings.hl7v2 import times
from mappings.hl7v2.tables import PRIORITIES

LONGEST_IDENTIFIER: Final = 250
"""Characters of CX-1 and EI-1 (2.5.1 has 15 and 199, 2.7 no bound), and of their domain: what the stores index."""

MANY: Final = 2
"""From so many identifiers on, one may come twice."""

_TRUE: Final = frozenset({"Y", "O", "1", "TRUE"})


@dataclass(slots=True)
class Reading:
    """One message being read.

    Attributes:
        message: the message.
        source: who sent it.
        site: the establishment.
        event: trigger event.
        flags: what was odd and tolerated, so far.
        remarks: what whoever works on the fact being read must know of that.
        patients: patients read so far, by the place of their PID.

    """

    message: Message
    source: Source
    site: Site
    event: str
    flags: list[Flag] = field(default_factory=list)
    remarks: list[Remark] = field(default_factory=list)
    patients: dict[int, Patient] = field(default_factory=dict)

    @property
    def zone(self) -> ZoneInfo:
        """The zone of times without offset."""
        return times.zone(self.site.time_zone)

    def flag(self, path: str, rule: str, remark: Remark | None = None) -> None:
        """Keep in mind something odd that was tolerated, and what is to be remarked on the item that follows."""
        self.flags.append(Flag(path, rule))
        if remark is not None:
            self.remarks.append(remark)

    def remarked(self) -> tuple[Remark, ...]:
        """Give the remarks on the fact that was read last, each once; the next starts without any."""
        found = tuple(dict.fromkeys(self.remarks))
        self.remarks.clear()
        return found

    def path(self, segment: Segment, number: int) -> str:
        """Give the terser path of a field of this segment."""
        return segment.path(number)

    def instant(self, segment: Segment | None, number: int, component: int = 1) -> datetime | None:
        """Give the instant that a field holds; None if it is empty.

        Raises:
            DataTypeInvalid: it is no HL7 time (2.5.1, DTM).

        """
        text = segment.text(number, component).strip() if segment else ""
        if segment is None or not text:
            return None
        try:
            return times.instant(text, self.zone)
        except ValueError:
            path = segment.path(number, component if component > 1 else 0)
            raise DataTypeInvalid("a time, YYYYMMDDHHMMSS+ZZZZ or a part of it", path=path) from None

    def readable_instant(self, segment: Segment | None, number: int, component: int = 1) -> datetime | None:
        """Give the instant that a field holds; None, and a flag, if it is no HL7 time."""
        try:
            return self.instant(segment, number, component)
        except DataTypeInvalid as error:
            self.flag(error.path, error.rule)
            return None

    def bounded(self, identifier: Identifier, segment: Segment, number: int) -> Identifier:
        """Give the identifier of a field.

        Raises:
            DataTypeInvalid: it, or its domain, is longer than what the stores index.

        """
        longest = max(len(identifier.value), len(identifier.authority))
        return identifier if longest <= LONGEST_IDENTIFIER else self.bounded_key(identifier, self.path(segment, number))

    @staticmethod
    def bounded_key(key: Identifier, path: str) -> Identifier:
        """Give the key.

        Raises:
            DataTypeInvalid: it, or its domain, is longer than what the stores index.

        """
        if max(len(key.value), len(key.authority)) > LONGEST_IDENTIFIER:
            rule = f"an identifier and a domain of at most {LONGEST_IDENTIFIER} characters"
            raise DataTypeInvalid(rule, path=path)
        return key

    def object_keys(self, segment: Segment, number: int, *, domain: str = "", of: str = "") -> tuple[Identifier, ...]:
        """Give the keys that the EI of a field hold (2.5.1, EI), in order, each once.

        Each is of the namespace that it names, else of the domain ``of`` or the source's own (its id), and ``domain``
        within it. Some senders write an OID or UUID in EI-3 alone: then it is the key itself.

        Raises:
            DataTypeInvalid: one is longer than what the stores index.

        """
        own = (of or self.source.id) + domain
        found: list[Identifier] = []
        for entity in segment.repetitions(number):
            key = self._object_key(entity, own)
            if key is not None:
                self.flag_parts(entity, key, segment, number)
                found.append(self.bounded(key, segment, number))
        return tuple(found if len(found) < MANY else dict.fromkeys(found))

    def flag_parts(self, repetition: Repetition, key: Identifier, segment: Segment, number: int) -> None:
        """Flag a sub-component separator within an identifier (CX-1, EI-1 are ST): it is read as a character of it."""
        if not key.value.isalnum() and repetition.text().strip() not in {key.value, ""}:
            self.flag(segment.path(number), "a sub-component separator within an identifier is read as part of it")

    def _object_key(self, entity: Repetition, own: str) -> Identifier | None:
        value, namespace, universal = entity.plain().strip(), entity.text(2).strip(), entity.text(3).strip()
        if not value:
            value, universal = universal, ""
        authority = self.site.authority(universal, namespace) or own
        return Identifier(authority, value, IdentifierKind.OTHER) if value else None


def is_true(text: str) -> bool:
    """Whether an indicator says yes (table 0136, and what French senders write)."""
    return text.strip().upper() in _TRUE


def person_shown(segment: Segment | None, number: int) -> str:
    """Give a person of an XCN as shown to people: prefix, given name, family name; else the identifier."""
    if segment is None:
        return ""
    names = (segment.text(number, 6), segment.text(number, 3), segment.text(number, 2))
    return " ".join(n.strip() for n in names if n.strip()) or segment.text(number).strip()


def place_shown(segment: Segment | None, number: int) -> str:
    """Give a place of a PL (2.5.1, PL): point of care, room, bed, description, as far as sent."""
    if segment is None:
        return ""
    parts = (segment.text(number, component).strip() for component in (1, 2, 3, 9))
    return " ".join(part for part in parts if part)


def coded_text(segment: Segment, number: int) -> str:
    """Give a coded value (CE, CWE) as shown to people: its text, the original text, else the code."""
    return first_of(segment.text(number, 2), segment.text(number, 9), segment.text(number))


def first_of(*texts: str) -> str:
    """Give the first text that is not blank."""
    return next((t.strip() for t in texts if t.strip()), "")


def field_of(segments: Iterable[Segment | None], number: int, component: int = 1) -> str:
    """Give the first value of a field among segments."""
    return next((v for s in segments if s is not None and (v := s.text(number, component).strip())), "")


def unit_of_visit(visit: Segment | None) -> str:
    """Give the unit that a PV1 names: point of care (PV1-3.1), else hospital service (PV1-10)."""
    return first_of(visit.text(3), visit.text(10)) if visit else ""


def is_confidential(pv1: Segment | None, pv2: Segment | None) -> bool:
    """Whether a stay is confidential: PV2-22 says so, or PV1-16 that the patient is there incognito (table 0099, I)."""
    incognito = pv1 is not None and (pv1.text(16).strip().upper() == "I" or is_true(pv1.text(16)))
    return incognito or (pv2 is not None and is_true(pv2.text(22)))


def directed_units(participations: Iterable[Segment]) -> tuple[str, ...]:
    """Give the units to which PRT direct the message, in order, each once.

    CI-SIS « Transmission de documents CDA en HL7v2 » 2.1: PRT-4 = RCT (results copies to), PRT-8.7 = UF or SVR.
    """
    units = (first_of(*(r.text(n) for n in (10, 3, 1))) for r in _recipients(participations))
    return tuple(dict.fromkeys(u for u in units if u))


def _recipients(participations: Iterable[Segment]) -> Iterator[Repetition]:
    """The organisations (XON) of PRT-8 that are units or services and to receive a copy."""
    for participation in participations:
        if participation.text(4).strip().upper() == "RCT":
            organisations = participation.repetitions(8)
            yield from (r for r in organisations if r.text(7).strip().upper() in {"UF", "SVR"})


def priority_of(*codes: str) -> Priority:
    """Give the priority that the first code sent means (tables 0485 and 0027); routine if it is none of these."""
    return PRIORITIES.get(first_of(*codes).upper(), Priority.ROUTINE)
