"""Whole files linked by the matcher: two domains, or the duplicates of one."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date

from gateway.matching.blocking import Key, keys
from gateway.matching.matcher import Candidate, Grade, explained, judge, weigh
from gateway.matching.model import Model
from gateway.matching.record import Prepared

BULKY = 400
"""Records under one key from which it tells nobody apart and is left out, and counted."""

BULKY_AROUND = 40
"""The same of a key that holds where people live and the beginning of a name."""

_AROUND = frozenset("pqr")
"""Kinds of those keys."""

Progress = Callable[[int], None]
"""Told how many records are done."""


@dataclass(frozen=True, slots=True)
class Link:
    """Two records of which something is said; positions in the files."""

    left: int
    right: int
    candidate: Candidate
    grade: Grade


@dataclass(slots=True)
class Index:
    """Records found by key, in memory.

    Attributes:
        bulky: how many keys of each kind were left out when asked, for they are shared by too many.

    """

    records: Sequence[Prepared]
    bulky: Counter[str] = field(default_factory=Counter)
    found: dict[Key, list[int]] = field(default_factory=lambda: defaultdict(list))

    def __post_init__(self) -> None:
        """File every record under its keys."""
        for position, record in enumerate(self.records):
            for key in keys(record):
                self.found[key].append(position)
        for key in [key for key, those in self.found.items() if len(those) > _most(key)]:
            self.bulky[key[0]] += 1
            del self.found[key]

    def like(self, record: Prepared) -> set[int]:
        """Give the positions of the records that share a key."""
        near: set[int] = set()
        for key in keys(record):
            near.update(self.found.get(key, ()))
        return near


def _most(key: Key) -> int:
    return BULKY_AROUND if key[0] in _AROUND else BULKY


def pairs(left: Sequence[Prepared], index: Index, *, one_file: bool) -> Iterator[tuple[int, int]]:
    """Give the positions of the records to compare; of one file, each pair once."""
    for here, record in enumerate(left):
        for there in index.like(record):
            if not one_file or here < there:
                yield here, there


def _candidates(
    left: Sequence[Prepared], index: Index, model: Model, on: date, progress: Progress, *, one_file: bool
) -> dict[tuple[int, int], Candidate]:
    found = {}
    done = -1
    for here, there in pairs(left, index, one_file=one_file):
        if here != done:
            done = here
            progress(here)
        if candidate := weigh(left[here], index.records[there], model, on):
            found[here, there] = candidate
    return found


def link(left: Sequence[Prepared], index: Index, model: Model, on: date, progress: Progress) -> list[Link]:
    """Link two domains: a link without a person is the only answer from either side (one to one)."""
    found = _candidates(left, index, model, on, progress, one_file=False)
    forth: dict[int, dict[int, Candidate]] = defaultdict(dict)
    back: dict[int, dict[int, Candidate]] = defaultdict(dict)
    for (here, there), candidate in found.items():
        forth[here][there] = back[there][here] = candidate
    chosen = {here: _chosen(those, model) for here, those in forth.items()}
    answered = {there: _chosen(those, model) for there, those in back.items()}
    links = []
    for (here, there), candidate in found.items():
        ours, theirs = chosen[here], answered[there]
        if there in ours[1] and here in theirs[1]:
            both = ours[0] is Grade.MATCH and theirs[0] is Grade.MATCH
            links.append(Link(here, there, candidate, Grade.MATCH if both else Grade.POSSIBLE_MATCH))
    return links


def _chosen(those: dict[int, Candidate], model: Model) -> tuple[Grade, frozenset[int]]:
    """What the matcher says, with the positions in question."""
    decision = judge(those.values(), model)
    asked = {id(c) for c in decision.candidates}
    return decision.grade, frozenset(position for position, c in those.items() if id(c) in asked)


def duplicates(records: Sequence[Prepared], index: Index, model: Model, on: date, progress: Progress) -> list[Link]:
    """Find the duplicates of one file, best first; what is linked without a person is linked to the whole of it.

    Two groups are joined only if no guard speaks between any two of their members. A question that a person answers
    joins two groups, so it is asked of their members alone.
    """
    found = _candidates(records, index, model, on, progress, one_file=True)
    groups = _Groups(records, found, model, on)
    for pair in sorted(found, key=lambda p: (-found[p].score, p)):
        if found[pair].grade(model) is Grade.MATCH:
            groups.join(*pair)
    questions = [p for p, candidate in found.items() if candidate.grade(model) is not Grade.NO_MATCH]
    asked = [Link(*p, found[p], Grade.POSSIBLE_MATCH) for p in questions if not groups.together(*p)]
    return [*groups.links(), *asked]


class _Groups:
    """Records taken for one person so far."""

    def __init__(
        self, records: Sequence[Prepared], found: dict[tuple[int, int], Candidate], model: Model, on: date
    ) -> None:
        self._records, self._found, self._model, self._on = records, found, model, on
        self._group = {position: [position] for pair in found for position in pair}

    def together(self, one: int, other: int) -> bool:
        return self._group[one] is self._group[other]

    def join(self, one: int, other: int) -> None:
        here, there = self._group[one], self._group[other]
        if here is there or not all(self._consistent(a, b) for a in here for b in there):
            return
        here += there
        for position in there:
            self._group[position] = here

    def links(self) -> Iterator[Link]:
        for group in {id(g): sorted(g) for g in self._group.values()}.values():
            for place, one in enumerate(group):
                for other in group[place + 1 :]:
                    yield Link(one, other, self._candidate(one, other), Grade.MATCH)

    def _candidate(self, one: int, other: int) -> Candidate:
        pair = min(one, other), max(one, other)
        if pair not in self._found:
            self._found[pair] = explained(self._records[pair[0]], self._records[pair[1]], self._model, self._on)
        return self._found[pair]

    def _consistent(self, one: int, other: int) -> bool:
        return not self._candidate(one, other).guards
