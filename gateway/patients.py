"""Whom other systems may find: whose a number is (IHE PIXm), who bears a name (PDQm), who is alike ($match).

Nothing is decided here: what is told is what the identity desk, admissions and the matcher have left in force.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum

from gateway.facts import Identifier, IdentifierKind, Patient, Traits
from gateway.identity import Identity, Person, normalise, survivorship
from gateway.likeness import likeness, search_keys
from gateway.matching.matcher import Candidate, Grade, explained, judge, weigh
from gateway.matching.record import Prepared
from gateway.naming import PROVISIONAL_AUTHORITY
from gateway.recognition import DOUBTFUL
from gateway.state import State

HIDDEN = frozenset({"CACH", "ANOM", "FICT"})
"""Attributes of whom the house keeps hidden: PID-32 and PD1-12 (table 0445-FR: cachée, anonyme, fictive)."""


@dataclass(frozen=True, slots=True)
class KnownPatient:
    """A person with all records that are theirs by now.

    Attributes:
        person: the golden record.
        records: whole, in the order in which they are shown.

    """

    person: Person
    records: tuple[Identity, ...]

    @property
    def hidden(self) -> bool:
        """Whether any record says that the house keeps this person hidden."""
        return any(HIDDEN & record.patient.attributes for record in self.records)


def known_patient(person: Person, records: Collection[Identity]) -> KnownPatient:
    """Give a person with their records."""
    return KnownPatient(person, tuple(sorted(records, key=survivorship)))


def cross_references(known: KnownPatient, asked: Identifier, targets: Collection[str] = ()) -> tuple[Identifier, ...]:
    """Give the other numbers of who bears a number, in the domains asked for, or in all (IHE PIXm, ITI-83).

    Those in force: none that admissions retired, none of our own, the INS once the identity is qualifiée (EXI SI 08),
    and nothing of who is frozen, for whose a number is then is what is asked.
    """
    if known.person.frozen:
        return ()
    found = dict.fromkeys((*_numbers(known), *known.person.identifiers))
    others = (i for i in found if (i.authority, i.value) != (asked.authority, asked.value))
    return tuple(i for i in others if not targets or i.authority in targets)


def _numbers(known: KnownPatient) -> Iterator[Identifier]:
    for record in known.records:
        ins = {(i.authority, i.value) for i in record.patient.of_kind(IdentifierKind.INS)}
        ours = record.key.authority == PROVISIONAL_AUTHORITY
        if not (record.retired or ours or (record.key.authority, record.key.value) in ins):
            yield record.key


# -- by traits ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Sought:
    """Whom a search by traits looks for; an empty one says nothing (IHE PDQm, ITI-78).

    Attributes:
        birth_date: day of birth, ISO.
        family: beginnings of the family names: each begins the birth or the used name.
        given: beginnings of the given names: each begins one of them, or the used one.
        sex: ``M``, ``F`` or ``U``.

    """

    birth_date: str = ""
    family: tuple[str, ...] = ()
    given: tuple[str, ...] = ()
    sex: str = ""

    def finds(self, traits: Traits) -> bool:
        """Whether traits are as sought: birth and used names alike, without accents and hyphens (EXI SI 03)."""
        family = [normalise(n) for n in (traits.birth_family_name, traits.used_family_name)]
        given = [normalise(n) for n in (traits.first_given_name, traits.given_names, traits.used_given_name)]
        given += [word for names in given for word in names.split()]
        return (
            self.birth_date in {"", traits.birth_date}
            and self.sex in {"", traits.sex}
            and all(_begins(family, wanted) for wanted in self.family)
            and all(_begins(given, wanted) for wanted in self.given)
        )


def _begins(names: Sequence[str], wanted: str) -> bool:
    beginning = normalise(wanted)
    return any(name.startswith(beginning) or name.replace(" ", "").startswith(beginning) for name in names if name)


# -- by likeness -------------------------------------------------------------------------------------------------------


class Certainty(StrEnum):
    """How sure a match is (FHIR match-grade)."""

    CERTAIN = "certain"
    """The service would link it by itself, and nobody else is in question."""
    PROBABLE = "probable"
    """It would, but for somebody else who may be meant."""
    POSSIBLE = "possible"
    """A person would be asked."""


@dataclass(frozen=True, slots=True)
class Likely:
    """A person who is like the one described.

    Attributes:
        known: who it is.
        certainty: how sure that is.
        probability: that the two are one, by the weights in force, from 0 to 1.

    """

    known: KnownPatient
    certainty: Certainty
    probability: float


def likely(state: State, described: Patient, on: date, *, testing: bool) -> list[Likely]:
    """Give the persons like a patient, the surest first, as the matcher weighs them while messages are processed.

    Nobody is compared with who is frozen, nor with the provisional record of a doubt. Certain is the one of whom no
    record speaks against it, while nobody else is near.

    Args:
        state: with the records that share a key, and whole persons.
        described: the patient.
        on: day on which ages count.
        testing: the site is one of test, where all are.

    """
    model, own = state.model, _compared("", described, testing=testing)
    best: dict[str, Candidate] = {}
    for record in state.alike(search_keys(described)):
        other = _compared(record.id, record.patient, testing=testing)
        hidden = record.retired or record.origin is not None or state.persons[record.person].frozen
        candidate = None if hidden or own.test != other.test else weigh(own, other, model, on)
        if candidate is not None and (record.person not in best or best[record.person].score < candidate.score):
            best[record.person] = candidate
    alone = judge(best.values(), model).grade is Grade.MATCH
    ranked = sorted(best.items(), key=lambda each: (not each[1].certain, -each[1].score, each[0]))
    found = []
    for place, (person, candidate) in enumerate(ranked):
        known = known_patient(state.persons[person], state.family_of(person))
        members = (_compared(m.id, m.patient, testing=testing) for m in known.records if not m.retired)
        against = any(explained(own, member, model, on).guards for member in members)
        doubtful = any(DOUBTFUL & m.patient.attributes for m in known.records)
        sure = candidate.grade(model) is Grade.MATCH and not against and not doubtful
        certainty = (Certainty.CERTAIN if alone and place == 0 else Certainty.PROBABLE) if sure else Certainty.POSSIBLE
        found.append(Likely(known, certainty, _probability(candidate.score)))
    return found


def _compared(id_: str, patient: Patient, *, testing: bool) -> Prepared:
    prepared = likeness(id_, patient)
    return replace(prepared, test=False) if testing else prepared


def _probability(bits: float) -> float:
    """Give the probability that odds of so many bits are."""
    return round(1 / (1 + 2 ** -max(-60.0, min(60.0, bits))), 4)
