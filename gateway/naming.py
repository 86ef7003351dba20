"""By which identifier a message names its patient, and whether admissions vouches for that."""

from collections.abc import Collection

from gateway.act import Act
from gateway.errors import FieldMissing, MessageIncoherent
from gateway.facts import Identifier, IdentifierKind, Patient
from gateway.site import SourceRole

PROVISIONAL_AUTHORITY = "urn:secretariat-gateway:provisional"
"""Assigning authority of records that only this gateway knows; never emitted, and refused from a sender."""


def primary_identifier(act: Act, patient: Patient) -> Identifier:
    """Give the identifier to find the patient by: the admissions domain's if there is one, else the first.

    An INS alone is a number in a domain of its own: it finds that domain's record, and joins only as an INS does.

    Raises:
        FieldMissing: the message has no patient identifier at all.
        MessageIncoherent: it claims an assigning authority that is ours.

    """
    found = primary_of(patient, act.site.admissions_domains)
    if found is None:
        raise FieldMissing("a patient identifier (PI) or an INS is needed", path="PID-3")
    for candidate in _naming(patient):
        refuse_ours(candidate, "PID-3")
    return found


def _naming(patient: Patient) -> tuple[Identifier, ...]:
    """The identifiers that a patient may be found by."""
    return patient.of_kind(IdentifierKind.PATIENT) or patient.of_kind(IdentifierKind.INS)


def primary_of(patient: Patient, domains: Collection[str]) -> Identifier | None:
    """Give the identifier to find a patient by, one of the domains of admissions if there is one; None if none."""
    candidates = _naming(patient)
    return next((c for c in candidates if c.authority in domains), next(iter(candidates), None))


def refuse_ours(identifier: Identifier, path: str) -> None:
    """Return when an identifier is of the outside world.

    Raises:
        MessageIncoherent: it claims an assigning authority that is ours.

    """
    if identifier.authority == PROVISIONAL_AUTHORITY:
        raise MessageIncoherent("this assigning authority is the gateway's own", path=path)


def vouches(act: Act, key: Identifier) -> bool:
    """Whether the message is of the admissions whose domain the identifier is of."""
    return act.source.role is SourceRole.ADMISSIONS and key.authority == act.source.authority
