"""Values drawn by their weight."""

import random
from bisect import bisect
from collections.abc import Iterable
from itertools import accumulate
from typing import Generic, TypeVar

T = TypeVar("T")


class Draw(Generic[T]):
    """Values, each of which comes as often as its weight says."""

    def __init__(self, weighted: Iterable[tuple[T, float]]) -> None:
        pairs = list(weighted)
        self.values = [value for value, _ in pairs]
        self._until = list(accumulate(weight for _, weight in pairs))

    def one(self, rng: random.Random) -> T:
        """One value."""
        return self.values[min(bisect(self._until, rng.random() * self._until[-1]), len(self.values) - 1)]


def ranked(values: Iterable[T], exponent: float) -> Draw[T]:
    """Values in the order of their frequency, which falls with the rank (Zipf)."""
    return Draw((value, rank**-exponent) for rank, value in enumerate(values, 1))
