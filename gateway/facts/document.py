"""What a message says of documents."""

from dataclasses import dataclass
from enum import StrEnum

from gateway.facts.identity import NO_PATIENT, Identifier, Patient
from gateway.facts.remark import Remark

DISCHARGE_LETTER = "11490-0"
"""LOINC code of the discharge letter (lettre de liaison à la sortie)."""


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
        renditions: its numbers in other formats (CI-SIS: level 1 beside level 3, each with an id of its own).

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
    renditions: tuple[Identifier, ...] = ()
    remarks: tuple[Remark, ...] = ()

    @property
    def numbers(self) -> tuple[Identifier, ...]:
        """Its own numbers, in whatever format."""
        return (self.key, *self.renditions)


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
    patient: Patient = NO_PATIENT
