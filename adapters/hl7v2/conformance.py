"""A message beside the standard's own tables, by hl7apy: for reports, never between a message and its effect.

hl7apy takes tens of milliseconds a message, knows no order of segments, and says what it found in texts that hold
values. So it is given one segment at a time, beside a skeleton of the message for its structure; its texts are read for
places and kinds only; and what it cannot take is told as unchecked.
"""

import contextlib
import os
import re
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from typing import Any, Final

from hl7apy import SUPPORTED_LIBRARIES, load_reference
from hl7apy.consts import VALIDATION_LEVEL
from hl7apy.core import is_base_datatype
from hl7apy.exceptions import HL7apyException, InvalidName, MaxLengthReached
from hl7apy.factories import datatype_factory
from hl7apy.parser import parse_message, parse_segment
from hl7apy.validation import Validator

from gateway.er7 import Message, Segment
from mappings.hl7v2.header import Header, header_of

MOST_FINDINGS: Final = 200
"""Findings of one message that are told."""

MOST_SEGMENTS: Final = 1_000
"""Segments of one message that are checked (promise P9)."""

STANDARD: Final = "HL7"

Value = tuple[tuple[int, ...], str, str]
"""Component and sub-component within a field, base data type, value as sent."""

VARIES: Final = "varies"
"""hl7apy's data type of OBX-5."""

_LIKE_NEIGHBOURS: Final = 2
_PLACE: Final = r"(\S+?)\.(\S+)"
_TEXTS: Final = (
    (re.compile(rf"Error: Missing required child {_PLACE}", re.DOTALL), "a value is required"),
    (
        re.compile(rf"Error: Child limit exceeded {_PLACE}", re.DOTALL),
        "no more than the version allows, none where it is withdrawn",
    ),
    (re.compile(rf"Error: Datatype \S* is not correct for {_PLACE} \(.*", re.DOTALL), "the data type of the version"),
    (re.compile(rf"Warning: Value .* not in table (\S+) in element {_PLACE}", re.DOTALL), "a value of table {}"),
    (re.compile(rf"Warning: Exceeded max length \((\d+)\) of {_PLACE}", re.DOTALL), "at most {} characters"),
)
"""What hl7apy says, and the rule in words of ours; a first group of three stands in it."""

_INVALID_CHILDREN: Final = re.compile(r"Error: Invalid children detected for <(\w+) (\w*)")


class Severity(StrEnum):
    """How much a finding weighs."""

    ERROR = "error"
    """The standard does not allow it."""
    WARNING = "warning"
    """A length, or a code of a table: sites have their own."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A place at which a message departs, and the rule: never a value.

    Attributes:
        path: terser path.
        rule: what was expected there.
        by: ``HL7`` and the version, or the profile's name.
        severity: error or warning.

    """

    path: str
    rule: str
    by: str
    severity: Severity = Severity.ERROR


@dataclass(frozen=True, slots=True)
class Unchecked:
    """What could not be held against the standard, and why."""

    path: str
    why: str


@dataclass(frozen=True, slots=True)
class Report:
    """What was found.

    Attributes:
        findings: in the message's order, its structure first.
        unchecked: what nobody looked at.

    """

    findings: tuple[Finding, ...] = ()
    unchecked: tuple[Unchecked, ...] = ()


def check_standard(message: Message) -> Report:
    """Give where a message departs from the standard of the version that it names."""
    found = header_of(message)
    if found.version not in SUPPORTED_LIBRARIES:
        return Report(unchecked=(Unchecked("MSH-12", "the version is none whose tables are here"),))
    checker = _Checker(message, found)
    findings = tuple(islice(dict.fromkeys(checker.findings()), MOST_FINDINGS))
    return Report(findings, tuple(checker.unchecked))


