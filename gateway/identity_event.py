"""What other systems are told of identities: every decision, merge, link, unlink and undo, each once, in one order."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from gateway.audit import AuditAction, AuditEvent
from gateway.identity import Identity, Person
from gateway.state import State


class Happening(StrEnum):
    """What happened to identities."""

    LINKED = "linked"
    """Records became one person: by admissions, by an exact rule, or by the matcher."""
    UNLINKED = "unlinked"
    """A record got a person of its own, by admissions."""
    MERGED = "merged"
    """Admissions retired a number in favour of another."""
    PROPOSED = "proposed"
    """The desk proposed a decision: it waits for a second person, and moves nothing."""
    DECIDED = "decided"
    """The desk decided, or a second person approved a decision."""
    UNDONE = "undone"
    """Things are as if a decision had never been taken; of a proposed one: it was withdrawn."""
    REQUEST_FOLLOWED = "request-followed"
    """Admissions did what the desk had asked it to do."""


_TOLD = {
    AuditAction.IDENTITY_LINKED: Happening.LINKED,
    AuditAction.IDENTITY_UNLINKED: Happening.UNLINKED,
    AuditAction.IDENTITY_MERGED: Happening.MERGED,
    AuditAction.REQUEST_FOLLOWED: Happening.REQUEST_FOLLOWED,
    AuditAction.IDENTITY_DECISION_PROPOSED: Happening.PROPOSED,
    AuditAction.IDENTITY_DECISION_APPROVED: Happening.DECIDED,
    AuditAction.IDENTITY_DECISION_UNDONE: Happening.UNDONE,
    AuditAction.IDENTITY_LINK_DECIDED: Happening.DECIDED,
    AuditAction.IDENTITY_SEPARATION_DECIDED: Happening.DECIDED,
    AuditAction.IDENTITY_UNLINK_DECIDED: Happening.DECIDED,
    AuditAction.MERGE_REQUEST_DECIDED: Happening.DECIDED,
    AuditAction.FLAG_REQUEST_DECIDED: Happening.DECIDED,
    AuditAction.IDENTITY_FREEZE_DECIDED: Happening.DECIDED,
    AuditAction.IDENTITY_LIFT_DECIDED: Happening.DECIDED,
    AuditAction.INFORMATION_ASKED: Happening.DECIDED,
}
"""What the audit trail says of it -> what others are told: the two are written by one transaction."""


@dataclass(frozen=True, slots=True)
class IdentityEvent:
    """One thing that happened to identities.

    Attributes:
        happening: what.
        at: aware instant.
        records: the records that it touched, as they are by now: those in force first, then by number.
        persons: whose they are by now.
        decision: number of the desk's decision; 0: none.
        kind: what was decided; empty: nothing.
        standing: where the decision stands.

    """

    happening: Happening
    at: datetime
    records: tuple[Identity, ...]
    persons: tuple[Person, ...]
    decision: int = 0
    kind: str = ""
    standing: str = ""


def identity_events(events: Iterable[AuditEvent], state: State) -> Iterator[IdentityEvent]:
    """Give what others are told of these events, in order; what they touched stands in the state as it is by now."""
    for event in events:
        happening = _TOLD.get(AuditAction(event.action))
        if happening is None:
            continue
        found = (r for i in event.patients if (r := state.identities.get(i)) is not None)
        records = tuple(sorted(found, key=lambda record: (record.retired, record.key)))
        persons = dict.fromkeys(record.person for record in records)
        decisions = [entity for entity in event.entities if entity.startswith("decision/")]
        yield IdentityEvent(
            happening,
            event.at,
            records,
            tuple(state.persons[person] for person in persons),
            int(decisions[0].removeprefix("decision/")) if decisions else 0,
            str(event.detail.get("kind", "")),
            str(event.detail.get("standing", "")),
        )
