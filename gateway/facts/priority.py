"""How urgent a thing is."""

from enum import StrEnum


class Priority(StrEnum):
    """How urgent an item is; stat outranks urgent outranks routine, and priority outranks age."""

    STAT = "stat"
    URGENT = "urgent"
    ROUTINE = "routine"
