"""What a message says of stays, and of movements within them."""

from dataclasses import dataclass, fields, replace
from datetime import datetime
from enum import StrEnum

from gateway.facts.identity import Identifier, Patient
from gateway.facts.remark import Remark


class VisitState(StrEnum):
    """Where a stay stands after a movement."""

    PLANNED = "planned"
    ADMITTED = "admitted"
    ON_LEAVE = "on-leave"
    """Admitted, and out for a while (A21, permission)."""
    DISCHARGED = "discharged"
    CANCELLED = "cancelled"


class MovementAct(StrEnum):
    """What a message does to a movement (ZBE-4, else by its event)."""

    INSERT = "insert"
    UPDATE = "update"
    CANCEL = "cancel"
    """The movement never was; what is told with it is where the stay stands again."""


class Pending(StrEnum):
    """What is expected to happen to a stay."""

    TRANSFER = "transfer"
    DISCHARGE = "discharge"


@dataclass(frozen=True, slots=True)
class Expected:
    """A transfer or discharge that was announced (A15, A16) and has neither come nor been taken back (A26, A25).

    Attributes:
        what: which of them.
        at: when; None: not told.
        place: where to, as sent; empty: not told.
        unit: unit of that place.

    """

    what: Pending
    at: datetime | None = None
    place: str = ""
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Circumstances:
    """How a patient came and went, by the codes of the sender (PAM.FR 2.11, ZFM and ZFV); an empty text is "not told".

    Attributes:
        entry_mode: mode of entry, PMSI (ZFM-1).
        exit_mode: mode of exit, PMSI (ZFM-2).
        origin_mode: where from, PMSI (ZFM-3).
        destination_mode: where to, PMSI (ZFM-4).
        came_from: establishment of origin (ZFV-1).
        transport: how the patient leaves (ZFV-2).

    """

    entry_mode: str = ""
    exit_mode: str = ""
    origin_mode: str = ""
    destination_mode: str = ""
    came_from: str = ""
    transport: str = ""

    def over(self, before: "Circumstances") -> "Circumstances":
        """Give them with those told before where they say nothing (HL7 2.5.1 §2.5.3)."""
        unsaid = {f.name: getattr(before, f.name) for f in fields(self) if not getattr(self, f.name)}
        return replace(self, **unsaid) if before != NO_CIRCUMSTANCES else self


NO_CIRCUMSTANCES = Circumstances()


@dataclass(frozen=True, slots=True)
class Movement:
    """A movement of a stay as one message tells it.

    Attributes:
        source: who told it.
        message: in which message.
        told_at: when it was told; its reception where the message says nothing.
        act: what the message does to the movement.
        id: the movement's key (ZBE-1); empty where the sender numbers none.
        event: event that made the movement (ZBE-6 of a correction).
        state: where the stay stands after it; None: it leaves that as it was (A54).
        patient_class: PV1-2.
        unit: medically responsible unit.
        care_unit: unit responsible for the care.
        location: point of care.
        start: begin, or planned date of a pre-admission.
        moved_at: when the stay came to stand so.
        historic: ZBE-5 = Y.
        circumstances: how the patient came and went.
        expected: what the message announces.
        remarks: what was odd in what was told.

    """

    source: str
    message: int
    told_at: datetime
    act: MovementAct
    id: str
    event: str
    state: VisitState | None
    patient_class: str
    unit: str
    care_unit: str
    location: str
    start: datetime | None
    moved_at: datetime | None
    historic: bool
    circumstances: Circumstances = NO_CIRCUMSTANCES
    expected: tuple[Expected, ...] = ()
    remarks: tuple[Remark, ...] = ()


@dataclass(frozen=True, slots=True)
class StayMoved:
    """A stay was entered under the wrong patient, and is another's (A44, A45).

    Attributes:
        patient: whose it is.
        former: the number under which it was entered (MRG-1).
        numbers: numbers of the stay: what it has now (PID-18, PV1-19), then what it had (MRG-3, MRG-5).

    """

    patient: Patient
    former: Identifier
    numbers: tuple[Identifier, ...]


@dataclass(frozen=True, slots=True)
class VisitReported:
    """A stay or an out-patient visit began, moved, ended or was cancelled; kept, how the stay stands now.

    Attributes:
        patient: the patient.
        visit: visit number (PID-18 NDA, else PV1-19).
        state: where the stay stands now; None: the message leaves that as it was (A54), or it is not known.
        patient_class: PV1-2 (I, O, E, ...).
        unit: responsible unit code (ZBE-7, else PV1-3.1, PV1-10).
        location: point of care as sent (PV1-3).
        start: begin of this movement, or planned date of a pre-admission.
        movement: the movement's key (ZBE-1), if any.
        historic: ZBE-5 = Y: enters history without re-routing.
        moved_at: when the stay came to stand so; orders a source's movements of one stay (promise P3).
        act: what the message does to the movement.
        event: event that made the movement.
        care_unit: unit responsible for the care (ZBE-8).
        circumstances: how the patient came and went (ZFM, ZFV).
        expected: what is expected to happen to it.
        remarks: what was odd in what was told last.
        confidential: nobody at home is to learn of it (PV2-22, PV1-16).
        former: identities from which the stay was moved; what was told of it before is about them.
        movements: what was told of the stay's movements, in the order of telling; empty in a message.

    """

    patient: Patient
    visit: Identifier
    state: VisitState | None
    patient_class: str = ""
    unit: str = ""
    location: str = ""
    start: datetime | None = None
    movement: str = ""
    historic: bool = False
    moved_at: datetime | None = None
    act: MovementAct = MovementAct.INSERT
    event: str = ""
    care_unit: str = ""
    movements: tuple[Movement, ...] = ()
    circumstances: Circumstances = NO_CIRCUMSTANCES
    former: tuple[str, ...] = ()
    expected: tuple[Expected, ...] = ()
    remarks: tuple[Remark, ...] = ()
    confidential: bool = False
