"""What is checked before the acknowledgment: what the message itself shows, and nothing that needs the store.

Order of the checks: readable, declared source, MSH, segments, fields, data types (2.5.1 §2.9).
"""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final
from unicodedata import normalize

from gateway import er7, profile
from gateway.er7 import Message, Segment
from gateway.errors import (
    AckCode,
    DataTypeInvalid,
    FieldMissing,
    GatewayError,
    LimitExceeded,
    NotHl7,
    ReceiverUnknown,
    SegmentMissing,
    SenderError,
    SourceUndeclared,
    UnsupportedEvent,
    UnsupportedMessageType,
    UnsupportedProcessingId,
    UnsupportedVersion,
)
from gateway.facts import IdentifierKind
from gateway.profile import Departure
from gateway.reception import CONTROL_ID_LENGTH
from gateway.site import OnError, Site, Source
from mappings.hl7v2 import adt, mdm, mfn, orm, oru, siu, zam
from mappings.hl7v2.content import with_whole_contents
from mappings.hl7v2.header import Header, header_of, peek
from mappings.hl7v2.mode import ORIGINAL, Mode, mode_of
from mappings.hl7v2.patient import birth_date, patient_identifiers
from mappings.hl7v2.reading import Reading
from mappings.hl7v2.tables import (
    ADT_EVENTS,
    ESSENTIAL_TIMES,
    IGNORED_TYPES,
    MASTER_FILES,
    MDM_EVENTS,
    MOST_REPETITIONS,
    MOST_SEGMENTS,
    ORDERS,
    PROCESSING_IDS,
    QUERY_TYPES,
    REPEATED_FIELDS,
    REQUIRED_FIELDS,
    REQUIRED_SEGMENTS,
    RESULT_EVENTS,
    SIU_EVENTS,
    SIU_IGNORED,
    VERSIONS,
    ZAM_EVENTS,
)

_XML = re.compile(rb"(?:\xef\xbb\xbf)?\s*<")
"""The XML encoding of HL7 v2 is told by its first character and never parsed: no entity is ever expanded."""

EVENTS = {
    "ADT": frozenset(ADT_EVENTS),
    "MDM": frozenset(MDM_EVENTS),
    "MFN": frozenset(MASTER_FILES),
    **ORDERS,
    **RESULT_EVENTS,
    "SIU": frozenset(SIU_EVENTS) | frozenset(SIU_IGNORED),
    "ZAM": ZAM_EVENTS,
}
"""Message type -> trigger events that are taken."""


@dataclass(frozen=True, slots=True)
class Examination:
    """What a frame showed.

    Attributes:
        message: the message; None if it cannot be read.
        header: its MSH, read byte for byte; None if there is none that could be echoed.
        source: who sent it; None if undeclared.
        control_id: MSH-10; may be empty.
        message_type: ``ADT^A01``; empty if unreadable.
        processing_id: MSH-11.1; P if empty.
        error: the first thing wrong; None if it is fit to be taken.
        mode: which acknowledgments its sender asks for.
        departures: where it departs from its source's profile; enforced, the first of them is the error.

    """

    message: Message | None
    header: Message | None
    source: Source | None
    control_id: str = ""
    message_type: str = ""
    processing_id: str = ""
    error: GatewayError | None = None
    mode: Mode = ORIGINAL
    departures: tuple[Departure, ...] = ()

    @property
    def verdict(self) -> AckCode:
        """What the examination answers, in original mode: its error's code, unless its source is spared errors."""
        if self.error is None or self.spared:
            return AckCode.AA
        return self.error.acknowledgment

    @property
    def spared(self) -> bool:
        """Whether its source is told of no error: what is wrong with it is ours to look after."""
        return self.source is not None and self.source.on_error is OnError.ACCEPT

    def header_alone(self) -> "Examination":
        """Give what an answer is made from, without the message's body."""
        if self.message is None:
            return self
        read, msh = self.message, self.message.first("MSH")
        return replace(self, message=Message(b"", read.separators, read.charset, (), (msh,) if msh else ()))


def examine(raw: bytes, site: Site) -> Examination:
    """Give what a frame shows and the first thing wrong with it; never raises.

    The source is known from the header's bytes before the frame is read, for its setting may override MSH-18.
    """
    if _XML.match(raw):
        return Examination(None, None, None, error=NotHl7("the ER7 encoding, which starts with MSH; XML is not read"))
    header = peek(raw)
    source = _source_of(header, site) if header else None
    mode = mode_of(header) if header else ORIGINAL
    try:
        message = with_whole_contents(er7.read(raw, charset=source.charset if source else ""))
    except SenderError as error:
        control_id = header.text("MSH-10")[:CONTROL_ID_LENGTH] if header else ""
        return Examination(None, header, source, control_id, error=error, mode=mode)
    found, msh = header_of(message), message.first("MSH")
    wrong = _first_error(message, found, source, site)
    departures = departures_of(message, found, source) if source and wrong is None else ()
    return Examination(
        message,
        header,
        source,
        msh.text(10)[:CONTROL_ID_LENGTH] if msh else "",
        found.message_type,
        found.processing_id,
        departures[0].error() if departures and source and source.enforced else wrong,
        mode,
        departures,
    )


