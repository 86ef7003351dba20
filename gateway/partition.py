"""Partitions: what may be processed side by side. They give parallelism, never correctness: that is the store's locks'.

A message belongs to the partition of everything that it names a patient by, so that messages which share an identifier
are processed in their order, whoever processes them.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol, TypeVar
from zlib import crc32

PARTITIONS = 60
"""How many there are: a set of them is one integer of 64 bits, positive."""

EVERY_PARTITION = (1 << PARTITIONS) - 1


def partitions_of(subjects: Iterable[str]) -> int:
    """Give the set of partitions of what a message is about; what names nothing is in the first.

    Args:
        subjects: identifiers of its patients, else of its objects.

    Returns:
        The set as bits: bit n is partition n.

    """
    found = 0
    for subject in subjects:
        found |= 1 << crc32(subject.encode(errors="replace")) % PARTITIONS
    return found or 1


def numbers_of(partitions: int) -> list[int]:
    """Give the numbers of a set of partitions, rising."""
    return [n for n in range(PARTITIONS) if partitions >> n & 1]


class Waiting(Protocol):
    """A message that waits, with its set of partitions."""

    @property
    def partitions(self) -> int:
        """Its set of partitions."""
        ...


W = TypeVar("W", bound=Waiting)


def wanted(waiting: Iterable[Waiting]) -> list[int]:
    """Give the numbers of the partitions in which something waits, those of the oldest first."""
    seen, found = 0, []
    for message in waiting:
        fresh = message.partitions & ~seen
        if fresh:
            found += numbers_of(fresh)
            seen |= fresh
        if seen == EVERY_PARTITION:
            break
    return found


def due(waiting: Sequence[W], held: int) -> Iterator[W]:
    """Give the messages that whoever holds these partitions may process now.

    None is passed by a later one of the same partition: a message that is also in a partition of somebody else's holds
    up all behind it.

    Args:
        waiting: the oldest messages, in order of reception.
        held: set of partitions held.

    """
    blocked = ~held
    for message in waiting:
        if message.partitions & blocked:
            blocked |= message.partitions
        else:
            yield message