class _Checker:
    """One message being checked."""

    def __init__(self, message: Message, found: Header) -> None:
        separators = message.separators
        self._message = message
        self._header = found
        self._by = f"{STANDARD} {found.version}"
        self._marks = {
            "FIELD": separators.field,
            "COMPONENT": separators.component,
            "REPETITION": separators.repetition,
            "ESCAPE": separators.escape,
            "SUBCOMPONENT": separators.subcomponent,
            "GROUP": "\r",
            "SEGMENT": "\r",
        }
        self.unchecked: list[Unchecked] = []

    def findings(self) -> Iterator[Finding]:
        """Give the findings, and fill ``unchecked`` on the way."""
        yield from self._of_structure()
        segments = self._message.segments
        for segment in segments[:MOST_SEGMENTS]:
            yield from self._of_segment(segment)
        if len(segments) > MOST_SEGMENTS:
            self._skip(segments[MOST_SEGMENTS].path(), f"only the first {MOST_SEGMENTS} segments are checked")

    def _skip(self, path: str, why: str) -> None:
        self.unchecked.append(Unchecked(path, why))

    # -- structure -------------------------------------------------------------------------------------------------

    def _of_structure(self) -> Iterator[Finding]:
        """Missing, superfluous and repeated segments and groups: a skeleton has the segments without their fields."""
        names = [name for name in self._names() if self._known(name)]
        structure = self._message.text("MSH-9.3").strip() or self._header.message_type.replace("^", "_")
        header = f"MSH|^~\\&|||||||{self._header.type}^{self._header.event}^{structure}|1|P|{self._header.version}"
        lines = [header, *(f"{name}|" for name in names[1:])]
        try:
            parsed = parse_message("\r".join(lines), validation_level=VALIDATION_LEVEL.TOLERANT)
            if parsed.name is None:
                self._skip("MSH-9", "the standard has no such message structure")
                return
            told = _told(parsed)
        except Exception as fault:  # noqa: BLE001 - a third party's fault on one message is told, not raised
            self._skip("MSH-9", f"hl7apy failed on the structure with {type(fault).__name__}")
            return
        for line in told:
            if finding := self._structural(line, set(names)):
                yield finding

    def _names(self) -> list[str]:
        """The names of the segments in order; of a run of one name only two, for what may repeat may do so for ever."""
        names: list[str] = []
        for segment in self._message.segments[:MOST_SEGMENTS]:
            run = names[-_LIKE_NEIGHBOURS:]
            if segment.name and run != [segment.name] * _LIKE_NEIGHBOURS:
                names.append(segment.name)
        return names

    def _known(self, name: str) -> bool:
        try:
            parse_segment(f"{name}|", version=self._header.version, validation_level=VALIDATION_LEVEL.TOLERANT)
        except HL7apyException:
            return False
        return not name.startswith("Z") or name == "MSH"

    def _structural(self, line: str, names: set[str]) -> Finding | None:
        for pattern, rule in _TEXTS[:2]:
            if (said := pattern.fullmatch(line)) and said[1] not in names:
                child = said[2]
                wanted = "such a segment or group is required" if rule == _TEXTS[0][1] else "fewer of them"
                return Finding(child, f"{wanted} in {said[1]}", self._by)
        return None

    # -- segments --------------------------------------------------------------------------------------------------

    def _of_segment(self, segment: Segment) -> Iterator[Finding]:
        if not segment.name:
            self._skip(segment.path(), "a line that is no segment")
            return
        if segment.name.startswith("Z"):
            self._skip(segment.path(), "the standard says nothing of Z segments")
            return
        line = segment.name + segment.raw[len(segment.name) :]
        try:
            parsed = parse_segment(
                line,
                version=self._header.version,
                encoding_chars=self._marks,
                validation_level=VALIDATION_LEVEL.TOLERANT,
            )
            yield from self._of_parsed(segment, parsed)
        except InvalidName:
            self._skip(segment.path(), f"HL7 {self._header.version} has no such segment")
        except Exception as fault:  # noqa: BLE001 - as above
            self._skip(segment.path(), f"hl7apy failed on it with {type(fault).__name__}")

    def _of_parsed(self, segment: Segment, parsed: Any) -> Iterator[Finding]:
        told = _told(parsed)
        for line in told:
            yield from self._of_missing(segment, line)
        seen: Counter[int] = Counter()
        for field in parsed.children:
            if field.name is None:
                continue
            number = int(field.name.rpartition("_")[2])
            seen[number] += 1
            if segment.opaque(number):
                continue
            for line in _told(field) if told else ():
                yield from self._of_field(segment, number, seen[number], field, line)
            yield from self._of_values(segment, number, seen[number], field)

    def _of_missing(self, segment: Segment, line: str) -> Iterator[Finding]:
        """What is said of the segment itself: fields missing, repeated, or beyond those of the version."""
        invalid = _INVALID_CHILDREN.match(line)
        if invalid and invalid[1] == "Segment":
            known = len(load_reference(segment.name, "Segment", self._header.version)[1])
            beyond = (n for n in range(known + 1, segment.field_count + 1) if segment.whole(n))
            yield Finding(segment.path(next(beyond, known + 1)), "no field beyond those of the version", self._by)
        for pattern, rule in _TEXTS[:2]:
            if (said := pattern.fullmatch(line)) and said[1] == segment.name:
                yield Finding(segment.path(int(said[2].rpartition("_")[2])), rule, self._by)

    def _of_field(self, segment: Segment, number: int, repetition: int, field: Any, line: str) -> Iterator[Finding]:
        """What is said of one repetition of a field."""
        severity = Severity.WARNING if line.startswith("Warning") else Severity.ERROR
        whole = segment.path(number, repetition=repetition)
        if _INVALID_CHILDREN.match(line):
            yield Finding(whole, "no more components than the data type has", self._by, severity)
            return
        for pattern, rule in _TEXTS:
            if said := pattern.fullmatch(line):
                *values, parent, child = said.groups()
                path = segment.path(number, *_component(parent, child, field.name), repetition=repetition)
                yield Finding(path, rule.format(*values), self._by, severity)
                return
        yield Finding(whole, "what the standard has there", self._by, severity)

    def _of_values(self, segment: Segment, number: int, repetition: int, field: Any) -> Iterator[Finding]:
        """Values that are not of their base data type: numbers, dates and times that are none, texts too long."""
        version = self._header.version
        varies = field.datatype == VARIES
        for place, datatype, value in (
            self._varying(segment, number, repetition) if varies else _values(field, version, ())
        ):
            try:
                datatype_factory(datatype, value, version, VALIDATION_LEVEL.STRICT)
            except MaxLengthReached:
                path = segment.path(number, *place, repetition=repetition)
                yield Finding(path, f"no longer than {datatype} may be", self._by, Severity.WARNING)
            except (HL7apyException, ValueError):
                yield Finding(
                    segment.path(number, *place, repetition=repetition), f"a value of type {datatype}", self._by
                )

    def _varying(self, segment: Segment, number: int, repetition: int) -> Iterator[Value]:
        """The values of a field whose data type another one names: OBX-5, by OBX-2."""
        datatype, version = segment.text(2).strip(), self._header.version
        sent = segment.repetitions(number)[repetition - 1]
        if is_base_datatype(datatype, version):
            yield (), datatype, sent.whole
            return
        try:
            components = load_reference(datatype, "Datatypes_Structs", version)
        except HL7apyException:
            self._skip(segment.path(number, repetition=repetition), "its data type is none of the version's")
            return
        parts = sent.whole.split(self._message.separators.component)
        for n, (part, component) in enumerate(zip(parts, components, strict=False), 1):
            kind = component[1][2]
            if part and is_base_datatype(kind, version):
                yield (n,), kind, part


