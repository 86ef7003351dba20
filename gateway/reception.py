"""What came in over the wire, before anyone knows what it means."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from gateway.errors import AckCode, GatewayError

CONTROL_ID_LENGTH = 199
"""Characters of MSH-10, or of a request's own id, that are kept apart for searching (HL7 v2.7: 1 to 199)."""

MESSAGE_TYPE_LENGTH = 64


def storable(text: str, length: int = CONTROL_ID_LENGTH) -> str:
    """Give a text as every store can hold and index it: no NUL, no half surrogate, bounded; the bytes keep it whole."""
    kept = text if text.isascii() else text.encode(errors="ignore").decode()
    return kept.replace("\0", "")[:length]


class Transport(StrEnum):
    """How it came."""

    MLLP = "mllp"
    HTTP = "http"
    FILE = "file"
    """A file in a source's folder."""
    OPERATOR = "operator"
    """An operator edited what had come before."""


class Format(StrEnum):
    """What it is written in."""

    HL7V2 = "hl7v2"
    FHIR = "fhir"


class State(StrEnum):
    """How a received message ends (promise P4); pending until then."""

    PENDING = "pending"
    PROCESSED = "processed"
    DUPLICATE = "duplicate"
    IGNORED = "ignored"
    QUARANTINED = "quarantined"


DISCARDED = "discarded"
"""Rule by which a message is ignored that an operator discarded."""

EDITED = "edited"
"""Rule by which a pending message is ignored whose edited bytes took its place."""


@dataclass(frozen=True, slots=True)
class Reception:
    """One complete frame or request body, and the answer that it will get once it is on disk.

    Attributes:
        raw: bytes as received; kept as they are.
        transport: how it came.
        format: what it is written in.
        source: the site's source id; empty if undeclared.
        control_id: MSH-10, or the request's own id; may be empty.
        message_type: ``ADT^A01``, ``Appointment:create``; empty if unreadable.
        received_at: aware instant.
        principal: id of the sender as a principal.
        code: the acknowledgment that the answer carries.
        answer: the answer's bytes (an ACK message); empty for HTTP, whose answer follows the outcome.
        error: why it is refused; such a reception is kept and quarantined.
        expects: version of the object that it is meant to change (If-Match); None if of whatever version.
        subjects: identifiers of its patients, else of its objects: where it is in line.
        departs: profile and rule, for each rule of its source's profile that it departs from.
        replies: its application acknowledgment is to be told at its source's own address.
        missing: how many of its source's messages are missing before it, by their sequence numbers.

    """

    raw: bytes
    transport: Transport
    format: Format
    source: str
    control_id: str
    message_type: str
    received_at: datetime
    principal: str
    code: AckCode = AckCode.AA
    answer: bytes = b""
    error: GatewayError | None = None
    expects: int | None = None
    subjects: tuple[str, ...] = ()
    departs: frozenset[tuple[str, str]] = frozenset()
    replies: bool = False
    missing: int = 0


@dataclass(frozen=True, slots=True)
class Recorded:
    """A reception that is on disk.

    Attributes:
        message: its number in the inbox, in order of reception.
        state: pending, duplicate or quarantined.
        code: the acknowledgment to answer: for a duplicate, the first one's.
        answer: the bytes to answer: for a duplicate, the first ones.
        duplicate_of: the first message's number.
        reuses: number of an earlier message of the source under the same control ID, with other content.

    """

    message: int
    state: State
    code: AckCode
    answer: bytes
    duplicate_of: int | None = None
    reuses: int | None = None


@dataclass(frozen=True, slots=True)
class Objection:
    """What a message's sender is told though it was processed.

    Attributes:
        error: name of the error class.
        path: where, in terser form.
        rule: what was expected there.

    """

    error: str
    path: str
    rule: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a message ended.

    Attributes:
        message: its number.
        state: how it ended, or pending.
        error: name of the error class; empty if none.
        path: where, in terser form or FHIRPath.
        rule: which rule was broken, or by which rule it was ignored.
        objection: what its sender is told though it was processed; None: nothing.

    """

    message: int
    state: State
    error: str = ""
    path: str = ""
    rule: str = ""
    objection: Objection | None = None
