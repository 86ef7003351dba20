"""What an agreement weighs: the model of Fellegi and Sunter, with the frequencies of names, versioned."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from math import log2, prod
from typing import Any, Self

from gateway.matching.comparison import Agreement, Comparison
from gateway.matching.frequencies import FAMILY_NAMES, GIVEN_NAMES

Probabilities = Mapping[str, Mapping[str, float]]
"""By trait and level: how probable the level is where both records hold the trait."""

_M: Probabilities = {
    "family_name": {
        "same": 0.88, "crossed": 0.03, "close": 0.045, "part": 0.015, "inverted": 0.008, "near": 0.012, "other": 0.01,
    },
    "given_name": {
        "same": 0.89, "begins": 0.02, "cut": 0.012, "close": 0.026, "inverted": 0.008, "listed": 0.008,
        "initial": 0.002, "rival": 0.004, "ending": 0.006, "near": 0.012, "other": 0.012,
    },
    "birth_date": {
        "same": 0.90, "same, first of a month": 0.033, "same, imputed": 0.012, "continues": 0.008,
        "day and month swapped": 0.006, "one slip": 0.02, "two of three parts": 0.01, "two slips": 0.006,
        "other": 0.005,
    },
    "sex": {"same": 0.99, "other": 0.01},
    "birth_place": {"same": 0.94, "close": 0.03, "other": 0.03},
    "ins": {"same": 0.985, "close": 0.01, "other": 0.005},
    "local_identifier": {"same": 0.85, "close": 0.05, "other": 0.1},
    "phone": {"same": 0.65, "close": 0.05, "other": 0.3},
    "postal_code": {"same": 0.75, "close": 0.07, "other": 0.18},
    "city": {"same": 0.75, "close": 0.07, "other": 0.18},
    "address": {"same": 0.6, "close": 0.15, "other": 0.25},
    "multiple_birth_rank": {"same": 0.98, "other": 0.02},
}  # fmt: skip
"""Of two records of one person. Set by hand to be safe rather than eager; training replaces them."""

_U: Probabilities = {
    "family_name": {
        "same": 4e-4, "crossed": 3e-4, "close": 8e-4, "part": 3e-4, "inverted": 1e-6, "near": 6e-3, "other": 0.99,
    },
    "given_name": {
        "same": 6e-3, "begins": 3e-3, "cut": 3e-3, "close": 1.5e-3, "inverted": 1.0, "listed": 5e-3, "initial": 2e-3,
        "rival": 3e-3, "ending": 1e-3, "near": 1.5e-2, "other": 0.957,
    },
    "birth_date": {
        "same": 4.2e-5, "same, first of a month": 2e-6, "same, imputed": 6e-6, "continues": 4e-4,
        "day and month swapped": 1.5e-5, "one slip": 8e-4, "two of three parts": 4e-3, "two slips": 9e-3, "other": 0.98,
    },
    "sex": {"same": 0.5, "other": 0.5},
    "birth_place": {"same": 1e-2, "close": 0.1, "other": 0.89},
    "ins": {"same": 1e-7, "close": 1e-5, "other": 1.0},
    "local_identifier": {"same": 1e-6, "close": 1e-4, "other": 1.0},
    "phone": {"same": 1e-6, "close": 1e-4, "other": 1.0},
    "postal_code": {"same": 4e-3, "close": 2e-2, "other": 0.976},
    "city": {"same": 1e-2, "close": 5e-3, "other": 0.985},
    "address": {"same": 1e-5, "close": 3e-3, "other": 0.997},
    "multiple_birth_rank": {"same": 0.5, "other": 0.5},
}  # fmt: skip
"""Of two records of two people drawn at random; an agreement on an imputed date is as probable as they are frequent."""

RARE = {"family_name": 2e-5, "given_name": 1e-4, "birth_place": 1e-3, "postal_code": 5e-4, "city": 5e-4}
"""How frequent a value is that the model has not seen."""

_SMALLEST = 1e-9


@dataclass(frozen=True)
class Model:
    """Weights, thresholds and frequencies; scores are bits: log2 of the odds that two records are one person.

    Attributes:
        version: named in every decision.
        m: probabilities of the levels, of two records of one person.
        u: the same, of two people.
        prior: log2 of the odds that two records drawn at random are one person.
        automatic: score from which a link needs nobody, if no guard speaks.
        review: score from which a person is asked.
        margin: a second candidate within so many bits of the first makes the first a question.
        persons: people of the domain that is searched.
        namesakes: expected other people of the same names, sex and date of birth from which these alone link nobody.
        frequencies: of values, by trait.
        rare: how frequent a value is that is not there.

    """

    version: str = "shipped-1"
    m: Probabilities = field(default_factory=lambda: _M)
    u: Probabilities = field(default_factory=lambda: _U)
    prior: float = -20.0
    automatic: float = 9.0
    review: float = -1.0
    margin: float = 7.0
    persons: float = 500_000.0
    namesakes: float = 1e-9
    frequencies: Probabilities = field(default_factory=lambda: {"family_name": FAMILY_NAMES, "given_name": GIVEN_NAMES})
    rare: Mapping[str, float] = field(default_factory=lambda: RARE)

    def among(self, records: int) -> Self:
        """Give the model for a domain of so many records, each with one counterpart at most."""
        return replace(self, prior=-log2(max(records, 2) * 2), persons=float(max(records, 2)))

    @cached_property
    def weights(self) -> dict[str, dict[str, float]]:
        """Bits by trait and level, frequencies left aside."""
        return {
            trait: {level: _bits(self.m[trait][level], self.u[trait][level]) for level in of}
            for trait, of in self.m.items()
        }

    @cached_property
    def given_names(self) -> Mapping[str, float]:
        """Given names that people have; two of them are two names, however near."""
        return GIVEN_NAMES | dict(self.frequencies.get("given_name", {}))

    def weight(self, agreement: Agreement) -> float:
        """Give the bits that an agreement adds: an agreement on a rare value weighs more."""
        trait, level, values = agreement
        if not values or level not in _BY_VALUE or trait not in self.frequencies:
            return self.weights[trait][level]
        probable = self.m[trait][level] if level != "inverted" or trait == "family_name" else 1.0
        return _bits(probable, self.chance(agreement))

    def chance(self, agreement: Agreement) -> float:
        """Give how probable an agreement is of two people: as frequent as the value, where that is what agrees."""
        trait, level, values = agreement
        if not values or level not in _BY_VALUE or trait not in self.frequencies:
            return self.u[trait][level]
        frequency = max(self.frequency(trait, value) for value in values)
        if level == "inverted":
            other = {"family_name": "given_name", "given_name": "family_name"}[trait]
            frequency = min(frequency, max(self.frequency(other, value) for value in values))
        return max(frequency, self.rare[trait])

    def frequency(self, trait: str, value: str) -> float:
        """Give how frequent a value is."""
        return self.frequencies[trait].get(value, self.rare[trait])

    def expected_namesakes(self, comparison: Comparison) -> float:
        """Give how many other people of the domain are expected to agree so in names, sex and date of birth."""
        return self.persons * prod(self.chance(one) for one in comparison if one.trait in _NAMESAKES_SHARE)

    def score(self, comparison: Comparison) -> float:
        """Give the bits of a comparison, prior included."""
        weight = self.weight
        return self.prior + sum(weight(one) for one in comparison)

    def to_dict(self) -> dict[str, Any]:
        """Give the model as JSON takes it."""
        return asdict(self)

    @classmethod
    def from_dict(cls, kept: Mapping[str, Any]) -> Self:
        """Give the model that was kept."""
        return cls(**kept)


_BY_VALUE = frozenset({"same", "crossed", "begins", "inverted"})
"""Levels whose weight depends on how frequent the value is."""


_NAMESAKES_SHARE = frozenset({"family_name", "given_name", "birth_date", "sex"})


def _bits(m: float, u: float) -> float:
    return log2(max(m, _SMALLEST) / max(u, _SMALLEST))
