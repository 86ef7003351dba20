"""HL7 v2 code tables as the gateway reads them: frozen data, each with its source; no behaviour.

Events are those of HL7 2.5.1 chapters 3 (ADT), 7 (ORU), 9 (MDM) and 10 (SIU), and of IHE PAM.FR 2.11 (Z99).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from gateway.facts import (
    Abnormality,
    AppointmentAct,
    AppointmentStatus,
    Carrier,
    DocumentAct,
    EntryKind,
    MovementAct,
    OrderAct,
    Pending,
    Priority,
    ResourceKind,
    ResultStatus,
    VisitState,
)

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

# Identity -----------------------------------------------------------------------------------------------------------

PATIENT_TYPES: Final = frozenset({"", "PI", "PT", "MR"})
"""Table 0203: types of CX-5 that number a patient in a domain; PAM.FR has PI, other senders MR, PT or none."""

OTHER_TYPES: Final = frozenset(
    {
        *(
            "AN",
            "ANC",
            "ANON",
            "ANT",
            "BA",
            "BC",
            "BCFN",
            "BR",
            "DL",
            "EI",
            "EN",
            "FI",
            "GI",
            "HC",
            "JHN",
            "LN",
            "MA",
            "MC",
        ),
        *(
            "MCD",
            "MCR",
            "NDA",
            "NDP",
            "NH",
            "NI",
            "NIIP",
            "NNFRA",
            "NP",
            "PE",
            "PEN",
            "PN",
            "PPN",
            "PRC",
            "RI",
            "RRI",
            "SL",
        ),
        *("SN", "SR", "SS", "TAX", "U", "UPIN", "VN", "VS", "WC", "XV", "XX"),
    }
)
"""Table 0203: types of CX-5 that number something else than a patient of a hospital, or identify by another's rules."""

PATIENT_ATTRIBUTES: Final = frozenset(
    {
        *("DOUB", "DESA", "DPOT", "DOUA", "COLP", "COLV", "FILI", "CACH", "ANOM", "IDVER", "RECD", "IDRA", "USUR"),
        *("HOMD", "HOMA", "INVA", "FICT", "DOUT"),
    }
)
"""Table 0445-FR (PAM.FR 2.11, PID-32) without the statuses VIDE, PROV and VALI."""

OBTAINED_BY: Final = frozenset({"SM", "CV", "INSI", "CB", "RFID"})
"""ZFD-5 (PAM.FR 2.11): how the traits of an identity were obtained."""

PROOFS: Final = frozenset({"AN", "CC", "CE", "CM", "CN", "CS", "LE", "PA", "PC", "TC", "AV", "DC", "AC", "IE"})
"""ZFD-7 (PAM.FR 2.11): documents that an identity is established by."""

PROVISIONAL_ATTRIBUTES: Final = frozenset({"DOUT", "FICT"})
"""Attributes that only a provisional identity has (RNIV 1, EXI SI 09)."""

# Message types ------------------------------------------------------------------------------------------------------

IGNORED_TYPES: Final[Mapping[str, str]] = MappingProxyType(
    {"ACK": "acknowledgment", "BAR": "billing", "DFT": "billing"}
)
"""Message types that are taken and left aside, with the rule's name."""

QUERY_TYPES: Final = frozenset({"QBP", "QCN", "QRY", "QSB", "QVR", "QSX", "SPQ", "VQQ", "EQQ", "RQA", "SQM", "SQR"})
"""Queries: the gateway tells what happened and is not asked (2.5.1 chapter 5; schedule queries of chapter 10)."""

SOLE_EVENTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        **{f"ADT_{e}": e for e in ("A02", "A03", "A15", "A16", "A17", "A18", "A20", "A24", "A37", "A38", "A60")},
        "ORU_R01": "R01",
    }
)
"""Table 0354: message structures that only one trigger event has, so that MSH-9.3 alone names the event."""

SOLE_EVENT_OF_TYPE: Final[Mapping[str, str]] = MappingProxyType({"ORU": "R01"})
"""2.1 and 2.2 name a result ORU and nothing more."""


