"""The dead-letter queues as an operator works on them: looked at, returned to their secretariat, or discarded."""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One message that a secretariat's consumers rejected or could not take.

    Attributes:
        secretariat: whose.
        message_id: its stable id; empty where whoever published it gave none.
        item: work item id by its header; empty where there is none.
        version: the item's version; 0 where there is none.
        reason: why it died, in RabbitMQ's word: ``rejected``, ``delivery_limit``, ``expired``, ``maxlen``.
        deaths: how often it did.
        died_at: when it did last; None where the broker does not say.
        size: bytes of the body.
        body: as it was published.

    """

    secretariat: str
    message_id: str
    item: str
    version: int
    reason: str
    deaths: int
    died_at: datetime | None
    size: int
    body: bytes


Step = Callable[[DeadLetter], None]
"""Called for each message once it may be acknowledged, and before it is."""


class DeadLetters(Protocol):
    """The dead-letter queues of one bus."""

    def count(self, secretariats: Iterable[str]) -> dict[str, int | None]:
        """Count each secretariat's dead letters; None where it has no such queue."""
        ...

    def look(self, secretariat: str, limit: int) -> list[DeadLetter]:
        """Give the oldest, and leave them where they are."""
        ...

    def give_back(self, secretariat: str, wanted: Collection[str] | None, step: Step) -> list[str]:
        """These message ids (None: all) stand in the secretariat's queue again; give those found.

        Each is published and confirmed, then the step is called, and only then is the dead letter acknowledged: ended
        in between, it is there twice, under one message id.
        """
        ...

    def discard(self, secretariat: str, wanted: Collection[str] | None, step: Step) -> list[str]:
        """These message ids (None: all) are gone; give those that were found. The step comes before each is."""
        ...


class NoDeadLetters:
    """The embedded bus's: whoever follows it reads the outbox, and nothing can be rejected from there."""

    def count(self, secretariats: Iterable[str]) -> dict[str, int | None]:
        """None has a queue."""
        return dict.fromkeys(secretariats)

    def look(self, secretariat: str, limit: int) -> list[DeadLetter]:  # noqa: ARG002 - the protocol's
        """There is nothing to see."""
        return []

    def give_back(self, secretariat: str, wanted: Collection[str] | None, step: Step) -> list[str]:  # noqa: ARG002 - the protocol's
        """There is nothing to return."""
        return []

    def discard(self, secretariat: str, wanted: Collection[str] | None, step: Step) -> list[str]:  # noqa: ARG002 - the protocol's
        """There is nothing to discard."""
        return []
