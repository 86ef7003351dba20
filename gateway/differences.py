"""Records side by side: each trait, and how much it matters where they differ (RNIV 1, EXI SI 28, EXI PP 20)."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from enum import StrEnum
from itertools import combinations

from gateway.facts import Patient, Traits
from gateway.identity import Identity, disagreements, normalise, qualified_ins

STATUS, INS = "identity_status", "ins"
_BLOCKING = frozenset({"birth_family_name", "first_given_name", "birth_date", "sex", INS})
STRICT = _BLOCKING | {"birth_place_code", "multiple_birth_rank"}
"""Traits whose contradiction makes two identities a question (`gateway.identity.disagreements`)."""

_LOOSE = ("used_family_name", "used_given_name", "given_names")


class Grade(StrEnum):
    """How much a difference matters, the worst first."""

    BLOCKING = "blocking"
    """A discordance that forbids to take two identities for one (EXI PP 20)."""
    TO_ANALYSE = "to-analyse"
    """May be accepted after analysis: place of birth, further given names, names used, a date known in part."""
    COSMETIC = "cosmetic"
    """Hyphens, apostrophes, accents, case."""


@dataclass(frozen=True, slots=True)
class Line:
    """One trait of all records; an empty value is not known.

    Attributes:
        trait: its name.
        values: in the records' order.
        grade: the worst difference between any two; None: they agree, as far as they are known.

    """

    trait: str
    values: tuple[str, ...]
    grade: Grade | None


def compared(records: Sequence[Identity]) -> list[Line]:
    """Give the traits of records side by side."""
    names = [*(f.name for f in fields(Traits)), INS, STATUS]
    return [Line(name, tuple(_value(r.patient, name) for r in records), _worst(records, name)) for name in names]


def differences(held: Patient, sent: Patient) -> dict[str, Grade]:
    """Give the traits that somebody has to look at, each with its grade: nothing cosmetic, nor what only says less."""
    found = {trait: _grade_of(trait) for trait in disagreements(held, sent)}
    for trait in _LOOSE:
        a, b = getattr(held.traits, trait), getattr(sent.traits, trait)
        if a != b and a and b and not _same_words(normalise(a), normalise(b), begins=trait == "given_names"):
            found[trait] = Grade.TO_ANALYSE
    return found


def _same_words(one: str, other: str, *, begins: bool) -> bool:
    """Whether two names are one, spaces aside; a list of given names also where it begins the other."""
    if one.replace(" ", "") == other.replace(" ", ""):
        return True
    return begins and (f"{one} ".startswith(f"{other} ") or f"{other} ".startswith(f"{one} "))


def _grade_of(trait: str) -> Grade:
    return Grade.BLOCKING if trait in _BLOCKING else Grade.TO_ANALYSE


def _value(patient: Patient, trait: str) -> str:
    if trait == INS:
        ins = qualified_ins(patient)
        return ins.value if ins else ""
    return patient.status.value if trait == STATUS else str(getattr(patient.traits, trait))


def _worst(records: Sequence[Identity], trait: str) -> Grade | None:
    if trait == STATUS:
        return None
    found = {_grade(one.patient, other.patient, trait) for one, other in combinations(records, 2)}
    return next((grade for grade in Grade if grade in found), None)


def _grade(one: Patient, other: Patient, trait: str) -> Grade | None:
    a, b = _value(one, trait), _value(other, trait)
    if trait in disagreements(one, other):
        return _grade_of(trait)
    if not a or not b or a == b:
        return None
    solid = normalise(a).replace(" ", "") == normalise(b).replace(" ", "")
    return Grade.COSMETIC if solid else Grade.TO_ANALYSE
