"""Weights learnt from records without being told who is who: expectation and maximisation (Winkler, 1988)."""

import random
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import log2

from gateway.matching.comparison import Comparison, compare
from gateway.matching.linkage import Index, pairs
from gateway.matching.model import Model, Probabilities
from gateway.matching.namesakes import learnt
from gateway.matching.record import Prepared

RANDOM_PAIRS = 40_000
ROUNDS = 15
MOST_PAIRS = 400_000
"""Candidate pairs that are enough to learn from."""
BELIEF = 200.0
"""Pairs that the model one starts from counts for, so that little data moves it little."""
SEED = 20260101

Pattern = tuple[tuple[str, str], ...]
"""How two records agree: trait and level, whatever the values."""

_BY_FREQUENCY: Mapping[str, Callable[[Prepared], str]] = {
    "family_name": lambda one: one.family,
    "given_name": lambda one: one.given,
    "birth_place": lambda one: one.place,
    "postal_code": lambda one: one.postal_code,
    "city": lambda one: one.city,
}
_FEWEST = 5
"""Records that share a value below which the model does not keep it: a rare name may tell who somebody is."""


@dataclass(slots=True)
class Census:
    """How often each value occurs among records that are counted one by one.

    Attributes:
        records: how many were counted.
        counts: of each value, by trait.

    """

    records: int = 0
    counts: dict[str, Counter[str]] = field(default_factory=lambda: {trait: Counter() for trait in _BY_FREQUENCY})

    def count(self, one: Prepared) -> None:
        """Count a record's values."""
        self.records += 1
        for trait, value_of in _BY_FREQUENCY.items():
            if value := value_of(one):
                self.counts[trait][value] += 1

    def known_to(self, start: Model, version: str) -> Model:
        """Give a model that knows these values' frequencies; what it does not know is as frequent as two records."""
        rare = {trait: max(share, 2 / max(self.records, 1)) for trait, share in start.rare.items()}
        return replace(start, version=version, frequencies=self._frequencies(start), rare=rare)

    def _frequencies(self, start: Model) -> Probabilities:
        """Shares of the values; a name keeps a tenth of the shipped share where that is greater."""
        found: dict[str, dict[str, float]] = {}
        for trait, counts in self.counts.items():
            known = counts.total()
            shares = {v: n / known for v, n in counts.items() if n >= _FEWEST}
            shipped = start.frequencies.get(trait, {})
            found[trait] = {**shipped, **{v: max(share, shipped.get(v, 0) / 10) for v, share in shares.items()}}
        return found


@dataclass(frozen=True, slots=True)
class Fit:
    """What expectation and maximisation came to.

    Attributes:
        model: the model.
        matches: candidate pairs that it takes for one person, in sum of probabilities.
        rounds: how many there were.
        moved: bits by which the last one moved a weight at most.

    """

    model: Model
    matches: float
    rounds: int
    moved: float


def train(left: Sequence[Prepared], index: Index, start: Model, *, one_file: bool) -> Model:
    """Give a model that fits the records; nobody tells it who is who.

    Args:
        left: records of one domain.
        index: those of the other, or the same.
        start: the model to begin with, which counts for a little data.
        one_file: both are one file.

    """
    every = left if one_file else [*left, *index.records]
    total = len(left) * (len(left) - 1) / 2 if one_file else float(len(left) * len(index.records))
    census = Census()
    for one in every:
        census.count(one)
    model = census.known_to(start, f"trained-on-{len(every)}")
    model = replace(model, u=chances(left, index.records, model))
    if not one_file:
        model = replace(model, namesakes=learnt((left, index.records), start.namesakes))
    patterns = Counter(pattern(c) for c in _some(left, index, model, one_file=one_file))
    return fit(model, patterns, total, ROUNDS).model


def _some(left: Sequence[Prepared], index: Index, model: Model, *, one_file: bool) -> Iterable[Comparison]:
    for number, (here, there) in enumerate(pairs(left, index, one_file=one_file)):
        if number >= MOST_PAIRS:
            break
        yield compare(left[here], index.records[there], model.given_names)


def pattern(comparison: Comparison) -> Pattern:
    """Give how two records agree, values left aside."""
    return tuple((one.trait, one.level) for one in comparison)


def chances(left: Sequence[Prepared], right: Sequence[Prepared], model: Model) -> Probabilities:
    """Give the probabilities of the levels of two people: counted in random pairs, and moved little by few of them.

    Two records drawn at random are one person too seldom to matter; an agreement that is too rare to be drawn keeps
    what the model says.
    """
    draw = random.Random(SEED)  # noqa: S311 - a sample, not a secret
    counts: Counter[tuple[str, str]] = Counter()
    for _ in range(RANDOM_PAIRS):
        one, other = draw.choice(left), draw.choice(right)
        if one.record != other.record:
            counts.update(pattern(compare(one, other, model.given_names)))
    return {trait: _blended(trait, of, counts) for trait, of in model.u.items()}


def _blended(trait: str, start: Mapping[str, float], counts: Mapping[tuple[str, str], float]) -> dict[str, float]:
    """The start's probabilities, moved by what was counted."""
    seen = sum(counts.get((trait, level), 0) for level in start)
    return {level: (counts.get((trait, level), 0) + BELIEF * p) / (seen + BELIEF) for level, p in start.items()}


def fit(model: Model, patterns: Mapping[Pattern, int], total: float, rounds: int, settled: float = 0.0) -> Fit:
    """Give the model with the probabilities of the levels of one person, and the prior, as pairs show them.

    Args:
        model: the model to begin with, whose m counts for a little data.
        patterns: how often the candidate pairs agree so.
        total: pairs in all, candidates or not.
        rounds: how many at most.
        settled: bits; a round that moves no weight by more is the last.

    """
    belief, matches, moved, done = model.m, 0.0, 0.0, 0
    while done < rounds:
        done += 1
        before = model.weights
        model, matches = _round(model, patterns, total, belief)
        moved = max(
            abs(bits - before[trait][level]) for trait, of in model.weights.items() for level, bits in of.items()
        )
        if moved <= settled:
            break
    return Fit(model, matches, done, moved)


def _round(model: Model, patterns: Mapping[Pattern, int], total: float, belief: Probabilities) -> tuple[Model, float]:
    """One expectation and one maximisation; with the pairs that it takes for one person."""
    counts: Counter[tuple[str, str]] = Counter()
    matches = 1.0
    for agreements, times in patterns.items():
        share = times * _odds_to_share(model.prior + sum(model.weights[trait][level] for trait, level in agreements))
        matches += share
        for agreement in agreements:
            counts[agreement] += share  # type: ignore[assignment] # a count of halves of pairs
    prior = log2(matches / max(total - matches, 1.0))
    return replace(model, m={trait: _blended(trait, of, counts) for trait, of in belief.items()}, prior=prior), matches


def _odds_to_share(bits: float) -> float:
    return 1 / (1 + 2 ** -max(min(bits, 60.0), -60.0))
