"""The bus of a gateway without a broker: the outbox itself is the log, and each subscription a durable cursor in it."""

import threading
from collections.abc import Iterator

from adapters.bus.delivery import Delivery
from gateway.outbox import OutboxEntry, Subscriptions

POLL_SECONDS = 0.2
BATCH = 100


class EmbeddedPublisher:
    """A Publisher that has taken an entry as soon as it is asked to: its subscribers read the outbox."""

    async def connect(self) -> None:
        """There is nothing to connect to."""

    async def publish(self, entry: OutboxEntry) -> None:
        """The entry is in the outbox, so every subscription will see it."""

    def require_session(self) -> None:
        """There is nothing that could end."""

    async def close(self) -> None:
        """There is nothing to close."""


class EmbeddedConsumer:
    """Follows one secretariat under a name; a later consumer of that name goes on where this one stopped.

    Types: poll_seconds is the longest time for which a new entry may go unnoticed.
    """

    def __init__(
        self, subscriptions: Subscriptions, name: str, secretariat: str, *, poll_seconds: float = POLL_SECONDS
    ) -> None:
        self._subscriptions = subscriptions
        self._name = name
        self._secretariat = secretariat
        self._poll_seconds = poll_seconds

    def deliveries(self, stop: threading.Event, *, until_idle: bool = False) -> Iterator[Delivery]:
        """Give each delivery in order; one is acknowledged once the next is asked for, so a crash repeats the last.

        Ends when stop is set, or with until_idle once there is nothing more to give.
        """
        while not stop.is_set():
            batch = self._next_batch()
            for entry in batch:
                yield _delivery(entry)
                self._subscriptions.acknowledge(self._name, self._secretariat, entry.sequence)
                if stop.is_set():
                    return
            if not batch and (until_idle or stop.wait(self._poll_seconds)):
                return

    def _next_batch(self) -> list[OutboxEntry]:
        after = self._subscriptions.position(self._name, self._secretariat)
        return list(self._subscriptions.published(self._secretariat, after, BATCH))


def _delivery(entry: OutboxEntry) -> Delivery:
    return Delivery(entry.message_id, entry.secretariat, entry.item, entry.version, entry.body)