def _told(element: Any) -> list[str]:
    """What hl7apy has to say of an element; its report goes to a file without a name, for it holds values."""
    with tempfile.TemporaryFile() as file:
        with contextlib.suppress(HL7apyException):  # the first of what the report holds
            Validator.validate(element, report_file=os.dup(file.fileno()))
        file.seek(0)
        return [line for line in file.read().decode(errors="replace").split("\n") if line]


def _component(parent: str, child: str, field: str) -> tuple[int, ...]:
    """Component and sub-component where hl7apy's names say them."""
    numbers = [re.fullmatch(r"\w+_(\d+)", name, re.ASCII) for name in (parent, child)]
    if parent == field and numbers[1]:
        return (int(numbers[1][1]),)
    if numbers[0] and numbers[1] and not parent.startswith(field.partition("_")[0] + "_"):
        return (int(numbers[0][1]), int(numbers[1][1]))
    return ()


def _values(element: Any, version: str, place: tuple[int, ...]) -> Iterator[Value]:
    """The values of an element with their base data types, each with its component and sub-component."""
    if element.datatype and is_base_datatype(element.datatype, version):
        if value := element.to_er7():
            yield place, element.datatype, value
        return
    for child in element.children if element.datatype else ():
        number = re.fullmatch(r"\w+_(\d+)", child.name or "", re.ASCII)
        if number and len(place) < 2:  # noqa: PLR2004 - component, sub-component
            yield from _values(child, version, (*place, int(number[1])))
