"""The matcher on invented French populations: links, wrong links and questions per stratum.

``make bench-population`` prints it for seeds and mixes that nothing was tuned on (README, "How the matcher decides").
Weights and thresholds are the shipped ones: nothing is learnt from the files. Figures are printed, never asserted.
"""

import random
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain

import pytest

from gateway.matching.linkage import Index, Link, link
from gateway.matching.matcher import Grade, match
from gateway.matching.model import Model
from gateway.matching.record import Prepared, Record, prepare
from tests.population.files import Files, Row, two_files
from tests.population.mixes import MIXES
from tests.population.persons import MAJORITY, TODAY, Shares

HELD_OUT = (("bocage", 101), ("capitale", 102), ("port", 103))
"""Mixes and seeds to report on, never to tune on; the guards were shaped on plaine 1, port 2 and capitale 31."""

PERSONS = 50_000
DANGER = Shares(twin=0.36, absent_twin=0.36, namesake=0.28, parent_child=0, newborn=0, changed=0)
"""Nobody but twins, twins of whom each file knows another, and namesakes."""

CONTACTS = ("phone", "postal_code", "city", "address")
NUMBERS = ("ins", "local_identifier")
"""Left out: with a number of the person's own there is nothing to measure."""

_LABELS = {
    "adult": "plain adults",
    "married": "used names",
    "twin": "twins",
    "absent_twin": "absent twins",
    "namesake": "namesakes",
    "parent_child": "parent and child",
    "imputed_date": "imputed dates",
    "foreign": "foreign births",
    "changed": "changed civil status",
    "newborn": "newborns",
    "minor": "minors",
}
_MOST_DANGEROUS = ("absent_twin", "twin", "namesake", "parent_child")


@dataclass
class Stratum:
    """What became of the records of one kind of people.

    Attributes:
        pairs: pairs of records that are one person.
        grades: of those pairs.
        wrong: automatic links of two people.
        idle: questions about two people.

    """

    pairs: int = 0
    grades: Counter[Grade] = field(default_factory=Counter)
    wrong: int = 0
    idle: int = 0

    def told(self) -> str:
        automatic, asked = (self.grades[g] / max(1, self.pairs) for g in (Grade.MATCH, Grade.POSSIBLE_MATCH))
        missed = self.pairs - self.grades.total()
        return f"{self.pairs:8} {automatic:10.2%} {self.wrong:6} {asked:8.2%} {self.idle:6} {missed:7}"


def record(row: Row, *, contacts: bool) -> Record:
    """The record of a row, without numbers, with contacts or without."""
    gone = NUMBERS if contacts else (*NUMBERS, *CONTACTS)
    return Record(id=row.rec_id, **{trait: value for trait, value in row.traits.items() if trait not in gone})


def kind(row: Row) -> str:
    """What a record is reported under; minors apart, whatever else they are."""
    human = row.human
    return human.stratum if human.age >= MAJORITY or human.stratum == "newborn" else "minor"


def worst(one: Row, other: Row) -> str:
    """What two people taken for one are reported under."""
    return next((k for k in _MOST_DANGEROUS if k in {kind(one), kind(other)}), kind(one))


def strata(files: Files, links: Sequence[Link]) -> dict[str, Stratum]:
    """Count what became of the pairs, by kind of people."""
    found = {label: Stratum() for label in _LABELS}
    for row in _left_of(files):
        found[kind(row)].pairs += 1
    for one in links:
        left, right = files.left[one.left], files.right[one.right]
        if left.person == right.person:
            found[kind(left)].grades[one.grade] += 1
        elif one.grade is Grade.MATCH:
            found[worst(left, right)].wrong += 1
        else:
            found[worst(left, right)].idle += 1
    return found


def _rows(found: dict[str, Stratum]) -> Iterator[str]:
    for name, one in found.items():
        if one.pairs or one.wrong or one.idle:
            yield f"{_LABELS[name]:22} {one.told()}"
    adults = Stratum()
    for name in set(found) - {"minor", "newborn"}:
        one = found[name]
        adults.pairs += one.pairs
        adults.grades += one.grades
        adults.wrong += one.wrong
        adults.idle += one.idle
    yield f"{'all adults':22} {adults.told()}"


