"""Facts: what a message says happened, in the hospital's words. Values are frozen; nothing here reads or writes.

Dates of birth are ISO texts as precise as the sender gave them (``1958``, ``1958-03``, ``1958-03-21``); instants are
aware datetimes.
"""

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from datetime import datetime
from enum import StrEnum


class IdentifierKind(StrEnum):
    """What an identifier identifies (HL7 table 0203, as PAM.FR uses it)."""

    PATIENT = "PI"
    """Patient internal identifier: an IPP, or a department's own number."""
    INS = "INS"
    """Matricule INS: recognised by its OID *and* its type, never the billing NIR (type NH)."""
    OTHER = "OTHER"
    """Any other (NH, NDP ...): kept with the message, never used to find a person."""


@dataclass(frozen=True, slots=True, order=True)
class Identifier:
    """A value in an identification domain.

    Attributes:
        authority: assigning authority: OID without ``urn:oid:``, else namespace, after the site's aliases.
        value: the identifier as sent, trimmed.
        kind: what it identifies.

    """

    authority: str
    value: str
    kind: IdentifierKind = IdentifierKind.PATIENT


class IdentityStatus(StrEnum):
    """The four exclusive statuses of RNIV 1 (§3.2.1, EXI SI 07)."""

    PROVISOIRE = "provisoire"
    RECUPEREE = "récupérée"
    VALIDEE = "validée"
    QUALIFIEE = "qualifiée"


@dataclass(frozen=True, slots=True)
class Traits:
    """Identity traits (RNIV 1 §3.1.4). An empty text is "not sent"; traits never have defaults (EXI SI 19).

    Attributes:
        birth_family_name: nom de naissance (PID-5 type L).
        used_family_name: nom utilisé (PID-5 type D).
        first_given_name: premier prénom de naissance.
        given_names: liste des prénoms de naissance, the first included.
        used_given_name: prénom utilisé.
        birth_date: ISO date, possibly partial.
        sex: ``M``, ``F`` or ``U``.
        birth_place_code: INSEE COG of commune or country; ``99999`` is unknown.
        multiple_birth_rank: rang gémellaire, empty for a single birth.

    """

    birth_family_name: str = ""
    used_family_name: str = ""
    first_given_name: str = ""
    given_names: str = ""
    used_given_name: str = ""
    birth_date: str = ""
    sex: str = ""
    birth_place_code: str = ""
    multiple_birth_rank: str = ""


@dataclass(frozen=True, slots=True)
class IdentityProof:
    """By what an identity was established (PAM.FR 2.11, ZFD-5 to ZFD-8); an empty text is "not told".

    Attributes:
        obtained_by: how its traits were obtained: SM, CV, INSI, CB, RFID.
        asked_on: ISO date on which the téléservice INSi was asked.
        document: the document of identity that was seen: AN, CC, CE, CM, CN, CS, LE, PA, PC, TC, AV, DC, AC, IE.
        expires_on: ISO date on which that document ends.

    """

    obtained_by: str = ""
    asked_on: str = ""
    document: str = ""
    expires_on: str = ""


NO_PROOF = IdentityProof()


@dataclass(frozen=True, slots=True)
class Patient:
    """The patient as one message shows them.

    Attributes:
        identifiers: all identifiers sent, in the sender's order.
        traits: identity traits.
        status: RNIV status that the sender declares (PID-32 with INS, FHIR identityStatus).
        attributes: RNIV and table 0445 attributes (HOMA, DOUT, FICT, CACH ...).
        deceased: PID-30 = Y, or a date of death.
        mother: the mother's identifiers, of a newborn (PID-21).
        lunar_birth_date: day/month/year of a date of birth in a lunar calendar, as sent (ZFD-1).
        sms_consent: whether the patient takes short messages (ZFD-3); None: not told, so no.
        gestation_weeks: weeks of gestation at birth, of a newborn (ZFD-2).
        birth_date_corrected: the date of birth was corrected, so no INS goes with the identity (ZFD-4); None: not told.
        proof: by what the identity was established (ZFD-5 to ZFD-8).
        national_record: status of the national record, DMP, as sent (ZFA-1).

    """

    identifiers: tuple[Identifier, ...] = ()
    traits: Traits = Traits()
    status: IdentityStatus = IdentityStatus.PROVISOIRE
    attributes: frozenset[str] = frozenset()
    deceased: bool = False
    mother: tuple[Identifier, ...] = ()
    lunar_birth_date: str = ""
    sms_consent: bool | None = None
    gestation_weeks: int | None = None
    birth_date_corrected: bool | None = None
    proof: IdentityProof = NO_PROOF
    national_record: str = ""

    def of_kind(self, kind: IdentifierKind) -> tuple[Identifier, ...]:
        """The identifiers of one kind, in the sender's order."""
        return tuple(i for i in self.identifiers if i.kind is kind)


