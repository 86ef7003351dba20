"""The directory: practitioners and units as their master files tell them, beside the site's own data."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from gateway.facts import DirectoryTold, EntryKind, Identifier


@dataclass(frozen=True, slots=True)
class Entry:
    """A practitioner or a unit as a master file told it last.

    Attributes:
        kind: which of them.
        key: its number (a practitioner's RPPS, ADELI or own number; a unit's code).
        label: name for people.
        unit: unit of a practitioner; the unit or service of which a unit is part; empty if not told.
        active: it may be named; one that was deleted or deactivated stays, for what named it before.
        source: who told it.
        told_at: when its last fact was told; None: not known.

    """

    kind: EntryKind
    key: Identifier
    label: str
    unit: str = ""
    active: bool = True
    source: str = ""
    told_at: datetime | None = None


EntryKey = tuple[EntryKind, str, str]


def entry_key(kind: EntryKind, key: Identifier) -> EntryKey:
    """Give the key under which an entry is found."""
    return kind, key.authority, key.value


def entries(fact: DirectoryTold, source: str, told_at: datetime | None) -> Sequence[Entry]:
    """Give the entries that a fact makes, one for each of its numbers."""
    return [Entry(fact.kind, key, fact.label, fact.unit, fact.active, source, told_at) for key in fact.keys]


def is_newer(known: Entry | None, entry: Entry) -> bool:
    """Whether an entry takes the place of what is known: within a source by its own time, else by reception."""
    if known is None or known.source != entry.source or known.told_at is None or entry.told_at is None:
        return True
    return entry.told_at >= known.told_at
