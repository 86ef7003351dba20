"""What is going on while one message takes effect: who said it, when, and the audit events it leaves."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from gateway.audit import AuditAction, AuditEvent
from gateway.errors import DocumentObjection
from gateway.principal import WORKER
from gateway.site import Site, Source
from gateway.state import State


@dataclass(slots=True)
class Act:
    """One message taking effect.

    Attributes:
        site: the establishment.
        state: the identity map of the batch.
        source: who sent the message.
        message: its number.
        correlation: the sender's reference (MSH-10, X-Request-Id).
        told_at: the facts' own time, but none after the message's reception.
        now: the instant of the decision.
        new_id: gives a fresh opaque identifier.
        expects: version of the object that the message is meant to change; None if of whatever version.
        received_at: when the message came; None if it is not stored.
        claimed_at: the facts' own time as the source gives it.
        events: audit events so far.
        notes: counts for the message's outcome (``stale``, ``held`` ...).
        objects: what the message is about, as ``kind/id``, and whether the message made it.
        objections: what the message's sender is told though it takes effect, the gravest first.
        principal: who makes it take effect: the gateway, or the person who decided.
        deed: what a person did to the items; empty: a message did.
        note: their words.

    """

    site: Site
    state: State
    source: Source
    message: int
    correlation: str
    told_at: datetime | None
    now: datetime
    new_id: Callable[[], str]
    expects: int | None = None
    received_at: datetime | None = None
    claimed_at: datetime | None = None
    events: list[AuditEvent] = field(default_factory=list)
    notes: dict[str, int] = field(default_factory=dict)
    objects: dict[str, bool] = field(default_factory=dict)
    objections: list[DocumentObjection] = field(default_factory=list)
    principal: str = WORKER.id
    deed: str = ""
    note: str = ""

    def record(
        self,
        action: AuditAction,
        *,
        patients: tuple[str, ...] = (),
        entities: tuple[str, ...] = (),
        **detail: str | int | bool,
    ) -> None:
        """Leave an audit event of something the gateway did because of this message."""
        self.events.append(
            AuditEvent(self.now, action, self.principal, patients, self.message, entities, self.correlation, detail)
        )

    def count(self, note: str) -> None:
        """Count something that the message's outcome should show."""
        self.notes[note] = self.notes.get(note, 0) + 1
