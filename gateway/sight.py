"""Who sees what of a work item: need to know is one's profession and taking part in the care (CSP L1110-4, CNIL 2024).

Reception and admissions see what is administrative; those who care for patients see what is medical, of the
secretariats that they work for; of a sensitive service, or of a patient whose stay is kept secret in the house, nobody
else sees who it is about.
"""

from collections.abc import Collection
from dataclasses import replace
from enum import StrEnum

from gateway.facts import Traits
from gateway.identity import Person
from gateway.principal import Principal
from gateway.worklist import ItemKind, WorkItem

MEDICAL_PROFESSIONS = frozenset(
    {"physician", "secretary", "nurse", "midwife", "pharmacist", "allied-health", "psychologist"}
)
"""Who belongs to a care team and, for its patients, sees what is medical; a medical secretary under a physician."""

PROTECTED = frozenset({"CACH", "ANOM", "FICT"})
"""Attributes of an identity (table 0445-FR, PID-32; CACH by PD1-12 as well) by which it is kept secret in the house."""

ADMINISTRATIVE_DETAIL = frozenset({ItemKind.ADMISSION, ItemKind.IDENTITY})
"""Kinds of item whose detail is a place, or the names of traits."""


class Sight(StrEnum):
    """How much of an item is seen."""

    MEDICAL = "medical"
    """All of it."""
    ADMINISTRATIVE = "administrative"
    """What is to be done, for whom, by when; not of what examination or document, nor what was noted."""
    MASKED = "masked"
    """That there is one, of which kind and how urgent."""


def sight(principal: Principal, secretariat: str, person: Person, sensitive: Collection[str]) -> Sight:
    """Give how much of an item a principal sees.

    Args:
        principal: who looks.
        secretariat: whose item it is.
        person: who it is about.
        sensitive: ids of the sensitive secretariats.

    """
    takes_part = secretariat in principal.secretariats
    if not takes_part and (secretariat in sensitive or person.attributes & PROTECTED):
        return Sight.MASKED
    return Sight.MEDICAL if takes_part and principal.profession in MEDICAL_PROFESSIONS else Sight.ADMINISTRATIVE


def seen(item: WorkItem, person: Person, how: Sight) -> tuple[WorkItem, Person]:
    """Give an item and its person with what may be seen of them."""
    if how is Sight.MEDICAL:
        return item, person
    if how is Sight.ADMINISTRATIVE:
        return (item if item.kind in ADMINISTRATIVE_DETAIL else replace(item, detail="")), person
    return replace(item, title="", detail="", reason="", focus="", identity="", remarks=()), nobody(person)


def nobody(person: Person) -> Person:
    """Give a person of whom nothing may be told."""
    return Person("", (), Traits(), person.status, confirmed=person.confirmed)
