"""Weights learnt from records without being told who is who: expectation and maximisation (Winkler, 1988)."""

import random
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
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

_Pattern = tuple[tuple[str, str], ...]
_BY_FREQUENCY: Mapping[str, Callable[[Prepared], str]] = {
    "family_name": lambda one: one.family,
    "given_name": lambda one: one.given,
    "birth_place": lambda one: one.place,
    "postal_code": lambda one: one.postal_code,
    "city": lambda one: one.city,
}
_FEWEST = 5
"""Records that share a value below which the model does not keep it: a rare name may tell who somebody is."""


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
    model = replace(
        start, version=f"trained-on-{len(every)}", frequencies=_frequencies(every, start), rare=_rare(every, start)
    )
    model = replace(model, u=_u(left, index.records, model))
    if not one_file:
        model = replace(model, namesakes=learnt((left, index.records), start.namesakes))
    patterns = Counter(_pattern(c) for c in _some(left, index, model, one_file=one_file))
    for _ in range(ROUNDS):
        model = _round(model, patterns, total, start.m)
    return model


def _some(left: Sequence[Prepared], index: Index, model: Model, *, one_file: bool) -> Iterable[Comparison]:
    for number, (here, there) in enumerate(pairs(left, index, one_file=one_file)):
        if number >= MOST_PAIRS:
            break
        yield compare(left[here], index.records[there], model.given_names)


def _pattern(comparison: Comparison) -> _Pattern:
    return tuple((one.trait, one.level) for one in comparison)


def _frequencies(records: Sequence[Prepared], start: Model) -> Probabilities:
    """Shares of the values in these records; a name keeps the shipped share where that is greater."""
    found: dict[str, dict[str, float]] = {}
    for trait, value_of in _BY_FREQUENCY.items():
        counts = Counter(value for one in records if (value := value_of(one)))
        known = counts.total()
        shares = {v: n / known for v, n in counts.items() if n >= _FEWEST}
        shipped = start.frequencies.get(trait, {})
        found[trait] = {**shipped, **{v: max(share, shipped.get(v, 0) / 10) for v, share in shares.items()}}
    return found


def _rare(records: Sequence[Prepared], start: Model) -> Mapping[str, float]:
    """How frequent a value is that the table does not keep: at least as two records in all of them."""
    return {trait: max(share, 2 / max(len(records), 1)) for trait, share in start.rare.items()}


def _u(left: Sequence[Prepared], right: Sequence[Prepared], model: Model) -> Probabilities:
    """Probabilities of the levels of two people: counted in random pairs, and never below what the start believes.

    Two records drawn at random are one person too seldom to matter; an agreement that is too rare to be drawn keeps
    what the start says.
    """
    draw = random.Random(SEED)  # noqa: S311 - a sample, not a secret
    counts: Counter[tuple[str, str]] = Counter()
    for _ in range(RANDOM_PAIRS):
        one, other = draw.choice(left), draw.choice(right)
        if one.record != other.record:
            counts.update(_pattern(compare(one, other, model.given_names)))
    return {trait: _blended(trait, of, counts) for trait, of in model.u.items()}


def _blended(trait: str, start: Mapping[str, float], counts: Mapping[tuple[str, str], float]) -> dict[str, float]:
    """The start's probabilities, moved by what was counted."""
    seen = sum(counts.get((trait, level), 0) for level in start)
    return {level: (counts.get((trait, level), 0) + BELIEF * p) / (seen + BELIEF) for level, p in start.items()}


def _round(model: Model, patterns: Mapping[_Pattern, int], total: float, belief: Probabilities) -> Model:
    """One expectation and one maximisation."""
    counts: Counter[tuple[str, str]] = Counter()
    matches = 1.0
    for pattern, times in patterns.items():
        share = times * _odds_to_share(model.prior + sum(model.weights[trait][level] for trait, level in pattern))
        matches += share
        for agreement in pattern:
            counts[agreement] += share  # type: ignore[assignment] # a count of halves of pairs
    prior = log2(matches / max(total - matches, 1.0))
    return replace(model, m={trait: _blended(trait, of, counts) for trait, of in belief.items()}, prior=prior)


def _odds_to_share(bits: float) -> float:
    return 1 / (1 + 2 ** -max(min(bits, 60.0), -60.0))
