"""The matcher: which record of another domain a record is, if any; and why."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from gateway.matching.comparison import Comparison, compare, levels
from gateway.matching.guards import CONTRADICTING, Guard, guards, hopeless, strictly_same
from gateway.matching.model import Model
from gateway.matching.namesakes import expected
from gateway.matching.record import Prepared


class Grade(StrEnum):
    """What comes of it."""

    MATCH = "match"
    """Linked, and nobody is asked."""
    POSSIBLE_MATCH = "possible-match"
    """A person is asked."""
    NO_MATCH = "no-match"


@dataclass(frozen=True, slots=True)
class Candidate:
    """Another record, and what speaks for and against its being the same person.

    Attributes:
        id: the other record.
        score: bits; log2 of the odds that they are one person.
        comparison: how they agree.
        guards: what no score overrides.
        certain: the same qualified INS, and no guard: a rule, not a score.

    """

    id: str
    score: float
    comparison: Comparison
    guards: tuple[Guard, ...]
    certain: bool = False

    def grade(self, model: Model) -> Grade:
        """What would come of it if there were no other candidate."""
        if self.certain or (self.score >= model.automatic and not self.guards):
            return Grade.MATCH
        return Grade.POSSIBLE_MATCH if self.score >= model.review else Grade.NO_MATCH

    def contributions(self, model: Model) -> tuple[tuple[str, str, float], ...]:
        """Signed bits by trait and level, the prior first: they add up to the score."""
        weighed = ((one.trait, one.level, model.weight(one)) for one in self.comparison)
        return (("prior", model.version, model.prior), *weighed)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the matcher says of a record.

    Attributes:
        grade: what comes of it.
        candidates: that are in question, best first; of a match, the one alone.
        version: of the model.

    """

    grade: Grade
    candidates: tuple[Candidate, ...]
    version: str


def explained(a: Prepared, b: Prepared, model: Model, on: date) -> Candidate:
    """Give b as a candidate for a, whatever its score."""
    comparison = compare(a, b, model.given_names)
    return _candidate(a, b, comparison, levels(comparison), model, on)


def weigh(a: Prepared, b: Prepared, model: Model, on: date) -> Candidate | None:
    """Give b as a candidate for a; None if nothing speaks for it."""
    comparison = compare(a, b, model.given_names)
    certain = _same_ins(a, b)
    if not certain and model.score(comparison) < model.review:
        return None
    found = levels(comparison)
    if not certain and hopeless(found):
        return None
    return _candidate(a, b, comparison, found, model, on)


def _same_ins(a: Prepared, b: Prepared) -> bool:
    return a.record.qualified and b.record.qualified and a.ins == b.ins and a.record.ins_domain == b.record.ins_domain


def _candidate(
    a: Prepared, b: Prepared, comparison: Comparison, found: Mapping[str, str], model: Model, on: date
) -> Candidate:
    unique = expected(a, b, comparison, model) < model.namesakes
    spoken = guards(a, b, found, on, unique=unique)
    score = model.score(comparison)
    return Candidate(b.record.id, score, comparison, spoken, certain=not spoken and _same_ins(a, b))


def judge(candidates: Iterable[Candidate], model: Model) -> Verdict:
    """Decide between candidates of one domain: two that are near each other are a question, never a link."""
    ranked = sorted(candidates, key=lambda c: (not c.certain, -c.score, c.id))
    if not ranked:
        return Verdict(Grade.NO_MATCH, (), model.version)
    best = ranked[0]
    near = tuple(c for c in ranked if c.score >= best.score - model.margin)
    if best.grade(model) is Grade.MATCH and not any(_rivals(best, other) for other in near[1:]):
        return Verdict(Grade.MATCH, (best,), model.version)
    return Verdict(Grade.POSSIBLE_MATCH, near, model.version)


def _rivals(best: Candidate, other: Candidate) -> bool:
    """Whether another candidate makes the best a question; whom a strict trait contradicts is no rival of the same."""
    if best.certain:
        return other.certain
    return not (strictly_same(levels(best.comparison)) and CONTRADICTING & set(other.guards))


def match(record: Prepared, others: Sequence[Prepared], model: Model, on: date) -> Verdict:
    """Say which of the others, records of one domain, the record is."""
    weighed = (weigh(record, other, model, on) for other in others)
    return judge((c for c in weighed if c), model)
