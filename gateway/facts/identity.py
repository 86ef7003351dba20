"""What a message says of who a patient is."""

from dataclasses import dataclass
from enum import StrEnum

from gateway.facts.contact import NO_CONTACT, Contact, Representative


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
        deceased: whether the patient died (PID-30, or a date of death); None: not told.
        mother: the mother's identifiers, of a newborn (PID-21).
        lunar_birth_date: day/month/year of a date of birth in a lunar calendar, as sent (ZFD-1).
        sms_consent: whether the patient takes short messages (ZFD-3); None: not told, so no.
        gestation_weeks: weeks of gestation at birth, of a newborn (ZFD-2).
        birth_date_corrected: the date of birth was corrected, so no INS goes with the identity (ZFD-4); None: not told.
        proof: by what the identity was established (ZFD-5 to ZFD-8).
        national_record: status of the national record, DMP, as sent (ZFA-1).
        contact: where and how the patient is reached.
        representatives: who speaks for a minor or a protected adult (NK1-7 = R); None: not told.
        ins_left_out: it came with an INS that was left out, for the identity is not qualifiée (PAM.FR 2.11, 6.6.15).

    """

    identifiers: tuple[Identifier, ...] = ()
    traits: Traits = Traits()
    status: IdentityStatus = IdentityStatus.PROVISOIRE
    attributes: frozenset[str] = frozenset()
    deceased: bool | None = None
    mother: tuple[Identifier, ...] = ()
    lunar_birth_date: str = ""
    sms_consent: bool | None = None
    gestation_weeks: int | None = None
    birth_date_corrected: bool | None = None
    proof: IdentityProof = NO_PROOF
    national_record: str = ""
    contact: Contact = NO_CONTACT
    representatives: tuple[Representative, ...] | None = None
    ins_left_out: bool = False

    def of_kind(self, kind: IdentifierKind) -> tuple[Identifier, ...]:
        """The identifiers of one kind, in the sender's order."""
        return tuple(i for i in self.identifiers if i.kind is kind)


NO_PATIENT = Patient()
"""Of a fact that is about nobody."""


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