@dataclass(frozen=True, slots=True)
class AdtRule:
    """What an ADT event says.

    Attributes:
        correction: it is meant to change traits.
        movement: it makes, changes or takes back a movement of the stay.
        state: where the stay stands after it; None: it leaves that as it was.
        expects: what it announces, and changes nothing of the stay yet; taken back by the event that cancels it.
        cancels: events one of which it takes back, the usual one first; empty if it makes a movement.
        merge: the identifiers of MRG are retired.
        moves: the stay of MRG is that of PID.
        change: the identifiers of MRG were replaced by those of PID-3.
        by_hand: why a person must do it; empty if the gateway can.
        ignored: name of the rule by which it is left aside; empty if it is in scope.

    """

    correction: bool = False
    movement: bool = False
    state: VisitState | None = None
    expects: Pending | None = None
    cancels: tuple[str, ...] = ()
    merge: bool = False
    moves: bool = False
    change: bool = False
    by_hand: str = ""
    ignored: str = ""


def _moves(state: VisitState | None, *cancels: str) -> AdtRule:
    return AdtRule(movement=True, state=state, cancels=cancels)


_PATIENT = AdtRule()
_CORRECTION = AdtRule(correction=True)
_PLANNED = _moves(VisitState.PLANNED)
_ADMITTED = _moves(VisitState.ADMITTED)
_MERGE = AdtRule(merge=True)
_CHANGE = AdtRule(correction=True, change=True)
_MOVE = AdtRule(moves=True)
_MOVE_NUMBER = AdtRule(by_hand="a number moves from one patient to another, with all that came by it: a person does it")
_RENUMBER = AdtRule(moves=True)
_MERGE_STAYS = AdtRule(by_hand="accounts or stays are merged, or another number of theirs changed: a person does it")
_TRACKING = AdtRule(ignored="adt-tracking")

ADT_EVENTS: Final[Mapping[str, AdtRule]] = MappingProxyType(
    {
        "A01": _ADMITTED,
        "A02": _ADMITTED,
        "A03": _moves(VisitState.DISCHARGED),
        "A04": _ADMITTED,
        "A05": _PLANNED,
        "A06": _ADMITTED,
        "A07": _ADMITTED,
        "A08": _CORRECTION,
        "A09": _TRACKING,
        "A10": _TRACKING,
        "A11": _moves(VisitState.CANCELLED, "A01", "A04"),
        "A12": _moves(VisitState.ADMITTED, "A02"),
        "A13": _moves(VisitState.ADMITTED, "A03"),
        "A14": _PLANNED,
        "A15": AdtRule(movement=True, expects=Pending.TRANSFER),
        "A16": AdtRule(movement=True, expects=Pending.DISCHARGE),
        "A17": _ADMITTED,
        "A18": _MERGE,
        "A20": AdtRule(ignored="adt-bed-status"),
        "A21": _moves(VisitState.ON_LEAVE),
        "A22": _ADMITTED,
        "A24": _PATIENT,
        "A25": AdtRule(movement=True, expects=Pending.DISCHARGE, cancels=("A16",)),
        "A26": AdtRule(movement=True, expects=Pending.TRANSFER, cancels=("A15",)),
        "A27": _moves(VisitState.CANCELLED, "A14"),
        "A28": _PATIENT,
        "A30": _MERGE,
        "A31": _CORRECTION,
        "A32": _TRACKING,
        "A33": _TRACKING,
        "A34": _MERGE,
        "A35": _MERGE_STAYS,
        "A36": _MERGE,
        "A37": _PATIENT,
        "A38": _moves(VisitState.CANCELLED, "A05"),
        "A39": _MERGE,
        "A40": _MERGE,
        "A41": _MERGE_STAYS,
        "A42": _MERGE_STAYS,
        "A43": _MOVE_NUMBER,
        "A44": _MOVE,
        "A45": _MOVE,
        "A46": _CHANGE,
        "A47": _CHANGE,
        "A48": _CHANGE,
        "A49": _RENUMBER,
        "A50": _RENUMBER,
        "A51": _MERGE_STAYS,
        "A52": _moves(VisitState.ADMITTED, "A21"),
        "A53": _moves(VisitState.ON_LEAVE, "A22"),
        "A54": _moves(None),
        "A55": _moves(None, "A54"),
        "A60": AdtRule(ignored="adt-allergies"),
        "A61": _PATIENT,
        "A62": _PATIENT,
        "Z99": _PATIENT,
    }
)
"""2.5.1 §3.3 and PAM.FR 2.11. Absent on purpose, so refused: A23 and A29 delete what a transit must not delete.

A54 and A55 change the physician, in PAM.FR with the responsible units (ZBE-7, ZBE-8), and leave where the stay stands.
"""

