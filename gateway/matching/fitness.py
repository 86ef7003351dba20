"""Weights learnt from a hospital's own records, read one by one, and what they must be before they decide anything."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from gateway.matching.comparison import compare
from gateway.matching.model import Model, Probabilities
from gateway.matching.record import Prepared
from gateway.matching.training import Census, Fit, Pattern, chances, fit, pattern

FEWEST_RECORDS = 2_000
FEWEST_MATCHES = 200
"""Pairs of one person below which what is learnt of them says little."""

MOST_RECORDS = 200_000
"""Records that are enough to know how frequent values are."""
MOST_PAIRS = 400_000
"""Candidate pairs that are enough to learn from."""
_SAMPLE = 20_000
"""Records of which random pairs are drawn."""

ROUNDS = 200
SETTLED = 0.01
"""Bits that the last round moves a weight at most, where the estimate has come to rest."""

MORE = 4.0
"""Bits by which a level may weigh more than it is shipped to."""

_AGREES, _DIFFERS = "same", "other"
"""Levels of every trait that speak for one person, and against."""

_GUARDED = frozenset({"ins", "local_identifier", "multiple_birth_rank"})
"""Traits that are not learnt: where twins are many, an estimate takes another rank at birth for a slip."""


class Unfit(StrEnum):
    """Why a learnt model is refused."""

    FEW_RECORDS = "few-records"
    """It is learnt from fewer than 2,000 records."""
    FEW_MATCHES = "few-matches"
    """Fewer than 200 pairs of one person were found among them."""
    UNSETTLED = "unsettled"
    """The estimate has not come to rest."""
    OUT_OF_BOUNDS = "out-of-bounds"
    """An agreement speaks against, a difference speaks for, or a level weighs far more than it is shipped to."""
    RELAXED = "relaxed"
    """A limit, the prior or a guard would let pass what the shipped model does not."""
    OUTDATED = "outdated"
    """Its traits and levels are not those that this program compares."""


@dataclass(frozen=True, slots=True)
class Learnt:
    """A model, and what it was learnt from.

    Attributes:
        model: the model, within the shipped one's limits.
        fit: what the estimate itself said, and how it ended.
        records: records counted.
        pairs: candidate pairs compared.

    """

    model: Model
    fit: Fit
    records: int
    pairs: int


@dataclass(slots=True)
class Course:
    """Training on records that are read twice: each once to count its values, then in candidate pairs.

    What is learnt is how much agreements weigh, not when to be bold: limits, prior and guards stay the shipped ones,
    no agreement of two people is taken to be rarer than shipped, and no difference of one person to be more frequent.

    Attributes:
        shipped: the model to begin with, which counts for a little data.
        census: the values counted.
        patterns: how the pairs agree; memory grows with the ways to agree, not with the pairs.

    """

    shipped: Model
    census: Census = field(default_factory=Census)
    patterns: Counter[Pattern] = field(default_factory=Counter)
    _sample: list[Prepared] = field(default_factory=list)
    _known: Model | None = None

    def count(self, one: Prepared) -> None:
        """Count the values of a record, before any pair is compared."""
        self.census.count(one)
        if len(self._sample) < _SAMPLE:
            self._sample.append(one)

    def compare(self, one: Prepared, other: Prepared) -> None:
        """Learn from a candidate pair, each told once."""
        if self._known is None:
            self._known = self.census.known_to(self.shipped, self.shipped.version)
        self.patterns[pattern(compare(one, other, self._known.given_names))] += 1

    def learnt(self, total: float, persons: int) -> Learnt:
        """Give what was learnt.

        Args:
            total: pairs of which the candidates were looked for.
            persons: records that are stored.

        """
        known = self._known or self.shipped
        drawn = chances(self._sample, self._sample, known) if self._sample else known.u
        began = replace(known, u=_no_rarer(drawn, self.shipped.u))
        done = fit(began, self.patterns, max(total, 2.0), ROUNDS, SETTLED)
        model = _limited(done.model, self.shipped, persons)
        return Learnt(model, done, self.census.records, self.patterns.total())


def _no_rarer(drawn: Probabilities, shipped: Probabilities) -> Probabilities:
    """Drawn probabilities of two people's agreement; a few random pairs do not show that one is rarer than believed."""
    return {trait: {level: max(p, shipped[trait][level]) for level, p in of.items()} for trait, of in drawn.items()}


