"""What a document's sender is told of it beyond its being taken (CI-SIS, CDA en HL7v2 2.1, codes d'erreur 900 to 905).

It is found out when the message takes effect, against what is known until then, and it changes no effect: doubt never
delays a document. Who works on the document sees it as a remark, and in enhanced mode the sender is told of the gravest
by the application acknowledgment.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final

from gateway.act import Act
from gateway.directory import entry_key
from gateway.errors import (
    AuthorNotAllowed,
    DocumentObjection,
    InsDiffers,
    InsIncomplete,
    InsMissing,
    PatientUnknown,
    VersionIncorrect,
)
from gateway.facts import (
    DocumentAct,
    DocumentReported,
    EntryKind,
    Fact,
    IdentifierKind,
    Patient,
    Remark,
    Translation,
)
from gateway.focus import Focus, FocusKind
from gateway.identity import Identity, disagreements

MATRICULE_LENGTH: Final = 15
"""Characters of a matricule INS, its key included (PAM.FR 6.6.1)."""

REMARKS: Final[Mapping[type[DocumentObjection], Remark]] = {
    VersionIncorrect: Remark.VERSION_INCORRECT,
    AuthorNotAllowed: Remark.AUTHOR_NOT_ALLOWED,
    PatientUnknown: Remark.PATIENT_UNKNOWN,
    InsMissing: Remark.INS_MISSING,
    InsDiffers: Remark.INS_DIFFERS,
    InsIncomplete: Remark.INS_INCOMPLETE,
}


def objected(act: Act, fact: Fact, translation: Translation) -> Fact:
    """Give the fact with what is objected to as its remarks; the act keeps the objections for the sender.

    Args:
        act: the message taking effect; what it was told before this fact counts as known.
        fact: one of its facts, before it takes effect.
        translation: what the message says: whether its sender is told at all.

    """
    if not (translation.checked and isinstance(fact, DocumentReported)):
        return fact
    found = [*_of_patient(act, fact.patient), *_of_version(act, fact)]
    if not found:
        return fact
    act.objections += found
    return replace(fact, remarks=tuple(dict.fromkeys((*fact.remarks, *(REMARKS[type(e)] for e in found)))))


def _of_patient(act: Act, patient: Patient) -> Iterator[DocumentObjection]:
    """What is wrong with who the patient is: the gravest first."""
    known = list(_known(act, patient))
    sent = min(patient.of_kind(IdentifierKind.INS), default=None)
    if not known:
        yield PatientUnknown("a patient who is known here by one of these identifiers", path="PID-3")
    elif any(_differs(record, patient) for record in known):
        yield InsDiffers("the INS and the traits that are known of the patient", path="PID-3")
    if sent is None:
        if not any(_has_ins(act, record) for record in known):
            yield InsMissing("the INS of an identity that is qualified (PID-32 VALI)", path="PID-3")
    elif missing := _missing(patient):
        yield InsIncomplete("a matricule of 15 characters, and the traits that go with it", path=missing)


def _known(act: Act, patient: Patient) -> Iterator[Identity]:
    """The records that the patient's identifiers name."""
    for identifier in patient.of_kind(IdentifierKind.PATIENT):
        if (record := act.state.identity(identifier)) is not None:
            yield record
    for ins in patient.of_kind(IdentifierKind.INS):
        yield from act.state.identities_with(ins)


def _differs(record: Identity, patient: Patient) -> bool:
    """Whether a record has another matricule or another trait; the matricule must be the same to its key."""
    sent = {i.authority: i.value for i in patient.of_kind(IdentifierKind.INS)}
    held = record.ins
    other = held is not None and sent.get(held.authority, held.value) != held.value
    return other or bool(disagreements(record.patient, patient))


def _has_ins(act: Act, record: Identity) -> bool:
    return any(member.ins is not None for member in act.state.family_of(record.person))


def _missing(patient: Patient) -> str:
    """Give where a matricule or a trait that goes with it is missing (RNIV 1, EXI PP 02; PAM.FR, BDL with the INS)."""
    traits = patient.traits
    if any(len(ins.value) != MATRICULE_LENGTH for ins in patient.of_kind(IdentifierKind.INS)):
        return "PID-3"
    if not (traits.birth_family_name and traits.first_given_name):
        return "PID-5"
    named = {"PID-7": traits.birth_date, "PID-8": traits.sex, "PID-11": traits.birth_place_code}
    return next((path for path, value in named.items() if not value), "")


def _of_version(act: Act, fact: DocumentReported) -> Iterator[DocumentObjection]:
    """What is wrong with a replacement or a suppression."""
    if fact.act not in {DocumentAct.REPLACE, DocumentAct.WITHDRAW}:
        return
    path = "TXA-13" if fact.act is DocumentAct.REPLACE else "TXA-12"
    asked = fact.replaces or fact.key
    found = next(iter(act.state.foci_with(FocusKind.DOCUMENT, (asked,))), None)
    known = found.fact if found is not None and isinstance(found.fact, DocumentReported) else None
    again = found is not None and found.message == act.message  # a replay finds what it did itself
    in_force = known.numbers if known is not None and known.act is not DocumentAct.WITHDRAW else ()
    stands = asked in in_force or fact.key in in_force
    if not (stands or again):
        yield VersionIncorrect("a document that is known here, in the version that is in force", path=path)
    if not _allowed(act, fact, found if known is not None else None):
        yield AuthorNotAllowed("who sent the document, or an author whom the directory holds active", path="TXA-9")


def _allowed(act: Act, fact: DocumentReported, known: Focus | None) -> bool:
    """Whether who replaces or withdraws a document is the one who sent it, and no author who has left."""
    author = fact.author_key
    entry = act.state.directory.get(entry_key(EntryKind.PRACTITIONER, author)) if author else None
    left = entry is not None and not entry.active
    return not left and (known is None or known.told.source == act.source.id)