class Priority(StrEnum):
    """How urgent an item is; stat outranks urgent outranks routine, and priority outranks age."""

    STAT = "stat"
    URGENT = "urgent"
    ROUTINE = "routine"


class IdentifierChange(StrEnum):
    """What a change of identifiers means (A47; PAM.FR 4.1, 4.4)."""

    NUMBER_REPLACED = "number-replaced"
    """Another IPP; the old one is retired by a fact of its own."""
    INS_REPLACED = "ins-replaced"
    """Another matricule INS."""
    INS_REMOVED = "ins-removed"
    """No matricule INS any more; the status is what the message says."""
    DEMOTED = "demoted"
    """No matricule INS any more, for the identity is no longer qualifiée but récupérée."""


@dataclass(frozen=True, slots=True)
class PatientReported:
    """Admissions or a department told who a patient is (A28, A31, A04 ..., A08)."""

    patient: Patient
    correction: bool = False
    """The message is meant to change traits (A31, A08, A47), so a difference is no contradiction."""
    change: IdentifierChange | None = None
    """What it means of the identifiers (A47)."""


@dataclass(frozen=True, slots=True)
class PatientMerged:
    """Admissions merged a retired identifier into the patient (A40; older A18, A34, A36)."""

    patient: Patient
    retired: Identifier


@dataclass(frozen=True, slots=True)
class PatientsLinked:
    """Two patients are said to be one person, or not to be one (A24, A37).

    Attributes:
        patient: the first of them.
        other: the second.
        apart: they are not one (A37).

    """

    patient: Patient
    other: Patient
    apart: bool = False


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


class Remark(StrEnum):
    """What whoever works on an item must know of how its message was understood."""

    STATUS_CONTRADICTED = "status-contradicted"
    """The status told contradicts the event, or the report its lines: which was taken is a rule's choice."""
    START_CONTRADICTED = "start-contradicted"
    """Several starts of one appointment were told."""
    REPLACES_NOTHING = "replaces-nothing"
    """A replacement names no other document."""
    UNAVAILABLE = "unavailable"
    """The document is obsolete, or not for patient care (TXA-19)."""
    RESTRICTED = "restricted"
    """Something limits the document's being sent (MASQUE_PS, INVISIBLE_PATIENT ...)."""
    VERSION_INCORRECT = "version-incorrect"
    """What the document replaces or withdraws is not known, or not the version in force."""
    AUTHOR_NOT_ALLOWED = "author-not-allowed"
    """Who replaces or withdraws the document may not do so."""
    PATIENT_UNKNOWN = "patient-unknown"
    """Nobody was known by the patient's identifiers when the document came."""
    INS_MISSING = "ins-missing"
    """The document came without an INS, and none is known of its patient."""
    INS_DIFFERS = "ins-differs"
    """The INS or the traits that came with the document are not those known of its patient."""
    INS_INCOMPLETE = "ins-incomplete"
    """The INS came without a trait that goes with it, or cut short."""
    MOVEMENT_CONTRADICTED = "movement-contradicted"
    """What a message says that it does to a movement contradicts its event, which was taken (ZBE-4)."""
    MOVEMENT_LATE = "movement-late"
    """A movement came behind later ones: it took its place in the stay's history and moved nobody."""
    TRANSFER_EXPECTED = "transfer-expected"
    """The patient is to be moved to another place (A15)."""
    DISCHARGE_EXPECTED = "discharge-expected"
    """The patient is to leave (A16)."""


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


