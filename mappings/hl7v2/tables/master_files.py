"""Master files: records, practitioners, places."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from gateway.facts import EntryKind

MASTER_FILES: Final[Mapping[str, tuple[str, EntryKind]]] = MappingProxyType(
    {"M02": ("STF", EntryKind.PRACTITIONER), "M05": ("LOC", EntryKind.UNIT)}
)
"""Event -> the segment that each record has, and what it is about (2.5.1 §8.7, §8.9)."""

RECORD_EVENTS: Final[Mapping[str, bool]] = MappingProxyType(
    {"MAD": True, "MUP": True, "MAC": True, "MDL": False, "MDC": False}
)
"""Table 0180 (MFE-1): add, update, reactivate; delete, deactivate: whether the record is active afterwards."""

INACTIVE: Final = "I"
"""Table 0183 (STF-7, LDP-6)."""

RELATION_OF_PARENT: Final = "PAR"
"""Table 0325 (LRL-4): the place of which this one is part."""

NATIONAL_PRACTITIONERS: Final = "1.2.250.1.71.4.2.1"
"""OID of the national numbers of practitioners (ANS, OID list)."""

NATIONAL_TYPES: Final = frozenset({"RPPS", "ADELI"})
"""Types of number that are national, whatever authority stands beside them."""
