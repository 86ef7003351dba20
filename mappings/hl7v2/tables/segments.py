"""Segments and fields by message type: what is read, what is needed, which times must be readable."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from mappings.hl7v2.tables.orders import ORDERS

READ_SEGMENTS: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {
        "ADT": frozenset({"MSH", "EVN", "PID", "PD1", "NK1", "MRG", "PV1", "PV2", "ZBE", "ZFA", "ZFD", "ZFM", "ZFV"}),
        "SIU": frozenset(
            {"MSH", "SCH", "TQ1", "NTE", "PID", "PD1", "NK1", "PV1", "PV2", "OBX", "RGS", "AIS", "AIG", "AIL", "AIP"}
        ),
        **dict.fromkeys(
            ("ORU", "OUL"),
            frozenset({"MSH", "PID", "PD1", "PV1", "ORC", "OBR", "NTE", "TQ1", "OBX", "SPM", "PRT"}),
        ),
        **dict.fromkeys(ORDERS, frozenset({"MSH", "PID", "PD1", "PV1", "ORC", "OBR", "TQ1"})),
        "ZAM": frozenset({"MSH", "OBX", "ERR"}),
        "MFN": frozenset({"MSH", "MFI", "MFE", "STF", "LOC", "LDP", "LRL"}),
        "MDM": frozenset({"MSH", "EVN", "PID", "PD1", "PV1", "ORC", "TXA", "OBX", "PRT"}),
    }
)
"""Segments that a rule reads, by message type; any other is kept and counted (promise P5)."""

REQUIRED_SEGMENTS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "ADT": ("PID",),
        "SIU": ("SCH", "PID"),
        "ORU": ("PID", "OBR"),
        "OUL": ("PID", "OBR"),
        **dict.fromkeys(ORDERS, ("PID", "OBR")),
        "MDM": ("PID", "TXA"),
        "ZAM": ("OBX",),
        "MFN": ("MFI", "MFE"),
    }
)
"""What the message cannot do without, beside MSH; merges need MRG as well."""

REQUIRED_FIELDS: Final[Mapping[str, tuple[tuple[str, int], ...]]] = MappingProxyType(
    {
        "ADT": (("PID", 3), ("PID", 5)),
        "SIU": (("PID", 3), ("PID", 5)),
        "ORU": (("PID", 3), ("PID", 5), ("OBR", 4)),
        "OUL": (("PID", 3), ("PID", 5), ("OBR", 4)),
        **dict.fromkeys(ORDERS, (("PID", 3), ("PID", 5))),
        "MDM": (("PID", 3), ("PID", 5)),
        "ZAM": (),
        "MFN": (),
    }
)
"""Fields that must hold a value in every such segment; what the facts are found by is checked beside them."""

ESSENTIAL_TIMES: Final[Mapping[str, tuple[tuple[str, int, int], ...]]] = MappingProxyType(
    {
        "ADT": (("ZBE", 2, 1), ("PV2", 8, 1)),
        "SIU": (
            ("SCH", 11, 4),
            ("SCH", 11, 5),
            ("TQ1", 7, 1),
            ("AIS", 4, 1),
            ("AIL", 6, 1),
            ("AIP", 6, 1),
            ("AIG", 8, 1),
        ),
        "ORU": (),
        "OUL": (),
        **dict.fromkeys(ORDERS, ()),
        "MDM": (),
        "ZAM": (),
        "MFN": (),
    }
)
"""Times by type (segment, field, component) that must be readable if sent; PID-7 is one for every type."""