MOVED_VISITS: Final = frozenset({"A45", "A50"})
"""Events about visits (PV1-19, MRG-5) and not a whole account (PID-18, MRG-3; 2.5.1 §3.3.44, §3.3.45, §3.3.49)."""

RENUMBERED: Final = frozenset({"A49", "A50"})
"""Events that give an account or a visit of one patient another number (2.5.1 §3.3.49, §3.3.50): they move nothing."""

LINKS: Final = frozenset({"A24", "A37"})
"""Events that link or unlink the patients of two PID segments (2.5.1 §3.3.24, §3.3.37)."""

CANCELLED_BY: Final[Mapping[str, str]] = MappingProxyType(
    {cancelled: event for event, rule in ADT_EVENTS.items() for cancelled in rule.cancels}
)
"""The event that ZBE-4 = CANCEL makes of another (PAM.FR, ITI-31); what has none is taken back as it was made."""

MADE_AS: Final[Mapping[str, str]] = MappingProxyType({"A04": "A01"})
"""Events under which a movement is kept with those that the same event (A11) takes back."""

MOVEMENT_ACTIONS: Final[Mapping[str, MovementAct]] = MappingProxyType(
    {"INSERT": MovementAct.INSERT, "UPDATE": MovementAct.UPDATE, "CANCEL": MovementAct.CANCEL}
)
"""ZBE-4 (PAM.FR)."""

MOVEMENT_NATURES: Final = frozenset({"S", "H", "M", "L", "D", "SM", "SH", "MH", "LD", "HMS", "C", "MC", "MHC", "HMSC"})
"""ZBE-9 (PAM.FR): what changes, of M the medical responsibility, S care, H lodging, L bed, D the administrative terms;
C corrects the stay without a movement (Z99); its compounds are not of the profile, and sent all the same."""

# Scheduling ---------------------------------------------------------------------------------------------------------

_S = AppointmentStatus
_OPEN = frozenset({_S.PROPOSED, _S.PENDING, _S.WAITLIST, _S.BOOKED})


@dataclass(frozen=True, slots=True)
class SiuRule:
    """What a SIU event does.

    Attributes:
        act: what it does to the appointment.
        status: status after it, if SCH-25 says nothing or contradicts it.
        allowed: statuses of SCH-25 that do not contradict it.

    """

    act: AppointmentAct
    status: AppointmentStatus
    allowed: frozenset[AppointmentStatus]


SIU_EVENTS: Final[Mapping[str, SiuRule]] = MappingProxyType(
    {
        "S12": SiuRule(AppointmentAct.BOOK, _S.BOOKED, _OPEN | {_S.ARRIVED, _S.CHECKED_IN, _S.FULFILLED}),
        "S13": SiuRule(AppointmentAct.CHANGE, _S.BOOKED, _OPEN),
        "S14": SiuRule(AppointmentAct.CHANGE, _S.BOOKED, frozenset(_S)),
        "S15": SiuRule(AppointmentAct.CANCEL, _S.CANCELLED, frozenset({_S.CANCELLED, _S.ENTERED_IN_ERROR})),
        "S16": SiuRule(AppointmentAct.CANCEL, _S.CANCELLED, frozenset({_S.CANCELLED})),
        "S17": SiuRule(AppointmentAct.CANCEL, _S.ENTERED_IN_ERROR, frozenset({_S.CANCELLED, _S.ENTERED_IN_ERROR})),
        **dict.fromkeys(("S18", "S19", "S20", "S21", "S22"), SiuRule(AppointmentAct.CHANGE, _S.BOOKED, frozenset(_S))),
        "S26": SiuRule(AppointmentAct.CHANGE, _S.NOSHOW, frozenset({_S.NOSHOW})),
    }
)
"""2.5.1 §10.4. S18 to S22 change the services and resources of an appointment."""

