"""What people decided of identities sticks, whatever messages come before, between and after; no merge goes round.

A link sticks, « not the same » sticks, a merge taken back stays so, an undo restores exactly, the golden record forgets
a broken link, nothing is in two persons, no possible double is left after a link; merges of the merged, chains, cycles.
Each stands for itself in tests/contract/test_identity_desk.py; here they hold together.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from facts import ANNE, LAB, PAUL, Gateway, ipp, merged, own, patient, result, told
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.decision import Circle, Decision, DecisionKind, enacted, weighed
from gateway.errors import StateConflict
from gateway.facts import Identifier
from gateway.focus import FocusKind, question_key
from gateway.identity import apart, golden_record
from gateway.identity_desk import Sitting, questions_after, questions_before
from gateway.pipeline import Needs
from gateway.state import State, focus_key
from gateway.undo import undone

quick = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])

IPPS = tuple(ipp(str(n)) for n in range(1, 5))
NUMBERS = (*IPPS[:3], own(LAB, "L1"), own(LAB, "L2"))
LINK, NOT_SAME, UNLINK = DecisionKind.LINK, DecisionKind.NOT_SAME, DecisionKind.UNLINK


class Ward:
    """The pipeline and the identity desk over one store in memory."""

    def __init__(self) -> None:
        self.gateway = Gateway()
        self.decisions: tuple[Decision, ...] = ()
        self.minute = 0

    @property
    def persons(self) -> dict[str, str]:
        """Whose each record is."""
        return {i.id: i.person for i in self.gateway.store.identities.values()}

    def record(self, number: Identifier) -> str | None:
        known = self.gateway.store.identities.values()
        return next((i.id for i in known if (i.key.authority, i.key.value) == (number.authority, number.value)), None)

    def say(self, fact: Any, **source: Any) -> None:
        self.minute += 1
        self.gateway.process([self.gateway.job(fact, minute=self.minute, **source)])

    def decide(self, kind: DecisionKind, one: Identifier, other: Identifier | None = None) -> None:
        """Take a decision, if the rules allow it of records that are there."""
        ids = [self.record(number) for number in (one, other) if number is not None]
        if None in ids:
            return
        state = self._whole()
        circle = Circle(dict(state.identities.rows()), self.decisions)
        number = len(self.decisions) + 1
        first, second = (*ids, "")[:2]
        plain = Decision(number, kind, str(first), str(second), "nadia", self.gateway.now, "a test")
        try:
            decision = weighed(circle, plain, f"fresh-{number}")
        except StateConflict:
            return
        after = enacted(circle, decision)
        questions, answered = questions_after(state, after, decision)
        self._stand(state, after.decided(replace(decision, answered=answered)), questions)

    def undo(self, number: int) -> bool:
        """Undo a decision, if the rules allow it."""
        state = self._whole()
        circle = Circle(dict(state.identities.rows()), self.decisions)
        try:
            done = undone(circle, number, "nadia", self.gateway.now, "a test")
        except StateConflict:
            return False
        self._stand(state, done.circle, questions_before(state, done.circle, done.decision))
        return True

    def _whole(self) -> State:
        store = self.gateway.store
        keys = frozenset((i.key.authority, i.key.value) for i in store.identities.values())
        foci = frozenset(focus_key(FocusKind.QUESTION, question_key(i)) for i in store.identities)
        return store.load(Needs(keys, frozenset(), foci))

    def _stand(self, state: State, circle: Circle, questions: Any) -> None:
        Sitting(self.gateway.decider, state, "nadia", self.gateway.now).follow(circle, questions)
        self.gateway.store.flush(state)
        self.decisions = circle.decisions

    def check(self) -> None:
        """Nothing is in two persons, the golden record is its members', and people's word holds against messages."""
        records = self.gateway.store.identities.values()
        for person in {r.person for r in records}:
            family = [r for r in records if r.person == person]
            assert self.gateway.store.persons[person] == golden_record(person, family)
            in_force = [r.key.authority for r in family if not r.retired and r.origin is None]
            assert len(in_force) == len(set(in_force))
            for one in family:
                for other in family:
                    assert one.retired or other.retired or not apart(one, other)


Act = tuple[str, int, int]
_SAID = st.tuples(st.sampled_from(["told", "corrected", "result", "merge"]), st.integers(0, 4), st.integers(0, 4))
_DECIDED = st.tuples(st.sampled_from(["link", "apart", "unlink", "undo"]), st.integers(0, 4), st.integers(0, 4))


def act(ward: Ward, what: str, one: int, other: int) -> None:
    """Let a message come, or people decide."""
    number, second = NUMBERS[one], NUMBERS[other]
    who = (ANNE, PAUL)[other % 2]
    acts: dict[str, Callable[[], object]] = {
        "told": lambda: ward.say(told(patient(IPPS[one % 3], of=who))),
        "corrected": lambda: ward.say(told(patient(IPPS[one % 3], of=who), correction=True)),
        "result": lambda: ward.say(result(patient(number, of=who), key=f"R{one}{other}"), source=LAB),
        "merge": lambda: ward.say(merged(patient(IPPS[one % 3]), IPPS[other % 3])),
        "link": lambda: ward.decide(LINK, number, second),
        "apart": lambda: ward.decide(NOT_SAME, number, second),
        "unlink": lambda: ward.decide(UNLINK, number),
        "undo": lambda: ward.undo(1 + other % max(len(ward.decisions), 1)) if ward.decisions else None,
    }
    acts[what]()


def lived(acts: Sequence[Act]) -> Ward:
    ward = Ward()
    for each in acts:
        act(ward, *each)
        ward.check()
    return ward


@quick
@given(st.lists(st.one_of(_SAID, _DECIDED), max_size=14))
def test_any_messages_decisions_and_undos_lived_again_end_in_the_same_persons(acts):
    """Whatever is said and decided in between, each step leaves sound persons, and the same day the same ones."""
    assert lived(acts).persons == lived(acts).persons


@quick
@given(st.lists(_SAID, max_size=8), st.lists(_DECIDED, max_size=8))
def test_all_decisions_undone_everything_is_as_messages_left_it(said, decided):
    """From the last to the first: persons, golden records and open questions are those of the start."""
    ward = lived(said)
    start = ward.persons, dict(ward.gateway.store.persons), ward.gateway.questions()
    for each in decided:
        act(ward, *each)
        ward.check()
    for decision in reversed(ward.decisions):
        if decision.standing == "in-force":
            assert ward.undo(decision.number)
    persons, golden, asked = start
    assert ward.persons == persons
    assert {p: ward.gateway.store.persons[p] for p in golden} == golden
    assert ward.gateway.questions() == asked


@quick
@given(st.lists(st.tuples(st.sampled_from(IPPS), st.sampled_from(IPPS)), max_size=8))
def test_chains_and_cycles_of_merges_leave_one_number_in_force(merges):
    """However numbers are merged into each other, and into merged ones: each person has exactly one in force."""
    ward = Ward()
    for number in IPPS:
        ward.say(told(patient(number)))
    for survivor, retired in merges:
        ward.say(merged(patient(survivor), retired))
    records = ward.gateway.store.identities.values()
    for person in {r.person for r in records}:
        assert [r.retired for r in records if r.person == person].count(False) == 1


def test_a_merge_that_admissions_took_back_is_not_made_again_by_its_replay():
    """Taken back the other way round, and the number merged into a third: replayed, the first one joins nobody."""
    ward = Ward()
    for number in IPPS[:3]:
        ward.say(told(patient(number)))
    one, other, third = IPPS[:3]
    for survivor, retired in ((one, other), (other, one), (third, one)):
        ward.say(merged(patient(survivor), retired))
    before = ward.persons
    assert before[str(ward.record(other))] != before[str(ward.record(third))]
    ward.gateway.process(ward.gateway.jobs)
    assert ward.persons == before


@pytest.mark.parametrize("length", [2, 3, 4])
def test_a_cycle_of_merges_is_refused_its_end(length):
    """A into B, B into C, C into A: the last one said has the survivor, and no number is retired into itself."""
    ward = Ward()
    for number in IPPS:
        ward.say(told(patient(number)))
    for place in range(length):
        ward.say(merged(patient(IPPS[(place + 1) % length]), IPPS[place]))
    records = {r.key.value: r for r in ward.gateway.store.identities.values()}
    assert len({records[n.value].person for n in IPPS[:length]}) == 1
    assert [n.value for n in IPPS[:length] if not records[n.value].retired] == ["1"]
    ward.say(merged(patient(IPPS[0]), IPPS[0]))
    assert not {r.key.value: r for r in ward.gateway.store.identities.values()}["1"].retired