class AppointmentStatus(StrEnum):
    """FHIR R4 appointmentstatus."""

    PROPOSED = "proposed"
    PENDING = "pending"
    BOOKED = "booked"
    ARRIVED = "arrived"
    FULFILLED = "fulfilled"
    CANCELLED = "cancelled"
    NOSHOW = "noshow"
    ENTERED_IN_ERROR = "entered-in-error"
    CHECKED_IN = "checked-in"
    WAITLIST = "waitlist"


class AppointmentAct(StrEnum):
    """What the message does to the appointment; a change of something never booked waits for its booking."""

    BOOK = "book"
    CHANGE = "change"
    CANCEL = "cancel"
    DECLARE = "declare"
    """The whole state as it stands (FHIR PUT): needs no earlier booking."""


class ResourceKind(StrEnum):
    """What an appointment needs (HL7 v2: AIS, AIG, AIL, AIP)."""

    SERVICE = "service"
    THING = "thing"
    PLACE = "place"
    PERSON = "person"


@dataclass(frozen=True, slots=True)
class Resource:
    """One service, thing, place or person of an appointment.

    Attributes:
        kind: which of them.
        code: its code; of a place, the unit; of a person, the number.
        text: the same, for people.

    """

    kind: ResourceKind
    code: str
    text: str


@dataclass(frozen=True, slots=True)
class AppointmentReported:
    """An agenda booked, changed or cancelled an appointment.

    Attributes:
        patient: the patient.
        keys: business identifiers (SCH-2 filler, SCH-1 placer, Appointment.identifier); any of them finds it.
        act: what the message does.
        status: status after it.
        start: start; None if not set yet.
        end: end, if known.
        unit: unit code that receives the patient.
        location: place, as shown to people.
        practitioner: practitioner, as shown to people.
        service_code: kind of appointment or exam.
        service_text: the same, for people.
        priority: how urgent.
        notes: instructions to the patient.
        resources: services, things, places and people, in the sender's order.
        taken_off: resources that are no longer of it.
        partial: the resources are told as changes to those known, not as all there are.
        reason: why it came to be so, for people (a cancellation's reason).
        group: number of the series that it was asked for in (SCH-4); it finds no appointment, for several share it.
        parents: numbers of the appointment of which it is a part: the filler's (SCH-24), then the placer's (SCH-23).
        remarks: what was odd in what was told last.

    """

    patient: Patient
    keys: tuple[Identifier, ...]
    act: AppointmentAct
    status: AppointmentStatus
    start: datetime | None = None
    end: datetime | None = None
    unit: str = ""
    location: str = ""
    practitioner: str = ""
    service_code: str = ""
    service_text: str = ""
    priority: Priority = Priority.ROUTINE
    notes: str = ""
    resources: tuple[Resource, ...] = ()
    taken_off: tuple[Resource, ...] = ()
    partial: bool = False
    reason: str = ""
    group: Identifier | None = None
    parents: tuple[Identifier, ...] = ()
    remarks: tuple[Remark, ...] = ()

    def named(self, kind: ResourceKind) -> tuple[Resource, ...]:
        """Give its resources of one kind."""
        return tuple(r for r in self.resources if r.kind is kind)


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


class DocumentAct(StrEnum):
    """What the message does to the document."""

    CREATE = "create"
    REPLACE = "replace"
    WITHDRAW = "withdraw"
    STATUS = "status"


class Carrier(StrEnum):
    """Who answers for a document that was sent out."""

    RECORD = "record"
    """The national record (DMP)."""
    MAIL = "mail"
    """The receiver's mail server (MSSanté)."""
    READER = "reader"
    """The receiver's own system, or the receiver."""


