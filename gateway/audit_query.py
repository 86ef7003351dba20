"""What may be asked of the audit trail, whoever asks: a command, a report or the FHIR interface."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from gateway.audit import AuditEvent


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page ended: the next one begins behind it.

    Attributes:
        at: instant of the event.
        event: its number.

    """

    at: datetime
    event: int


@dataclass(frozen=True, slots=True)
class AuditQuery:
    """What to look for; every condition given must hold.

    Attributes:
        patient: an identifier's value (IPP, INS, a department's number): what was done to any record of the person
            whom it names, and all that the same messages led to.
        message: number of a received message: what was done to it, and to the bus because of it.
        item: id of a work item: what was done to it and said of it.
        correlation: the sender's own reference (MSH-10, X-Request-Id), or the id of a bus message.
        action: an action, or its beginning (``user:``).
        principal: who acted.
        since: from this instant on.
        until: before this instant.
        identities: ids of records, one of which the event must name; None: whoever it names.
        actions: exact actions, one of which it must be; None: whatever it is.
        principals: who may have acted; None: whoever did.
        entities: what it touched, as ``kind/id``, one of which it must name; None: whatever it touched.
        addresses: network addresses, from one of which it was done; None: wherever from.
        holding: parts (``patients``, ``entities``, ``correlation``) one of which it must have; None: whatever it has.
        event: the event's own number; None: whichever.
        until_event: none with a higher number: what was written since is not looked at.
        oldest_first: the oldest that match are given, not the newest.
        after: where the page before ended, in that order.
        limit: at most so many events.

    """

    patient: str = ""
    message: int | None = None
    item: str = ""
    correlation: str = ""
    action: str = ""
    principal: str = ""
    since: datetime | None = None
    until: datetime | None = None
    identities: tuple[str, ...] | None = None
    actions: tuple[str, ...] | None = None
    principals: tuple[str, ...] | None = None
    entities: tuple[str, ...] | None = None
    addresses: tuple[str, ...] | None = None
    holding: tuple[str, ...] | None = None
    event: int | None = None
    until_event: int | None = None
    oldest_first: bool = False
    after: Place | None = None
    limit: int = 1_000


@dataclass(frozen=True, slots=True)
class AuditPage:
    """Some of the events that match.

    Attributes:
        events: in the order asked for.
        after: where to go on; None where nothing is left.

    """

    events: Sequence[AuditEvent]
    after: Place | None


@dataclass(frozen=True, slots=True)
class Tally:
    """How much matches.

    Attributes:
        events: events.
        shares: events, each as often as it names patients asked for (any patient, where none is), at least once.

    """

    events: int
    shares: int
