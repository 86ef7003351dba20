"""Work items: what a secretariat has to do, and what happened to it."""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from gateway.facts import Priority


class ItemKind(StrEnum):
    """What an item asks for."""

    CONVOCATION = "convocation"
    """Tell a patient of an appointment."""
    RESULT = "result"
    """Receive a result."""
    CORRESPONDENCE = "correspondence"
    """Handle a letter or report."""
    ADMISSION = "admission"
    """A patient is expected in, came to, moved to or left one of the secretariat's units."""
    IDENTITY = "identity"
    """Answer an identity question (identitovigilance)."""
    CALL = "call"
    """Deal with a telephone call; made by hand."""
    VISIT = "visit"
    """Deal with somebody who came to the desk; made by hand."""
    NOTE = "note"
    """A note to a physician; made by hand."""


MADE_BY_HAND = frozenset({ItemKind.CALL, ItemKind.VISIT, ItemKind.NOTE})
"""What no message asks for."""

BY_HAND = "by-hand"
"""What stands for the rule of an item that was made by hand."""


ESCALATED = "escalated"
"""What stands for the rule of an item that a secretariat has because another has not answered in time."""


class ItemState(StrEnum):
    """Where an item stands."""

    NEW = "new"
    CLAIMED = "claimed"
    ON_HOLD = "on-hold"
    DONE = "done"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class Signature:
    """Who acknowledged something, and when (aware instant)."""

    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Hand:
    """What people have made of an item.

    Attributes:
        holder: principal who has claimed it; empty: nobody.
        active_at: when the holder last did something with it.
        until: until when it is on hold; None where it is not.
        receipt: who acknowledged that it was received (a secretary may).
        reading: who acknowledged it clinically (a physician only).
        passed: the queues that it was forwarded from, in order.
        closer: who was done with it.
        saw: who held, acknowledged or was done with what stood there before a correction, and has not seen that.

    """

    holder: str = ""
    active_at: datetime | None = None
    until: datetime | None = None
    receipt: Signature | None = None
    reading: Signature | None = None
    passed: tuple[str, ...] = ()
    closer: str = ""
    saw: tuple[str, ...] = ()

    @property
    def seen_by(self) -> tuple[str, ...]:
        """Whoever has seen what stands there, or stood there before, each once."""
        signed = (signature.by for signature in (self.receipt, self.reading) if signature is not None)
        return tuple(dict.fromkeys(who for who in (*self.saw, self.holder, *signed, self.closer) if who))


UNTOUCHED = Hand()
"""What nobody has acted on."""


@dataclass(frozen=True, slots=True)
class Escalation:
    """How time presses on an item.

    Attributes:
        deadline: name of the deadline that gave its due time; empty: none did.
        rungs: rungs of that deadline's ladder that were taken; 0: it has not been escalated.
        next_at: when somebody is told if it is not answered by then; None: nobody is.
        alarmed: the ladder was taken up to the alarm.

    """

    deadline: str = ""
    rungs: int = 0
    next_at: datetime | None = None
    alarmed: bool = False


CALM = Escalation()
"""What no time presses on."""


@dataclass(frozen=True, slots=True)
class Former:
    """What an act changes of an item, as it was before: undoing the act restores it."""

    state: ItemState
    secretariat: str
    priority: Priority
    due: datetime | None
    hand: Hand
    escalation: Escalation = CALM


@dataclass(frozen=True, slots=True)
class WorkItem:
    """One piece of work on exactly one secretariat's queue.

    Attributes:
        id: stable identifier (UUID text).
        kind: what it asks for.
        secretariat: owner queue.
        origin: the queue that the rules named; another one than the owner once it was forwarded.
        priority: urgency; outranks age.
        state: where it stands.
        identity: id of the identity record that it came by; the person follows from it, through merges and links.
        focus: id of the appointment, report, document, stay or question that it is about.
        title: key of the text catalogue; holds no clinical content, so that every view may show it.
        detail: what the medical view adds (name of the examination, of the document), as sent.
        rule: name of the routing rule that brought it here; ``default`` if none did.
        reason: that rule's label, in the site's words.
        source_message: number of the message that last changed it; of what was made by hand, of the one that had told
            of its patient last.
        version: rises with each change; consumers drop older ones.
        created_at: aware instant.
        updated_at: aware instant.
        remarks: keys of the text catalogue: what to know of how its message was understood.
        due: when it is to be done by; None: no time is set.
        hand: what people have made of it.
        escalation: how time presses on it.

    """

    id: str
    kind: ItemKind
    secretariat: str
    priority: Priority
    state: ItemState
    identity: str
    focus: str
    title: str
    detail: str
    rule: str
    reason: str
    source_message: int
    version: int
    created_at: datetime
    updated_at: datetime
    remarks: tuple[str, ...] = ()
    origin: str = ""
    due: datetime | None = None
    hand: Hand = UNTOUCHED
    escalation: Escalation = CALM

    @property
    def open(self) -> bool:
        """Whether someone still has to act."""
        return self.state not in {ItemState.DONE, ItemState.WITHDRAWN}

    @property
    def routed_to(self) -> str:
        """The queue that the rules named."""
        return self.origin or self.secretariat

    @property
    def critical(self) -> bool:
        """Whether it is a result that cannot wait (HH, LL, AA)."""
        return self.title == CRITICAL_RESULT

    @property
    def former(self) -> Former:
        """What undoing an act on it would restore."""
        return Former(self.state, self.secretariat, self.priority, self.due, self.hand, self.escalation)

    @property
    def answered(self) -> bool:
        """Whether nobody need be told that it is late: it is closed, or a result that was acknowledged.

        A critical one by a physician, another by whoever received it.
        """
        if not self.open:
            return True
        hand = self.hand
        return self.kind is ItemKind.RESULT and bool(hand.reading or (hand.receipt and not self.critical))

    def overdue(self, at: datetime) -> bool:
        """Whether its time has passed at an aware instant and nobody answers."""
        return self.due is not None and self.due <= at and not self.answered

    @property
    def escalated(self) -> bool:
        """Whether its time has passed and somebody was told."""
        return self.escalation.rungs > 0 and not self.answered

    @property
    def place(self) -> str:
        """Its place on every list; the lower, the sooner it is to be done.

        Priority, then the time it is due by (what has none comes last), then age: digits only, which every store sorts
        alike. What is critical and was escalated is first, as if it had been due ever since. Equal places are told
        apart by the id.
        """
        due = _microseconds(self.due) if self.due else _NEVER
        if self.critical and self.escalated:
            due = 0
        return f"{URGENCY.index(self.priority)}{due:016d}{_microseconds(self.created_at):016d}"


CRITICAL_RESULT = "result.critical"
"""Title of a result that cannot wait."""

IN_HOUSE = frozenset({"admission.arrived", "admission.on-leave"})
"""Titles of the items of stays that are under way."""

URGENCY = (Priority.STAT, Priority.URGENT, Priority.ROUTINE)
"""The most urgent first."""

_NEVER = 10**16 - 1
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _microseconds(at: datetime) -> int:
    since = at - _EPOCH
    return max(0, (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds)
