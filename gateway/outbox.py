"""What is to be told to other systems: written with the effect it tells of, published by the relay."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

IDENTITY_QUEUE = "identity"
"""The queue of what happens to identities; no secretariat is called so."""


@dataclass(frozen=True, slots=True)
class OutboxEntry:
    """One bus message.

    Attributes:
        sequence: place in the outbox; rising.
        message_id: stable identifier (UUID text): the same for every delivery of the same item version.
        secretariat: queue it is for; `IDENTITY_QUEUE`: it tells of identities.
        order_key: opaque key of the patient: entries with one key are published in order.
        item: work item id; of what is told of identities, an id of its own.
        version: the item's version; a consumer drops an older one than it holds.
        body: FHIR R4 message Bundle as UTF-8 JSON.
        created_at: aware instant.

    """

    sequence: int
    message_id: str
    secretariat: str
    order_key: str
    item: str
    version: int
    body: bytes
    created_at: datetime

    @property
    def about_item(self) -> bool:
        """Whether it tells of a work item; otherwise of identities."""
        return self.secretariat != IDENTITY_QUEUE


class Outbox(Protocol):
    """The relay's side of the store. Blocking calls: an asynchronous caller runs them in a thread."""

    def unconfirmed(self, limit: int, excluding: Collection[str] = ()) -> Sequence[OutboxEntry]:
        """Give the oldest entries that no broker has confirmed, by sequence, but for some secretariats'."""
        ...

    def confirm(self, entries: Sequence[OutboxEntry]) -> None:
        """Record that the broker has taken these entries (audited, one transaction); again is nothing new."""
        ...


class Subscriptions(Protocol):
    """Durable cursors over the outbox: the embedded bus."""

    def position(self, name: str, secretariat: str) -> int:
        """Give the last sequence that this subscription has acknowledged; 0 if it is new."""
        ...

    def published(self, secretariat: str, after: int, limit: int) -> Sequence[OutboxEntry]:
        """Give the entries of a secretariat after a sequence, oldest first."""
        ...

    def acknowledge(self, name: str, secretariat: str, sequence: int) -> None:
        """Move the subscription's cursor."""
        ...