RESOURCE_SEGMENTS: Final[Mapping[str, tuple[ResourceKind, int]]] = MappingProxyType(
    {
        "AIS": (ResourceKind.SERVICE, 4),
        "AIL": (ResourceKind.PLACE, 6),
        "AIP": (ResourceKind.PERSON, 6),
        "AIG": (ResourceKind.THING, 8),
    }
)
"""Resource segments (2.5.1 §10.6), in the order in which their starts are believed: kind, and field of the start."""

REMOVED: Final = "D"
"""Table 0206 (RGS-2, AIx-2): the resource, or the group, is taken off the appointment."""

INCREMENTAL: Final = frozenset({"S18", "S19", "S20", "S21", "S22"})
"""Events that name the resources that are added, changed or taken off, and no others."""

TAKES_OFF: Final = frozenset({"S20", "S21", "S22"})
"""Of these, the events that cancel, discontinue or delete a resource, whose segment need not say so by its code."""

SIU_IGNORED: Final[Mapping[str, str]] = MappingProxyType(
    {
        **dict.fromkeys(("S18", "S19", "S20", "S21", "S22"), "siu-resources"),
        **dict.fromkeys(("S23", "S24", "S25"), "siu-slots"),
    }
)
"""Events about a session's resources, where no patient is concerned, and about blocked slots, with the rule's name."""

FILLER_STATUSES: Final[Mapping[str, AppointmentStatus | None]] = MappingProxyType(
    {
        "PENDING": _S.PENDING,
        "WAITLIST": _S.WAITLIST,
        "BOOKED": _S.BOOKED,
        "STARTED": _S.CHECKED_IN,
        "COMPLETE": _S.FULFILLED,
        "CANCELLED": _S.CANCELLED,
        "DELETED": _S.ENTERED_IN_ERROR,
        "NOSHOW": _S.NOSHOW,
        "DISCONTINUED": None,
        "BLOCKED": None,
        "OVERBOOK": None,
    }
)
"""Table 0278 (SCH-25) in capitals, and the FHIR R4 status; None where FHIR has none."""

NOT_SERVICES: Final = frozenset(
    {"CHECKUP", "EMERGENCY", "FOLLOWUP", "ROUTINE", "WALKIN", "NORMAL", "TENTATIVE", "COMPLETE"}
)
"""Tables 0276 and 0277 in capitals: reasons and types that name no service."""

EMERGENCY: Final = "EMERGENCY"
"""The reason of table 0276 that makes an appointment urgent."""

DURATION_SECONDS: Final[Mapping[str, int]] = MappingProxyType(
    {
        **dict.fromkeys(("", "M", "MN", "MIN", "MINS", "MINUTE", "MINUTES"), 60),
        **dict.fromkeys(("S", "SEC", "SECOND", "SECONDS", "SECONDE", "SECONDES"), 1),
        **dict.fromkeys(("H", "HR", "HRS", "HOUR", "HOURS", "HEURE", "HEURES"), 3600),
    }
)
"""Units of a duration in capitals (ISO+ and what senders write), in seconds; minutes when none is given."""

PATIENT_NOTES: Final = frozenset({"PI", "GI"})
"""Table 0364: patient and general instructions; other notes are not for the patient."""

# Orders and results -------------------------------------------------------------------------------------------------

RESULT_EVENTS: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {"ORU": frozenset({"R01"}), "OUL": frozenset({"R22", "R23", "R24"})}
)
"""Messages with results: per order, per specimen (R22), container (R23) or order (R24) (2.5.1 §7.3)."""

SPECIMEN_FIRST: Final = frozenset({"R22", "R23", "O33"})
"""Events whose specimens stand before the orders on them (OUL_R22, OUL_R23, OML_O33)."""

ORDERS: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {"ORM": frozenset({"O01"}), "OMG": frozenset({"O19"}), "OML": frozenset({"O21", "O33"})}
)
"""Messages with orders: general (ORM, OMG), laboratory per order (O21) or specimen (O33) (2.5.1 §4.4)."""

