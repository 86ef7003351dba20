"""What a work item is about: an appointment, a report, a document, a stay, a question; and what was ordered."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from gateway.differences import STRICT, Grade
from gateway.evidence import Evidence
from gateway.facts import (
    AppointmentReported,
    DocumentReported,
    Identifier,
    IdentifierKind,
    OrderReported,
    Patient,
    ResultReported,
    VisitReported,
)
from gateway.told import Told


class FocusKind(StrEnum):
    """Kind of object."""

    APPOINTMENT = "appointment"
    ORDER = "order"
    """It tells who asked for the result that comes back; nobody's work, unless none comes."""
    RESULT = "result"
    DOCUMENT = "document"
    VISIT = "visit"
    QUESTION = "question"
    DISCREPANCY = "discrepancy"
    """What departments tell of a record otherwise than admissions."""
    LETTERS = "letters"
    """Discharge letters that are expected of a patient."""
    NOTED = "noted"
    """What somebody at a desk or on the telephone asked for."""


class Doubt(StrEnum):
    """Why an identity needs a person."""

    UNKNOWN = "unknown"
    """Only a department has named this patient so far."""
    COLLISION = "collision"
    """One identifier, traits that contradict each other: perhaps two people."""
    SEVERAL = "several"
    """The identifiers of one message belong to different people."""
    INS_COLLISION = "ins-collision"
    """One INS, traits that contradict each other."""
    MISFILED = "misfiled"
    """A result or document under the number of another patient's (the trade's filing error)."""
    LINK_ASKED = "link-asked"
    """A link (A24) that is not followed: two numbers of one domain, or not for this source to say."""
    UNLINK_ASKED = "unlink-asked"
    """The same of an unlink (A37)."""
    MERGE_REFUSED = "merge-refused"
    """A source that is not admissions asked for a merge (EXI SI 36)."""
    DISCREPANCY = "discrepancy"
    """A department tells otherwise than admissions what may be accepted after analysis; no question, but listed."""
    BLOCKING_DISCREPANCY = "blocking-discrepancy"
    """The same of a strict trait."""
    FROZEN = "frozen"
    """A department names a record that is frozen: whose what it sends is, is to be said."""
    POSSIBLE_MATCH = "possible-match"
    """Records of other domains may be of the same person, says the matcher."""
    LINK_PROPOSED = "link-proposed"
    """The matcher finds one person of another domain, and does not link alone."""
    POSSIBLE_DOUBLE = "possible-double"
    """Another number of the same domain may be the same person's: admissions is to merge them (EXI SI 35 to 37)."""


BY_LIKENESS = frozenset({Doubt.POSSIBLE_MATCH, Doubt.LINK_PROPOSED, Doubt.POSSIBLE_DOUBLE})
"""Doubts that the matcher has, not the message."""


@dataclass(frozen=True, slots=True)
class Question:
    """A question to the identity desk.

    Attributes:
        doubt: why.
        other: the identity that the doubtful one was held against; empty if none.
        traits: names of the strict traits that contradict each other.
        answered: nothing is left to ask.
        waits_for: secretariats that are asked for information; the question waits for them.
        further: more identities that it may be, after ``other``.
        evidence: what the matcher knew; of a link that it made alone, on an answered question.

    """

    doubt: Doubt
    other: str = ""
    traits: tuple[str, ...] = ()
    answered: bool = False
    waits_for: tuple[str, ...] = ()
    further: tuple[str, ...] = ()
    evidence: Evidence | None = field(default=None, compare=False)

    @property
    def by_likeness(self) -> bool:
        """Whether the matcher asks, and what it knew is kept."""
        return self.doubt in BY_LIKENESS and self.evidence is not None

    @property
    def names(self) -> tuple[str, ...]:
        """The identities that it names, the likeliest first."""
        return (self.other, *self.further) if self.other else ()


@dataclass(frozen=True, slots=True)
class Discrepancy:
    """What one department tells of a patient otherwise than admissions.

    Attributes:
        source: the department's source.
        record: the record that its message belongs to.
        sent: traits and INS as it sent them.
        differs: names of the traits that differ, each with how much that matters.

    """

    source: str
    record: str
    sent: Patient
    differs: tuple[tuple[str, Grade], ...]

    @property
    def doubted(self) -> bool:
        """Whether a strict trait is contradicted, so that the identity desk is asked in any case."""
        return any(trait in STRICT for trait, _ in self.differs)


@dataclass(frozen=True, slots=True)
class Discrepancies:
    """What departments tell of one record of admissions otherwise, and the secretariats that are to know."""

    found: tuple[Discrepancy, ...]
    secretariats: tuple[str, ...]

    @property
    def traits(self) -> tuple[str, ...]:
        """The traits that differ, each once."""
        return tuple(dict.fromkeys(trait for d in self.found for trait, _ in d.differs))

    @property
    def doubt(self) -> Doubt:
        """As what it is listed: by its worst grade."""
        blocking = any(grade is Grade.BLOCKING for d in self.found for _, grade in d.differs)
        return Doubt.BLOCKING_DISCREPANCY if blocking else Doubt.DISCREPANCY


@dataclass(frozen=True, slots=True)
class EndedStay:
    """A stay that ended, and of which a discharge letter is expected.

    Attributes:
        stay: id of the stay.
        left_at: when the patient left.
        unit: responsible unit.
        location: point of care.
        patient_class: PV1-2.

    """

    stay: str
    left_at: datetime
    unit: str = ""
    location: str = ""
    patient_class: str = ""