def _source_of(header: Message, site: Site) -> Source | None:
    """The source that MSH-3.1 and MSH-4.1 name, in whatever character set these are written (2.5.1 §2.14.9.18).

    The header is read byte for byte before its character set is known, and MSH-18 is often untrue: names with accents
    are looked for as UTF-8, then as 8859/1.
    """
    msh = header.segments[0]
    # Blanks alone: byte by byte, the second half of an accented letter may look like another kind of space.
    application, facility = msh.text(3).strip(" \t"), msh.text(4).strip(" \t")
    if not (application.isascii() and facility.isascii()):
        codec = header.charset.codec
        with suppress(UnicodeError):
            names = (normalize("NFC", name.encode(codec).decode()) for name in (application, facility))
            return site.source_of(*names)
    return site.source_of(application, facility)


def departures_of(message: Message, found: Header, source: Source) -> tuple[Departure, ...]:
    """Give where a message departs from its source's profile; nothing if the source has none, or it covers others."""
    return profile.check(message, found.message_type, source.profile) if source.profile else ()


def _first_error(message: Message, found: Header, source: Source | None, site: Site) -> SenderError | None:
    try:
        _check(message, found, source, site)
    except SenderError as error:
        return error
    return None


def _check(message: Message, found: Header, source: Source | None, site: Site) -> None:
    _check_frame(message)
    if source is None:
        raise SourceUndeclared("the sending application and facility are declared in the site's data", path="MSH-3")
    _check_header(message, found, source)
    if left_aside(found, message) or found.type in IGNORED_TYPES:
        return
    _check_amounts(message)
    reading = Reading(message, source, site, found.event)
    _check_segments(message, found)
    _check_fields(reading, found)
    _check_times(reading, found)


def _check_frame(message: Message) -> None:
    """One message: what would be acknowledged as one could fail as many. A batch was cut up before, if it could be."""
    first = message.segments[0].name if message.segments else ""
    if first != "MSH":
        raise UnsupportedMessageType("one message; a batch (FHS, BHS) is taken from its sender only", path=first)
    if len(message.all("MSH")) > 1:
        raise SegmentMissing("one message per frame", path="MSH[2]")
    for name in ("ADD", "DSC"):
        if message.first(name) is not None:
            raise SegmentMissing("a whole message: continuations (2.5.1, 2.10.2) are not joined", path=name)
    if b"\0" in message.raw:
        path = next((s.name for s in message.segments if "\0" in s.raw), "")
        raise DataTypeInvalid("no NUL character stands in a text", path=path)


def _check_amounts(message: Message) -> None:
    """What is read once for each must not be without bound (promise P9)."""
    repetition = message.separators.repetition
    for name, count in message.counts():
        if count > MOST_SEGMENTS.get(name, count):
            raise LimitExceeded(f"at most {MOST_SEGMENTS[name]} {name} segments in a message", path=name)
    for segment in message.segments:
        if segment.name not in REPEATED_FIELDS or segment.raw.count(repetition) < MOST_REPETITIONS:
            continue
        for field in REPEATED_FIELDS[segment.name]:
            if segment.whole(field).count(repetition) >= MOST_REPETITIONS:
                raise LimitExceeded(f"at most {MOST_REPETITIONS} repetitions", path=segment.path(field))


def _check_header(message: Message, found: Header, source: Source) -> None:
    _check_receiver(message, source)
    control_id = message.text("MSH-10")
    if source.control_id_required and not control_id.strip():
        raise FieldMissing("a control ID: without it no answer can name the message", path="MSH-10")
    if len(control_id) > CONTROL_ID_LENGTH:
        raise DataTypeInvalid(f"a control ID of at most {CONTROL_ID_LENGTH} characters", path="MSH-10")
    if not found.type:
        raise UnsupportedMessageType("a message type is needed", path="MSH-9")
    if found.version and found.version not in VERSIONS:
        raise UnsupportedVersion("an HL7 version from 2.1 to 2.8.2", path="MSH-12")
    if found.processing_id not in PROCESSING_IDS:
        raise UnsupportedProcessingId("P, T or D", path="MSH-11")
    if found.processing_id not in source.processing_ids:
        raise UnsupportedProcessingId("one that this source may send", path="MSH-11")
    check_type(found)
    _check_allowed(found, source)


