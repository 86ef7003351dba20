"""What a message says of orders and results."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from gateway.facts.identity import Identifier, Patient
from gateway.facts.priority import Priority
from gateway.facts.remark import Remark


class OrderAct(StrEnum):
    """What the message does to the order (HL7 table 0119)."""

    REQUEST = "request"
    CHANGE = "change"
    CANCEL = "cancel"


@dataclass(frozen=True, slots=True)
class OrderReported:
    """An examination was ordered, changed or cancelled: what a result that comes back is held against.

    Attributes:
        patient: the patient.
        keys: numbers of the order: the filler's, then the placer's; any of them finds it.
        act: what the message does.
        codes: what was ordered: codes of the examinations (OBR-4.1).
        label: the same, for people.
        ordering_unit: unit that ordered (ORC-17, OBR-16 organisation, ORC-13, else PV1-3).
        requester: who ordered, as shown to people (OBR-16, ORC-12).
        priority: how urgent.
        resulted: a result of it has come.
        asked_at: when it was told first; None in a message.

    """

    patient: Patient
    keys: tuple[Identifier, ...]
    act: OrderAct
    codes: tuple[str, ...] = ()
    label: str = ""
    ordering_unit: str = ""
    requester: str = ""
    priority: Priority = Priority.ROUTINE
    resulted: bool = False
    asked_at: datetime | None = None

    @property
    def expects(self) -> bool:
        """Whether a result of it is still to come."""
        return not self.resulted and self.act is not OrderAct.CANCEL


class ResultStatus(StrEnum):
    """Status of a report or of one observation (HL7 tables 0085 and 0123, the worse of the two wins)."""

    PRELIMINARY = "preliminary"
    FINAL = "final"
    CORRECTED = "corrected"
    WITHDRAWN = "withdrawn"
    UNOBTAINABLE = "unobtainable"
    UNKNOWN = "unknown"


class Abnormality(StrEnum):
    """Grade of OBX-8; what is not understood is "unclassified", never "normal"."""

    CRITICAL = "critical"
    ABNORMAL = "abnormal"
    NORMAL = "normal"
    UNCLASSIFIED = "unclassified"


_GRAVITY = (Abnormality.NORMAL, Abnormality.UNCLASSIFIED, Abnormality.ABNORMAL, Abnormality.CRITICAL)


def graver(grades: Iterable[Abnormality]) -> Abnormality:
    """Give the worst grade; unclassified if there is none."""
    return max(grades, key=_GRAVITY.index, default=Abnormality.UNCLASSIFIED)


@dataclass(frozen=True, slots=True)
class Observation:
    """One OBX.

    Attributes:
        code: OBX-3.1.
        label: OBX-3.2.
        sub_id: OBX-4.
        value: OBX-5 as sent, decoded.
        unit: OBX-6.1.
        reference_range: OBX-7.
        abnormality: grade of OBX-8.
        status: OBX-11.
        notes: comments on this line (NTE behind the OBX), one a line.
        stands: made final without being sent again (OBX-11 = U): the value told before stands.

    """

    code: str
    label: str
    sub_id: str
    value: str
    unit: str = ""
    reference_range: str = ""
    abnormality: Abnormality = Abnormality.UNCLASSIFIED
    status: ResultStatus = ResultStatus.UNKNOWN
    notes: str = ""
    stands: bool = False


@dataclass(frozen=True, slots=True)
class ResultReported:
    """A laboratory or examination result for one order (one OBR).

    Attributes:
        patient: the patient.
        key: the report: filler order number (OBR-3, else OBR-2 / ORC-3) and battery (OBR-4) in one value.
        code: battery code (OBR-4.1).
        label: battery name (OBR-4.2).
        status: worst of OBR-25 and the OBX-11.
        observations: the lines.
        ordering_unit: unit that ordered (PRT that directs it, ORC-17, OBR-16 organisation, ORC-13), else its order's.
        location: where the patient is (PV1-3).
        priority: from TQ1-9 / OBR-27.6 / OBR-5, and critical values.
        abnormality: worst grade of the lines.
        orders: numbers of the order: the filler's, then the placer's (OBR-3, ORC-3, OBR-2, ORC-2).
        requester: who asked for it, as shown to people (OBR-16, ORC-12), else its order's.
        requester_key: the number of who asked for it; by it the directory knows a unit where nothing else does.
        stay_unit: unit where the patient is (PV1-3, PV1-10): where it goes when nobody says who ordered.
        copies: units that are to receive a copy (PRT that direct it elsewhere as well, OBR-28 organisations).
        specimen: what was examined, as shown to people (SPM-4, OBR-15).
        notes: comments on the report as a whole (NTE behind the OBR), one a line.
        remarks: what was odd in what was told last.

    """

    patient: Patient
    key: Identifier
    code: str
    label: str
    status: ResultStatus
    observations: tuple[Observation, ...] = ()
    ordering_unit: str = ""
    location: str = ""
    priority: Priority = Priority.ROUTINE
    abnormality: Abnormality = Abnormality.UNCLASSIFIED
    orders: tuple[Identifier, ...] = ()
    requester: str = ""
    requester_key: Identifier | None = None
    stay_unit: str = ""
    copies: tuple[str, ...] = ()
    specimen: str = ""
    notes: str = ""
    remarks: tuple[Remark, ...] = ()