@dataclass(frozen=True, slots=True)
class Letter:
    """A discharge letter that is signed: id of the document, and when it was told."""

    document: str
    at: datetime


AHEAD = timedelta(days=2)
"""How long before the patient leaves a discharge letter may be written."""


@dataclass(frozen=True, slots=True)
class Letters:
    """The discharge letters of one patient: of which stays, and which there are."""

    stays: tuple[EndedStay, ...] = ()
    written: tuple[Letter, ...] = ()

    @property
    def missing(self) -> tuple[EndedStay, ...]:
        """The stays without a letter; a letter is of the last stay without one that had ended, or was about to."""
        left = sorted(self.stays, key=lambda stay: (stay.left_at, stay.stay))
        for letter in sorted(self.written, key=lambda letter: (letter.at, letter.document)):
            ended = [stay for stay in left if stay.left_at <= letter.at + AHEAD]
            if ended:
                left.remove(ended[-1])
        return tuple(left)


@dataclass(frozen=True, slots=True)
class Noted:
    """What was noted by hand: a call, a visit, a note to a physician.

    Attributes:
        text: in the words of who noted it.

    """

    text: str


OwnFact = Question | Discrepancies | Letters | Noted
"""What no message tells, but the gateway makes of messages, or a person notes."""

ObjectFact = AppointmentReported | OrderReported | ResultReported | DocumentReported | VisitReported


@dataclass(frozen=True, slots=True)
class Held:
    """A fact about an object that has not come yet (a reschedule before its booking).

    Attributes:
        fact: the fact.
        told_at: its own time.
        source: who told it.
        message: in which message.
        received_at: when that message came; None: not known.
        claimed_at: its own time as the source gives it, which may be after its reception; None: not known.

    """

    fact: ObjectFact
    told_at: datetime | None
    source: str
    message: int
    received_at: datetime | None = None
    claimed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Focus:
    """One object as it stands.

    Attributes:
        id: logical id (UUID text).
        kind: kind of object.
        identity: the identity record that it came by; the person follows from it.
        version: rises with each fact applied.
        fact: the last fact applied; None on a placeholder that only holds facts for an object yet to come.
        message: number of the message that brought that fact, or first held one.
        told: who told it last, and when.
        held: facts that wait for the object.
        updated_at: aware instant of the last change.
        overdue: what waits has waited too long, or an order for its result, and a person is to see it.

    """

    id: str
    kind: FocusKind
    identity: str
    version: int
    fact: ObjectFact | OwnFact | None
    message: int
    told: Told
    updated_at: datetime
    held: tuple[Held, ...] = ()
    overdue: bool = False

    def waits_since(self, message: int | None = None) -> datetime:
        """Give since when what is held has waited, all of it or that of one message."""
        came = [h.received_at or self.updated_at for h in self.held if message in {None, h.message}]
        return min(came, default=self.updated_at)


@dataclass(frozen=True, slots=True)
class StoredAppointment:
    """An appointment as it stands.

    Attributes:
        id: logical id (UUID text).
        version: rises with each change.
        updated_at: aware instant of the last change.
        fact: the last fact that was applied.
        resource: the FHIR body that brought that fact, as received; empty if it came by HL7 v2, or was purged.
        made: whether the message that was asked about made it.

    """

    id: str
    version: int
    updated_at: datetime
    fact: AppointmentReported
    resource: bytes = b""
    made: bool = False


def question_key(identity: str) -> Identifier:
    """Give the key of the question about an identity."""
    return Identifier("question", identity)


def discrepancy_key(identity: str) -> Identifier:
    """Give the key of what departments tell of an identity otherwise than admissions."""
    return Identifier("discrepancy", identity)


def letters_key(identity: str) -> Identifier:
    """Give the key of the discharge letters of an identity's patient."""
    return Identifier("letters", identity)


LATE_ORDER = "/late-order"
"""Ends the authority of a key by which an order that comes late finds its results."""


def late_order_key(number: Identifier, code: str) -> Identifier:
    """Give the key by which an order that comes late finds the result of it: number of the order, and examination."""
    return Identifier(f"{number.authority}{LATE_ORDER}", f"{number.value}/{code}", IdentifierKind.OTHER)


def late_order_keys(order: OrderReported) -> tuple[Identifier, ...]:
    """Give the keys of the results of an order that came before it."""
    return tuple(late_order_key(number, code) for number in order.keys for code in order.codes)


def result_keys(order: OrderReported) -> tuple[Identifier, ...]:
    """Give the keys that results of an order may have: a number of it, and an examination."""
    return tuple(replace(number, value=f"{number.value}/{code}") for number in order.keys for code in order.codes)


def keys_of(fact: ObjectFact) -> tuple[FocusKind, tuple[Identifier, ...]]:
    """Give the kind of object that a fact is about and the keys that find it, the one it replaces included."""
    match fact:
        case AppointmentReported(keys=keys):
            return FocusKind.APPOINTMENT, keys
        case OrderReported(keys=keys):
            return FocusKind.ORDER, keys
        case ResultReported(key=key):
            return FocusKind.RESULT, (key,)
        case DocumentReported(numbers=numbers, replaces=replaced):
            return FocusKind.DOCUMENT, (*numbers, replaced) if replaced else numbers
        case VisitReported(visit=visit):
            return FocusKind.VISIT, (visit,)
