"""What a message says of units and practitioners."""

from dataclasses import dataclass
from enum import StrEnum

from gateway.facts.identity import NO_PATIENT, Identifier, Patient


class EntryKind(StrEnum):
    """What an entry of the directory is about."""

    PRACTITIONER = "practitioner"
    UNIT = "unit"


@dataclass(frozen=True, slots=True)
class DirectoryTold:
    """A master file told of a practitioner or a unit (MFN^M02, M05).

    Attributes:
        kind: which of them.
        keys: every number it has.
        label: name for people.
        unit: unit of a practitioner; the unit or service of which a unit is part; empty if not told.
        active: False: it was deleted or deactivated.
        patient: nobody: no patient is named.

    """

    kind: EntryKind
    keys: tuple[Identifier, ...]
    label: str
    unit: str = ""
    active: bool = True
    patient: Patient = NO_PATIENT