def _why(files: Files, links: Sequence[Link]) -> Iterator[str]:
    """Why plain adults are asked about: the guards that speak, or that nothing but the score or a rival does."""
    asked = [one for one in links if one.grade is Grade.POSSIBLE_MATCH and kind(files.left[one.left]) == "adult"]
    same = [one for one in asked if files.left[one.left].person == files.right[one.right].person]
    guards = Counter(", ".join(one.candidate.guards) or "score or rival" for one in same)
    total = sum(kind(row) == "adult" for row in _left_of(files))
    yield from (f"{'':4}{why:28} {times:5} {times / max(1, total):7.2%}" for why, times in guards.most_common(6))


def _left_of(files: Files) -> Iterator[Row]:
    """The left records of the true pairs."""
    of = {row.rec_id: row for row in files.left}
    return (of[left] for left, _ in files.truth)


def _prepared(files: Files, *, contacts: bool) -> tuple[list[Prepared], list[Prepared]]:
    left, right = ([prepare(record(row, contacts=contacts)) for row in rows] for rows in (files.left, files.right))
    return left, right


def report(title: str, files: Files, *, contacts: bool) -> Counter[Grade]:
    """Print what the shipped matcher makes of two files, and give how many links there are."""
    began = time.perf_counter()
    left, right = _prepared(files, contacts=contacts)
    model = Model().among(max(len(left), len(right)))
    links = link(left, Index(right), model, TODAY, lambda _: None)
    seconds = time.perf_counter() - began
    print(f"\n{title}, {'with' if contacts else 'without'} contacts; {len(left) + len(right)} records, {seconds:.0f} s")
    print(f"{'':22} {'pairs':>8} {'automatic':>10} {'wrong':>6} {'asked':>8} {'idle':>6} {'missed':>7}")
    print(*_rows(strata(files, links)), sep="\n")
    print("why plain adults are asked about, and how many of their pairs", *_why(files, links), sep="\n")
    return Counter(one.grade for one in links)


@pytest.mark.parametrize("contacts", [True, False], ids=["contacts", "no-contacts"])
@pytest.mark.parametrize(("mix", "seed"), HELD_OUT)
def test_held_out(mix: str, seed: int, *, contacts: bool):
    """A hospital's people, of whom twins and namesakes are more than in life."""
    assert report(f"{mix} {seed}", two_files(seed, MIXES[mix], PERSONS), contacts=contacts)


@pytest.mark.parametrize("contacts", [True, False], ids=["contacts", "no-contacts"])
@pytest.mark.parametrize(("mix", "seed"), HELD_OUT)
def test_twins_and_namesakes(mix: str, seed: int, *, contacts: bool):
    """Nobody but people who are easily taken for one another."""
    files = two_files(seed, MIXES[mix], PERSONS, DANGER)
    assert report(f"{mix} {seed}, twins and namesakes alone", files, contacts=contacts)


def test_one_record_against_its_candidates():
    """Microseconds to prepare a record, and to match it against five others."""
    files = two_files(1, MIXES["plaine"], 4_000)
    told = [record(row, contacts=True) for row in files.right[:1_000]]
    began = time.perf_counter()
    ready = [prepare(one) for one in told]
    preparing = (time.perf_counter() - began) / len(told)
    left = [prepare(record(row, contacts=True)) for row in files.left]
    model, draw = Model().among(1_000_000), random.Random(1)
    index = Index(left)
    sets = [[left[at] for at in sorted(index.like(one))][:5] for one in ready]
    sets = [those + draw.sample(left, 5 - len(those)) for those in sets]
    times = []
    for one, those in zip(ready, sets, strict=True):
        began = time.perf_counter()
        match(one, those, model, TODAY)
        times.append((time.perf_counter() - began) * 1e6)
    times.sort()
    print(f"\nprepare {preparing * 1e6:.0f} us; match against 5: p50 {times[500]:.0f} us, p99 {times[990]:.0f} us")
    assert len(list(chain(*sets))) == 5_000
