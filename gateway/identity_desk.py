"""What a decision of the identity desk does to the state of the gateway: persons, questions, and the work on them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from gateway.act import Act
from gateway.audit import AuditEvent
from gateway.decision import Circle, Decision, DecisionKind, numbers_of_one_domain
from gateway.discrepancy import reviewed
from gateway.dispatch import dispatch, retell
from gateway.effect import shown_otherwise
from gateway.errors import StateConflict
from gateway.evidence import Evidence
from gateway.focus import Discrepancies, Doubt, Focus, FocusKind, Question, question_key
from gateway.identity import disagreements, settled
from gateway.pipeline import Changes, Decider
from gateway.site import Source, SourceRole
from gateway.state import State

_DESK = Source("identity-desk", SourceRole.DEPARTMENT)
"""Who tells what people decide: no source of the site's."""


@dataclass(frozen=True, slots=True)
class Sitting:
    """One decision taking effect.

    Attributes:
        decider: publishes items.
        state: what was loaded.
        principal: who decides.
        now: aware instant of the decision.

    """

    decider: Decider
    state: State
    principal: str
    now: datetime

    def follow(self, circle: Circle, questions: Iterable[tuple[Focus, Question]]) -> Changes:
        """Let the state be as the circle, these questions as given, and the work follow."""
        changes, events = Changes(), list[AuditEvent]()
        persons: dict[str, None] = {}
        for identity in circle.identities.values():
            before = self.state.identities[identity.id]
            if before != identity:
                self.state.put_identity(identity)
                persons |= {before.person: None, identity.person: None}
        for focus, fact in [r for person in persons for r in reviewed(self.decider.site, self.state, person)]:
            self._put(focus, fact, events)
        for focus, question in questions:
            self._put(focus, question, events)
        for item in shown_otherwise(self.state):
            retell(self._act(item.source_message, events), item)
        self.decider.publish(self._act(0, events), changes)
        changes.audit.extend(events)
        return changes

    def _put(self, focus: Focus, fact: Question | Discrepancies, events: list[AuditEvent]) -> None:
        if focus.fact != fact:
            after = replace(focus, fact=fact, version=focus.version + 1, updated_at=self.now)
            self.state.put_focus(after, ())
            dispatch(self._act(focus.message, events), focus, after)

    def _act(self, message: int, events: list[AuditEvent]) -> Act:
        """What a person does to an item leaves it with the message that it came by."""
        site, new_id = self.decider.site, self.decider.new_id
        act = Act(site, self.state, _DESK, message, "", None, self.now, new_id, principal=self.principal)
        act.events = events
        return act


Asked = list[tuple[Focus, Question]]
"""Questions, each as it is to be."""


def questions_after(state: State, circle: Circle, decision: Decision) -> tuple[Asked, tuple[str, ...]]:
    """Give the questions that a decision in force changes, as they are then, and the foci of those it answers.

    Raises:
        StateConflict: somebody is asked about a record of which nothing is in question, or is asked already.

    """
    if decision.kind is DecisionKind.ASK:
        return [_waiting(state, decision)], ()
    after = [(f, _decided(circle, decision, f.identity, q)) for f, q in open_questions(state, decision.prints)]
    return after, tuple(focus.id for focus, question in after if question.answered)


def _waiting(state: State, decision: Decision) -> tuple[Focus, Question]:
    found = next(open_questions(state, [decision.one]), None)
    if found is None:
        raise StateConflict("nothing is in question about this record")
    focus, question = found
    if decision.subject in question.waits_for:
        raise StateConflict("it waits for this secretariat already")
    return focus, replace(question, waits_for=(*question.waits_for, decision.subject))


def _decided(circle: Circle, decision: Decision, identity: str, question: Question) -> Question:
    """Give an open question about a record as a decision in force leaves it.

    Answered is one between its pairs, and who its people are once one of them is vouched for.
    """
    if question.by_likeness:
        return _left_open(circle, identity, question)
    if question.doubt is Doubt.UNKNOWN:
        named = {circle.identities[i].person for i in decision.prints if circle.identities[i].authoritative}
        answered = decision.kind is DecisionKind.LINK and circle.identities[identity].person in named
    else:
        answered = frozenset((identity, question.other)) in map(frozenset, decision.pairs)
    return replace(question, answered=True) if answered else question


def _left_open(circle: Circle, identity: str, question: Question) -> Question:
    """Give a question of the matcher's as all decisions in force leave it, whatever their order.

    It is about the candidates of whom nobody has decided; of a record that is one person with one of them, only about
    other numbers of its own domain, for these are for admissions.
    """
    record, known = circle.identities[identity], question.evidence.candidates if question.evidence else ()
    found = [(weighed.identity, circle.identities.get(weighed.identity)) for weighed in known]
    linked = any(other is not None and other.person == record.person for _, other in found)
    left = [name for name, other in found if other is None or not settled(record, other)]
    if linked:
        doubles = (circle.identities.get(name) for name in left)
        left = [d.id for d in doubles if d is not None and numbers_of_one_domain(record, d)]
    if not left:
        return replace(question, answered=True)
    best, traits = circle.identities.get(left[0]), question.traits
    if best is not None and best.id != question.other:
        traits = disagreements(best.patient, record.patient)
    return replace(question, answered=False, other=left[0], further=tuple(left[1:]), traits=traits)


def questions_before(state: State, circle: Circle, decision: Decision) -> Asked:
    """Give the questions as they are once a decision is undone: open again, or waiting for nobody.

    Args:
        state: as it was loaded.
        circle: as it is without the decision.
        decision: the decision.

    """
    if decision.kind is DecisionKind.ASK:
        return [
            (focus, replace(question, waits_for=tuple(s for s in question.waits_for if s != decision.subject)))
            for focus, question in open_questions(state, [decision.one])
        ]
    again = []
    for focus in state.foci_with(FocusKind.QUESTION, map(question_key, decision.prints)):
        if not isinstance(focus.fact, Question):
            continue
        if focus.fact.by_likeness:
            again.append((focus, _left_open(circle, focus.identity, focus.fact)))
        elif focus.id in decision.answered:
            again.append((focus, replace(focus.fact, answered=False)))
    return again


def evidence_about(state: State, identity: str) -> Evidence | None:
    """Give what the matcher knew when it last asked about a record or linked it; None if it never did."""
    found = (focus.fact for focus in state.foci_with(FocusKind.QUESTION, [question_key(identity)]))
    return next((fact.evidence for fact in found if isinstance(fact, Question) and fact.evidence), None)


def open_questions(state: State, identities: Iterable[str]) -> Iterator[tuple[Focus, Question]]:
    """Give the questions about records that nobody has answered."""
    for focus in state.foci_with(FocusKind.QUESTION, map(question_key, identities)):
        if isinstance(focus.fact, Question) and not focus.fact.answered:
            yield focus, focus.fact