def _limited(model: Model, shipped: Model, persons: int) -> Model:
    """A model with the shipped limits; in a small hospital too, for it grows, and the model stays."""
    u = {trait: shipped.u[trait] if trait in _GUARDED else of for trait, of in model.u.items()}
    return replace(
        model,
        m={trait: dict(_as_strict(trait, of, shipped)) for trait, of in model.m.items()},
        u=u,
        frequencies={trait: dict(_as_frequent(trait, of, shipped)) for trait, of in model.frequencies.items()},
        rare={trait: max(share, _rarest(trait, shipped)) for trait, share in model.rare.items()},
        prior=min(shipped.prior, shipped.among(persons).prior),
        persons=max(shipped.persons, float(persons)),
        automatic=shipped.automatic,
        review=shipped.review,
        margin=shipped.margin,
        namesakes=shipped.namesakes,
    )


def _as_strict(trait: str, learnt: Mapping[str, float], shipped: Model) -> Iterator[tuple[str, float]]:
    """Probabilities of the levels of one person, of differences at most as shipped."""
    for level, p in learnt.items():
        against = shipped.weights[trait][level] < 0
        yield level, shipped.m[trait][level] if trait in _GUARDED else min(p, shipped.m[trait][level]) if against else p


def _as_frequent(trait: str, learnt: Mapping[str, float], shipped: Model) -> Iterator[tuple[str, float]]:
    """Shares of the values, of none below what is shipped: a rarer name would make a namesake less likely."""
    for value, share in learnt.items():
        yield value, max(share, shipped.frequencies.get(trait, {}).get(value, 0.0))


def _rarest(trait: str, shipped: Model) -> float:
    """How probable an agreement of two people on a value is at least, as it is shipped."""
    return shipped.rare[trait] if trait in shipped.frequencies else shipped.u[trait][_AGREES]


def unfit(learnt: Learnt, shipped: Model) -> tuple[Unfit, ...]:
    """Name why what was learnt is refused; nothing where it may be used."""
    so = {
        Unfit.FEW_RECORDS: learnt.records < FEWEST_RECORDS,
        Unfit.FEW_MATCHES: learnt.fit.matches < FEWEST_MATCHES,
        Unfit.UNSETTLED: learnt.fit.moved > SETTLED,
        Unfit.OUT_OF_BOUNDS: _out_of_bounds(learnt.fit.model, shipped),
    }
    found = (*(reason for reason, is_so in so.items() if is_so), *unusable(learnt.model, shipped))
    return tuple(dict.fromkeys(found))


def unusable(model: Model, shipped: Model) -> tuple[Unfit, ...]:
    """Name why a model decides nothing, whatever it was learnt from."""
    same = set(_levels(model.m)) == set(_levels(shipped.m)) and set(_levels(model.u)) == set(_levels(shipped.u))
    if not same or not set(shipped.frequencies) <= set(model.frequencies) <= set(shipped.u):
        return (Unfit.OUTDATED,)
    so = {Unfit.OUT_OF_BOUNDS: _out_of_bounds(model, shipped), Unfit.RELAXED: _relaxed(model, shipped)}
    return tuple(reason for reason, is_so in so.items() if is_so)


def _levels(probabilities: Probabilities) -> Iterator[tuple[str, str]]:
    return ((trait, level) for trait, levels in probabilities.items() for level in levels)


def _out_of_bounds(model: Model, shipped: Model) -> bool:
    for trait, level in _levels(model.m):
        bits, most = model.weights[trait][level], shipped.weights[trait][level] + MORE
        reversed_ = (level == _AGREES and bits <= 0) or (level == _DIFFERS and bits >= 0)
        if trait not in _GUARDED and (reversed_ or not bits <= most):
            return True
    return False


def _relaxed(model: Model, shipped: Model) -> bool:
    bolder = model.automatic < shipped.automatic or model.margin < shipped.margin or model.prior > shipped.prior
    silent = model.review > shipped.review
    namesakes = model.namesakes > shipped.namesakes or model.persons < shipped.persons
    unknown = not set(shipped.given_names) <= set(model.given_names)
    return bolder or silent or namesakes or unknown or _takes_to_be_rarer(model, shipped)


def _takes_to_be_rarer(model: Model, shipped: Model) -> bool:
    """Whether it takes some name or place to be rarer than shipped."""
    names = ((trait, value, share) for trait, of in shipped.frequencies.items() for value, share in of.items())
    values = any(model.frequency(trait, value) < share for trait, value, share in names)
    return values or any(model.rare.get(trait, 0) < _rarest(trait, shipped) for trait in model.frequencies)