ORDER_EVENTS: Final = frozenset(event for events in ORDERS.values() for event in events)
"""Order messages, in which a second PID begins results of before (PATIENT_PRIOR)."""

_ORDER_CONTROLS: Final = {
    OrderAct.REQUEST: "NW NA NR OK SN PA CH RE RP RO RU RQ RF AF FU IN",
    OrderAct.CHANGE: "XO XR XX UX UC UD SC SR HD HR OH UH RL OR CN DE DF LI UN PY SS RR",
    OrderAct.CANCEL: "CA CR OC DC DR OD UA",
}

ORDER_CONTROLS: Final[Mapping[str, OrderAct]] = MappingProxyType(
    {code: act for act, codes in _ORDER_CONTROLS.items() for code in codes.split()}
)
"""Table 0119 (ORC-1)."""

OTHER_REQUESTS: Final = ("RXO", "RXE", "RXD", "RXG", "RXA", "ODS", "ODT", "RQD", "RQ1", "BPO")
"""Segments of orders that no result answers: medicines, diets, supplies, blood products."""

FORMER_RESULTS: Final = frozenset({"PR"})
"""Table 0119 (ORC-1): previous results that go along with a new order."""

COMMON_BEHIND: Final = frozenset({"R22", "R23", "R24"})
"""Events in which an ORC stands behind its OBR (OUL)."""

PRIORITIES: Final[Mapping[str, Priority]] = MappingProxyType(
    {"S": Priority.STAT, "STAT": Priority.STAT, "A": Priority.URGENT, "ASAP": Priority.URGENT}
)
"""Table 0485 (TQ1-9) and its elders (OBR-5, OBR-27.6, SCH-11.6): what is more than routine."""

_R = ResultStatus

LINE_STATUSES: Final[Mapping[str, ResultStatus]] = MappingProxyType(
    {
        "P": _R.PRELIMINARY,
        "F": _R.FINAL,
        "U": _R.FINAL,
        "C": _R.CORRECTED,
        "D": _R.WITHDRAWN,
        "W": _R.WITHDRAWN,
        "X": _R.UNOBTAINABLE,
    }
)
"""Table 0085 (OBX-11); any other code is a status unknown."""

REPORT_STATUSES: Final[Mapping[str, ResultStatus]] = MappingProxyType(
    {**LINE_STATUSES, "A": _R.PRELIMINARY, "R": _R.PRELIMINARY}
)
"""Table 0123 (OBR-25), where A is "some of the results", R "not yet verified"; senders use those of 0085 as well."""

MADE_FINAL: Final = "U"
"""Table 0085: final without being sent again: the value told before stands."""

NOT_RESULTS: Final = frozenset({"O", "N"})
"""Table 0085: lines that describe the order or were not asked for; they carry no status of a result."""

ABNORMALITIES: Final[Mapping[str, Abnormality]] = MappingProxyType(
    {
        **dict.fromkeys(("HH", "LL", "AA"), Abnormality.CRITICAL),
        **dict.fromkeys(("A", "H", "L", "R", ">", "<"), Abnormality.ABNORMAL),
        "N": Abnormality.NORMAL,
    }
)
"""Table 0078 (OBX-8); any other code is unclassified, never normal."""

CODED_TYPES: Final = frozenset({"CE", "CWE", "CNE", "CF"})
"""OBX-2 of values with a code and a text."""

ENCAPSULATED: Final = "ED"
"""OBX-2 of embedded content."""

# Documents ----------------------------------------------------------------------------------------------------------

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

# Master files -------------------------------------------------------------------------------------------------------

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

# Segments -----------------------------------------------------------------------------------------------------------

READ_SEGMENTS: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {
        "ADT": frozenset({"MSH", "EVN", "PID", "PD1", "MRG", "PV1", "PV2", "ZBE", "ZFA", "ZFD", "ZFM", "ZFV"}),
        "SIU": frozenset({"MSH", "SCH", "TQ1", "NTE", "PID", "PD1", "PV1", "RGS", "AIS", "AIG", "AIL", "AIP"}),
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
