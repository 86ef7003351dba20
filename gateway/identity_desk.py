"""What a decision of the identity desk does to the state of the gateway: persons, questions, and the work on them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from gateway.act import Act
from gateway.audit import AuditEvent
from gateway.decision import Circle, Decision, DecisionKind
from gateway.discrepancy import reviewed
from gateway.dispatch import dispatch, retell
from gateway.effect import shown_otherwise
from gateway.errors import StateConflict
from gateway.evidence import Evidence
from gateway.focus import Discrepancies, Doubt, Focus, FocusKind, Question, question_key
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


def questions_answered(state: State, circle: Circle, decision: Decision) -> list[Focus]:
    """Give the open questions that a decision in force answers: those between its pairs, and who its people are."""
    pairs = {frozenset(pair) for pair in decision.pairs}
    named = {circle.identities[i].person for i in decision.prints if circle.identities[i].authoritative}
    linked = decision.kind is DecisionKind.LINK

    def answers(focus: Focus, question: Question) -> bool:
        if question.doubt is Doubt.UNKNOWN:
            return linked and circle.identities[focus.identity].person in named
        return any(frozenset((focus.identity, name)) in pairs for name in question.names)

    return [f for f, q in open_questions(state, decision.prints) if answers(f, q)]


Asked = list[tuple[Focus, Question]]
"""Questions, each as it is to be."""


def questions_after(state: State, circle: Circle, decision: Decision) -> tuple[Asked, tuple[str, ...]]:
    """Give the questions that a decision in force answers, or lets wait for somebody, and the foci of those answered.

    Raises:
        StateConflict: somebody is asked about a record of which nothing is in question, or is asked already.

    """
    if decision.kind is not DecisionKind.ASK:
        concerned = [(f, f.fact) for f in questions_answered(state, circle, decision) if isinstance(f.fact, Question)]
        after = [(focus, _answered(focus, question, decision)) for focus, question in concerned]
        return after, tuple(focus.id for focus, question in after if question.answered)
    found = next(open_questions(state, [decision.one]), None)
    if found is None:
        raise StateConflict("nothing is in question about this record")
    focus, question = found
    if decision.subject in question.waits_for:
        raise StateConflict("it waits for this secretariat already")
    return [(focus, replace(question, waits_for=(*question.waits_for, decision.subject)))], ()


def _answered(focus: Focus, question: Question, decision: Decision) -> Question:
    """Give a question once it is answered; that one candidate is another person leaves the question of the others."""
    decided = {name for pair in decision.pairs for name in pair if focus.identity in pair}
    left = [name for name in question.names if name not in decided]
    if decision.kind is not DecisionKind.NOT_SAME or not left:
        return replace(question, answered=True)
    return replace(question, other=left[0], further=tuple(left[1:]), traits=())


def _asked_again(state: State, decision: Decision) -> Iterator[tuple[Focus, Question]]:
    """Give the questions to which a candidate comes back of whom an undone decision said that it is another person.

    Also one that others of the kind have closed since; but not that of a record which is one of its candidates now.
    """
    named = {name for pair in decision.pairs for name in pair}
    for focus in state.foci_with(FocusKind.QUESTION, map(question_key, sorted(named))):
        question = focus.fact
        if focus.id in decision.answered or not isinstance(question, Question) or not question.evidence:
            continue
        known = [weighed.identity for weighed in question.evidence.candidates]
        linked = {r.person for name in known if (r := state.identities.get(name)) is not None}
        asked = () if question.answered else question.names
        left = [name for name in known if name in named or name in asked]
        if named & {*left} and not (question.answered and state.person_of(focus.identity) in linked):
            yield focus, replace(question, answered=False, other=left[0], further=tuple(left[1:]))


def questions_before(state: State, decision: Decision) -> Asked:
    """Give the questions as they are once a decision is undone: open again, or waiting for nobody."""
    if decision.kind is DecisionKind.ASK:
        return [
            (focus, replace(question, waits_for=tuple(s for s in question.waits_for if s != decision.subject)))
            for focus, question in open_questions(state, [decision.one])
        ]
    found = (state.foci.get(focus) for focus in decision.answered)
    again = [(f, replace(f.fact, answered=False)) for f in found if f is not None and isinstance(f.fact, Question)]
    if decision.kind is DecisionKind.NOT_SAME:
        again += _asked_again(state, decision)
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
