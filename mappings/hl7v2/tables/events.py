"""Message types, and what each ADT event does."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from gateway.facts import MovementAct, Pending, VisitState

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
_MOVE_NUMBER = AdtRule(
    by_hand="a number is to move from one patient (MRG) to another (PID) with what came by it, which is not followed: "
    "the identity desk unlinks or links, or admissions merges (A40); then resolve the message"
)
_RENUMBER = AdtRule(moves=True)
_MERGE_STAYS = AdtRule(
    by_hand="an account or stay (MRG-3, MRG-5) is to be one with another, which is not followed: both stay open until "
    "admissions cancels the one that is too many (A11, A38) or moves it (A44, A45); then resolve the message"
)
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
