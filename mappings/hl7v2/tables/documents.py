"""Documents: what each MDM event does, the CI-SIS profile, business acknowledgments, media types."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from gateway.facts import Carrier, DocumentAct

MDM_EVENTS: Final[Mapping[str, DocumentAct]] = MappingProxyType(
    {
        "T01": DocumentAct.CREATE,
        "T02": DocumentAct.CREATE,
        "T03": DocumentAct.STATUS,
        "T04": DocumentAct.STATUS,
        "T05": DocumentAct.CREATE,
        "T06": DocumentAct.CREATE,
        "T07": DocumentAct.REPLACE,
        "T08": DocumentAct.REPLACE,
        "T09": DocumentAct.REPLACE,
        "T10": DocumentAct.REPLACE,
        "T11": DocumentAct.WITHDRAW,
    }
)
"""2.5.1 §9.6. An addendum (T05, T06) is a document beside its parent, not in its place."""

EDITS: Final = frozenset({"T07", "T08"})
"""Edits: the same document again, unless TXA-13 names the one that was edited."""

CDA_PROFILE: Final = "CISIS_CDA_HL7_V2"
"""MSH-21 of CI-SIS « Transmission de documents CDA en HL7v2 »."""

CDA_COHERENCE: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {"T02": ("NW", "F"), "T10": ("RO", "C"), "T04": ("CA", "D")}
)
"""In that profile: event -> ORC-1 and OBX-11 (initial, replacement, suppression)."""

CDA_ACTS: Final[Mapping[str, DocumentAct]] = MappingProxyType(
    {"F": DocumentAct.CREATE, "C": DocumentAct.REPLACE, "D": DocumentAct.WITHDRAW}
)
"""In that profile: OBX-11 of a document in an ORU -> what is asked for."""

RESTRICTIONS: Final = frozenset({"MASQUE_PS", "INVISIBLE_PATIENT", "INVISIBLE_REP_LEGAUX", "CONNEXION_SECRETE"})
"""OBX-3 (MetaDMPMSS) with Y or N in OBX-5: they limit sending, they hide nothing from the author's secretary."""

XML_TYPES: Final = frozenset({"text/xml", "application/xml", "application/hl7-cda+xml"})
"""Media types in which a CDA document comes."""

DELETED: Final = "CA"
"""Table 0273 (TXA-19): the document is deleted."""

UNAVAILABLE: Final = frozenset({"OB", "UN"})
"""Table 0273 (TXA-19): obsolete, or not for patient care."""

COMPLETIONS: Final = frozenset({"DI", "DO", "IP", "IN", "PA", "AU", "LA"})
"""Table 0271 (TXA-17)."""

BUSINESS_ACKNOWLEDGMENTS: Final[Mapping[str, Carrier]] = MappingProxyType(
    {
        "ACK_RECEPTION_DMP": Carrier.RECORD,
        "ACK_RECEPTION_MSS": Carrier.MAIL,
        "ACK_LECTURE_MSS": Carrier.READER,
    }
)
"""OBX-3 of a ZAM (AckMetierZAM) -> who answers (CI-SIS, CDA en HL7v2 2.1, accusés métier)."""

ZAM_EVENTS: Final = frozenset({"Z01", "Z02", "Z03"})

MEDIA_TYPES: Final[Mapping[str, str]] = MappingProxyType(
    {"AP": "application", "AU": "audio", "IM": "image", "TEXT": "text", "TX": "text", "FT": "text"}
)
"""Table 0191 (ED-2): short forms of MIME types; others are MIME types already."""
