"""The header and its answer: versions, processing IDs, error conditions; and the bounds of one message."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

VERSIONS: Final = frozenset(
    {"2.1", "2.2", "2.3", "2.3.1", "2.4", "2.5", "2.5.1", "2.6", "2.7", "2.7.1", "2.8", "2.8.1", "2.8.2"}
)
"""Table 0104, as far as it is read here."""

PROCESSING_IDS: Final = frozenset({"P", "T", "D"})
"""Table 0103."""

TEST_PROCESSING_IDS: Final = frozenset({"T", "D"})
"""Training and debugging: they never meet production."""

CONDITIONS: Final[Mapping[int, str]] = MappingProxyType(
    {
        100: "Segment sequence error",
        101: "Required field missing",
        102: "Data type error",
        103: "Table value not found",
        200: "Unsupported message type",
        201: "Unsupported event code",
        202: "Unsupported processing id",
        203: "Unsupported version id",
        204: "Unknown key identifier",
        205: "Duplicate key identifier",
        206: "Application record locked",
        207: "Application internal error",
    }
)
"""Table 0357, for ERR-3."""

APPLICATION_TABLE: Final = "applicationErrorCondition"

APPLICATION_ERRORS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "900": "Version du document incorrecte lors d'une demande de remplacement/suppression",
        "901": "Auteur non autorisé à remplacer ou supprimer un document",
        "902": "Identifiant patient inconnu",
        "903": "INS non présent dans le document",
        "904": "L'INS transmis ne correspond pas exactement à celui stocké dans la base du consommateur",
        "905": "L'INS transmis n'est pas complet",
        "906": "Autre erreur",
    }
)
"""Codes of ERR-5 beside ERR-3 = 207 (CI-SIS « Transmission de documents CDA en HL7v2 » 2.1, codes d'erreur).

Only 906 follows from the message alone and stands in an answer given before the message is processed.
"""

MOST_SEGMENTS: Final[Mapping[str, int]] = MappingProxyType(
    {"PID": 50, "MRG": 50, "OBR": 1_000, "SCH": 50, "TXA": 50, "MFE": 1_000}
)
"""How many of a segment one message may hold (promise P9): beyond it is no message about a patient, but a load."""

MOST_REPETITIONS: Final = 100
"""Repetitions that an identifier or name field may hold (promise P9)."""

MOST_SHARED_NOTES: Final = 20
"""Comments on a specimen that are shown with each report on it (promise P9); all are kept with the message."""

REPEATED_FIELDS: Final[Mapping[str, tuple[int, ...]]] = MappingProxyType(
    {"PID": (3, 5, 11, 18, 21, 32), "MRG": (1, 3, 4, 5), "SCH": (1, 2, 4, 23, 24), "STF": (2,)}
)
