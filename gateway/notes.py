"""What is notable of a record by itself: the identity desk's lists of records (RNIV 1, RECO SI 02)."""

from enum import StrEnum

from gateway.facts import IdentifierKind, Patient
from gateway.identity import Identity, qualified_ins
from gateway.matching.dates import read_birth_date


class Note(StrEnum):
    """What is notable; as a whole in the order of the words."""

    HOMONYM = "homonyms"
    """Admissions says that another one bears these traits (HOMA, HOMD)."""
    IDENTIFIERS_CHANGED = "identifiers-changed"
    """The last time that its identifiers changed it was by an A47."""
    IMPUTED_DATE = "imputed-dates"
    """The date of birth is known in part, imputed (31/12 or 01/01: EXI PP 19), corrected, or of a lunar calendar."""
    INS_UNQUALIFIED = "ins-unqualified"
    """It came with an INS that finds nobody, for the identity is not qualifiée (PAM.FR 2.11, 6.6.15)."""
    MERGE_REQUESTED = "merges-to-follow"
    """Admissions was asked to merge it, and has not yet."""
    TWIN = "twins"
    """Of a multiple birth (PID-25)."""


def noted(identity: Identity) -> tuple[Note, ...]:
    """Give what is notable of a record in force; nothing of another, nor of the provisional one of a doubt."""
    if identity.retired or identity.origin is not None:
        return ()
    patient = identity.patient
    born = read_birth_date(patient.traits.birth_date)
    partial = bool(born.text) and not born.day
    said = {
        Note.HOMONYM: bool({"HOMA", "HOMD"} & patient.attributes),
        Note.IDENTIFIERS_CHANGED: identity.change is not None,
        Note.IMPUTED_DATE: partial
        or born.imputed
        or bool(patient.lunar_birth_date)
        or bool(patient.birth_date_corrected),
        Note.INS_UNQUALIFIED: _has_ins(patient) and qualified_ins(patient) is None,
        Note.MERGE_REQUESTED: any(request.other for request in identity.requests),
        Note.TWIN: bool(patient.traits.multiple_birth_rank),
    }
    return tuple(note for note, holds in said.items() if holds)


def _has_ins(patient: Patient) -> bool:
    return patient.ins_left_out or bool(patient.of_kind(IdentifierKind.INS))
