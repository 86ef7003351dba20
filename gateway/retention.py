"""How long is kept what has passed through: bodies, bus messages, first answers. Records and the audit trail stay."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from gateway.reception import State


class Matter(StrEnum):
    """What is purged."""

    BODY = "message-body"
    """The bytes of a received message; its record, its outcome and its audit events stay."""
    BUS_MESSAGE = "bus-message"
    """What the bus was told; the item's history and the audit event of its publication stay."""
    FIRST_ANSWER = "first-answer"
    """What the same message again would have been answered; outside the duplicate window it is a message of its own."""


@dataclass(frozen=True, slots=True)
class Terms:
    """How long each matter is kept; None: for ever.

    Attributes:
        body: bodies of messages that have ended.
        quarantine: bodies of messages that a person may still need: in quarantine, or with facts that wait.
        bus_message: what was published.
        first_answer: the duplicate window.

    """

    body: timedelta | None
    quarantine: timedelta | None
    bus_message: timedelta | None
    first_answer: timedelta

    def cutoff(self, matter: Matter, now: datetime) -> datetime | None:
        """Give the instant before which a matter is due; None: it is kept."""
        kept = {Matter.BODY: self.body, Matter.BUS_MESSAGE: self.bus_message, Matter.FIRST_ANSWER: self.first_answer}
        term = kept[matter]
        return None if term is None else now - term

    def releases_body(self, state: State, received_at: datetime, now: datetime, *, waits: bool) -> bool:
        """Whether an ended message's body is due: one that a person may still need has a limit of its own."""
        needed = waits or state is State.QUARANTINED
        term = _longer(self.body, self.quarantine) if needed else self.body
        return term is not None and received_at < now - term


def _longer(term: timedelta | None, other: timedelta | None) -> timedelta | None:
    return None if term is None or other is None else max(term, other)


def releases_bus_message(sequence: int, read_up_to: Mapping[str, int], secretariat: str) -> bool:
    """Whether every subscription that still moves has read an entry of a secretariat."""
    return sequence <= read_up_to.get(secretariat, sequence)


@dataclass(frozen=True, slots=True)
class Purge:
    """One batch that was looked at.

    Attributes:
        matter: what of.
        cutoff: nothing younger was touched.
        count: how many were purged (or would be).
        first: lowest message number or outbox sequence among them; 0 if there are none.
        last: highest.
        reached: up to which number was looked.
        end: up to which number will be looked.

    """

    matter: Matter
    cutoff: datetime
    count: int
    first: int
    last: int
    reached: int
    end: int
