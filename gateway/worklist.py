"""Work items: what a secretariat has to do, and what happened to it."""

from dataclasses import dataclass
from datetime import datetime
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


class ItemState(StrEnum):
    """Where an item stands."""

    NEW = "new"
    CLAIMED = "claimed"
    ON_HOLD = "on-hold"
    DONE = "done"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class WorkItem:
    """One piece of work on exactly one secretariat's queue.

    Attributes:
        id: stable identifier (UUID text).
        kind: what it asks for.
        secretariat: owner queue.
        priority: urgency; outranks age.
        state: where it stands.
        identity: id of the identity record that it came by; the person follows from it, through merges and links.
        focus: id of the appointment, report, document, stay or question that it is about.
        title: key of the text catalogue; holds no clinical content, so that every view may show it.
        detail: what the medical view adds (name of the examination, of the document), as sent.
        rule: name of the routing rule that brought it here; ``default`` if none did.
        reason: that rule's label, in the site's words.
        source_message: number of the message that last changed it.
        version: rises with each change; consumers drop older ones.
        created_at: aware instant.
        updated_at: aware instant.
        remarks: keys of the text catalogue: what to know of how its message was understood.

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

    @property
    def open(self) -> bool:
        """Whether someone still has to act."""
        return self.state not in {ItemState.DONE, ItemState.WITHDRAWN}
