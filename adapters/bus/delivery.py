"""One bus message as its consumer sees it, and what a consumer remembers in order to handle each one once."""

from collections import OrderedDict
from dataclasses import dataclass

SEEN_CAPACITY = 100_000


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message.

    Attributes:
        message_id: stable identifier: the same for every delivery of the same item version.
        secretariat: queue it came by.
        item: work item id.
        version: the item's version; it rises.
        body: FHIR R4 message Bundle as UTF-8 JSON.

    """

    message_id: str
    secretariat: str
    item: str
    version: int
    body: bytes


class SeenMessages:
    """What has been handled: the newest message ids, and the newest version of each item, within a bounded memory.

    It lives in memory. A consumer whose effects outlive it keeps the message id with the effect, as an idempotent
    receiver does.
    """

    def __init__(self, capacity: int = SEEN_CAPACITY) -> None:
        self._capacity = capacity
        self._messages: OrderedDict[str, None] = OrderedDict()
        self._versions: OrderedDict[str, int] = OrderedDict()

    def __contains__(self, delivery: Delivery) -> bool:
        """Whether this message was handled before, or tells an older version of an item than one that was."""
        return delivery.message_id in self._messages or delivery.version < self._versions.get(delivery.item, 0)

    def add(self, delivery: Delivery) -> None:
        """The message counts as handled; the oldest memories beyond the capacity are gone."""
        self._messages[delivery.message_id] = None
        self._versions[delivery.item] = delivery.version
        self._versions.move_to_end(delivery.item)
        for memory in (self._messages, self._versions):
            while len(memory) > self._capacity:
                memory.popitem(last=False)