@dataclass(frozen=True, slots=True)
class DocumentReported:
    """A letter or report was written, replaced or withdrawn.

    Attributes:
        patient: the patient.
        key: the document (TXA-12).
        act: what the message does.
        replaces: the document that this one replaces (TXA-13), for REPLACE.
        type_code: document type (LOINC where TXA-2 or OBX-3 gives one).
        type_label: the same, for people.
        unit: unit that wrote it (TXA-9 / TXA-5 organisation, PV1-3, ORC-17).
        author: author, as shown to people.
        completion: TXA-17 as sent (DI, IP, PA, AU, LA ...).
        media_type: of the embedded content, e.g. ``application/pdf``; empty if none.
        size: decoded size of the embedded content, in bytes.
        sha256: hex digest of the embedded content; empty if none.
        title: the document's own title, as its CDA header has it.
        confidentiality: TXA-18, else of the CDA header, as sent (V, R, N, U ...).
        availability: TXA-19 as sent (AV, CA, OB, UN).
        restrictions: what limits its being sent (MASQUE_PS, INVISIBLE_PATIENT, INVISIBLE_REP_LEGAUX,
            CONNEXION_SECRETE); nothing is hidden from its author's secretary by them.
        copies: units to which it is directed beside its own (PRT).
        author_key: the author's number; only where the sender is told whether the author is known.
        carried_by: the message that carried it, by which its business acknowledgments name it.
        remarks: what was odd in what was told last.
        undelivered: who answered that it did not arrive, and has not answered otherwise since.

    """

    patient: Patient
    key: Identifier
    act: DocumentAct
    replaces: Identifier | None = None
    type_code: str = ""
    type_label: str = ""
    unit: str = ""
    author: str = ""
    completion: str = ""
    media_type: str = ""
    size: int = 0
    sha256: str = ""
    title: str = ""
    confidentiality: str = ""
    availability: str = ""
    restrictions: frozenset[str] = frozenset()
    copies: tuple[str, ...] = ()
    author_key: Identifier | None = None
    carried_by: Identifier | None = None
    undelivered: frozenset[Carrier] = frozenset()
    remarks: tuple[Remark, ...] = ()


@dataclass(frozen=True, slots=True)
class DocumentAnswered:
    """A document that was sent out arrived, was read, or was not (ZAM).

    Attributes:
        message: the message that carried it.
        carrier: who answers.
        arrived: whether it did.
        patient: nobody: the answer names the message alone.

    """

    message: Identifier
    carrier: Carrier
    arrived: bool
    patient: Patient = Patient()


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
    patient: Patient = Patient()


Fact = (
    PatientReported
    | PatientMerged
    | PatientsLinked
    | StayMoved
    | VisitReported
    | AppointmentReported
    | OrderReported
    | ResultReported
    | DocumentReported
    | DocumentAnswered
    | DirectoryTold
)


@dataclass(frozen=True, slots=True)
class Flag:
    """Something odd that was tolerated: path and rule, never a value."""

    path: str
    rule: str


@dataclass(frozen=True, slots=True)
class Translation:
    """What one message says.

    Attributes:
        facts: in the message's order; empty only if ``ignored`` says why.
        occurred_at: when the facts were told (EVN-2, else MSH-7); orders them within a source (promise P3). A movement
            has a time of its own (ZBE-2).
        ignored: name of the rule by which the message is out of scope; empty if it is in scope.
        flags: what was odd.
        segments: how many segments of each name came in.
        kept: names of segments that were kept and counted but that no rule reads (promise P5).
        departures: where the message departs from its source's profile.
        checked: its sender is to be told whether patient, author and version of its documents are those known here.

    """

    facts: tuple[Fact, ...] = ()
    occurred_at: datetime | None = None
    ignored: str = ""
    flags: tuple[Flag, ...] = ()
    segments: tuple[tuple[str, int], ...] = ()
    kept: tuple[str, ...] = ()
    departures: tuple[Flag, ...] = ()
    checked: bool = False