def _check_receiver(message: Message, source: Source) -> None:
    for path, allowed in (("MSH-5", source.receiving_applications), ("MSH-6", source.receiving_facilities)):
        if allowed and message.text(path).strip() not in allowed:
            raise ReceiverUnknown("a receiver that this source may send to", path=path)


def _check_allowed(found: Header, source: Source) -> None:
    if not source.messages or found.type in source.messages or found.message_type in source.messages:
        return
    if any(kind.partition("^")[0] == found.type for kind in source.messages):
        raise UnsupportedEvent("a trigger event that this source may send", path="MSH-9.2")
    raise UnsupportedMessageType("a message type that this source may send", path="MSH-9.1")


def check_type(found: Header) -> None:
    """Return when messages of this type and event are taken, to be followed or left aside by rule.

    Raises:
        UnsupportedMessageType, UnsupportedEvent: they are not.

    """
    if found.type in IGNORED_TYPES:
        return
    if found.type in QUERY_TYPES:
        raise UnsupportedMessageType("no query: this gateway does not answer any", path="MSH-9.1")
    if found.type not in EVENTS:
        raise UnsupportedMessageType(f"one of {', '.join(sorted(EVENTS))}", path="MSH-9.1")
    if not found.event:
        raise UnsupportedEvent("a trigger event in MSH-9.2 or EVN-1", path="MSH-9.2")
    if found.event not in EVENTS[found.type]:
        raise UnsupportedEvent(f"a trigger event of {found.type} that this gateway takes", path="MSH-9.2")


def left_aside(found: Header, message: Message) -> str:
    """Give the name of the rule by which a message is taken and left aside; "" if it is in scope.

    What happens to the resources of a patient's appointment is in scope, that of an empty session is not.
    """
    if found.type == "ADT" and found.event in ADT_EVENTS:
        return ADT_EVENTS[found.event].ignored
    if found.type == "SIU":
        if found.event in SIU_EVENTS and message.first("PID"):
            return ""
        return SIU_IGNORED.get(found.event, "")
    if found.type in ORDERS and orm.asks_for_other_things(message):
        return "orders-without-examination"
    return IGNORED_TYPES.get(found.type, "")


def _check_segments(message: Message, found: Header) -> None:
    for name in _required_segments(found):
        if message.first(name) is None:
            raise SegmentMissing(f"{found.message_type} has a {name} segment", path=name)
    if found.type in RESULT_EVENTS and any(order.pid is None for order in oru.orders(message, found.event)):
        raise SegmentMissing("an OBR comes behind its PID", path="PID")
    if found.type in ORDERS and any(order.pid is None for order in orm.orders(message, found.event)):
        raise SegmentMissing("an OBR comes behind its PID", path="PID")


def _required_segments(found: Header) -> Iterator[str]:
    yield from REQUIRED_SEGMENTS[found.type]
    if found.type == "ADT" and (ADT_EVENTS[found.event].merge or ADT_EVENTS[found.event].moves):
        yield "MRG"


def _check_fields(reading: Reading, found: Header) -> None:
    message = reading.message
    for name, number in REQUIRED_FIELDS[found.type]:
        for segment in message.all(name):
            if not _holds_value(segment, number):
                raise FieldMissing(f"{found.message_type} has a value here", path=segment.path(number))
    for pid in message.all("PID"):
        if all(i.kind is IdentifierKind.OTHER for i in patient_identifiers(reading, pid)):
            raise FieldMissing("a patient identifier (type PI, MR, PT or none) or an INS", path=reading.path(pid, 3))
    _CHECKS[found.type](reading)


_CHECKS: Final[Mapping[str, Callable[[Reading], object]]] = MappingProxyType(
    {
        "ADT": adt.check_keys,
        "MDM": mdm.check,
        "MFN": mfn.check,
        **dict.fromkeys(ORDERS, orm.check),
        **dict.fromkeys(RESULT_EVENTS, oru.check),
        "SIU": siu.check,
        "ZAM": zam.check,
    }
)
"""What the facts are found by, beside the patient: retired identifier, stay, document, order or appointment."""


def _holds_value(segment: Segment, number: int) -> bool:
    """Whether one of the first three components, where CX, XPN, EI and CE have their values, holds one."""
    return bool(segment.text(number).strip()) or any(
        r.text(component).strip() for r in segment.repetitions(number) for component in (1, 2, 3)
    )


def _check_times(reading: Reading, found: Header) -> None:
    for pid in reading.message.all("PID"):
        birth_date(reading, pid)
    for name, number, component in ESSENTIAL_TIMES[found.type]:
        for segment in reading.message.all(name):
            reading.instant(segment, number, component)
