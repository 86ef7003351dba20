"""MSH: who sends, what, and in which version (2.5.1 §2.15.9); bare of every judgement but what it says."""

import re
from dataclasses import dataclass

from gateway import er7
from gateway.er7 import Message, Segment
from gateway.errors import SenderError
from mappings.hl7v2.tables import SOLE_EVENT_OF_TYPE, SOLE_EVENTS

_FIRST_LINE = re.compile(rb"(?:\xef\xbb\xbf)?\s*([^\r\n]*)")
_LONGEST = er7.Limits(bytes_=64 * 1024)


@dataclass(frozen=True, slots=True)
class Header:
    """The header as the gateway uses it.

    Attributes:
        type: MSH-9.1 in capitals.
        event: trigger event: MSH-9.2, else EVN-1, else the only one that MSH-9.3 or the type can have; "" if none.
        deduced: the event was not in MSH-9.2.
        version: MSH-12.1.
        processing_id: MSH-11.1; P if empty.

    """

    type: str
    event: str
    deduced: bool
    version: str
    processing_id: str

    @property
    def message_type(self) -> str:
        """Type and event as in ``ADT^A01``; the type alone if there is no event."""
        return f"{self.type}^{self.event}" if self.event else self.type


def header_of(message: Message) -> Header:
    """Give what the message's MSH says."""
    header = message.first("MSH")
    if header is None:
        return Header("", "", deduced=True, version="", processing_id="P")
    kind = header.text(9).strip().upper()
    told = header.text(9, 2).strip().upper()
    return Header(
        type=kind,
        event=told or _deduced(message, header, kind),
        deduced=not told,
        version=header.text(12).strip(),
        processing_id=header.text(11).strip().upper() or "P",
    )


def _deduced(message: Message, header: Segment, kind: str) -> str:
    return (
        message.text("EVN-1").strip().upper()
        or SOLE_EVENTS.get(header.text(9, 3).strip().upper(), "")
        or SOLE_EVENT_OF_TYPE.get(kind, "")
    )


def peek(raw: bytes) -> Message | None:
    """Give the MSH of a frame, alone, before anyone looks at its other bytes; None if it does not start with one.

    It is read byte for byte (8859/1), so that it can be echoed whatever the frame's character set is.
    """
    first = _FIRST_LINE.match(raw[: _LONGEST.bytes_])
    line = first[1] if first else b""
    try:
        found = er7.read_header(line) if line.isascii() else er7.read(line, charset="8859/1", limits=_LONGEST)
    except SenderError:
        return None
    return found if found.first("MSH") else None
