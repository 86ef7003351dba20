"""Whether everything is as the scenario says: each difference is told in a line, and none is good."""

from collections import Counter
from collections.abc import Iterator, Sequence

from adapters.demo.aftermath import Aftermath
from adapters.demo.expectations import Expectations, ExpectedItem
from adapters.demo.play import Answer
from adapters.demo.scenario import Scenario
from adapters.store.worklist import ItemView
from gateway.reception import State


def differences(scenario: Scenario, answers: Sequence[Answer], aftermath: Aftermath) -> tuple[str, ...]:
    """Give what is not as the scenario says; () if all is."""
    expected = scenario.expected
    return (
        *_of_answers(scenario, answers),
        *_of_endings(scenario, aftermath),
        *_of_queues(expected, aftermath),
        *_of_order(expected, aftermath),
        *_of_appointments(expected, aftermath),
        *_of_decisions(expected, aftermath),
        *_of_trail(expected, aftermath),
        *_of_bus(aftermath),
    )


def _of_answers(scenario: Scenario, answers: Sequence[Answer]) -> Iterator[str]:
    for number, (step, answer) in enumerate(zip(scenario.steps, answers, strict=True), start=1):
        if answer.code != step.answer:
            yield f"step {number} ({step.tells}): answered {answer.code}, not {step.answer}"


def _of_endings(scenario: Scenario, aftermath: Aftermath) -> Iterator[str]:
    """Steps are sent one after the other, so the inbox numbers them in their order."""
    if len(aftermath.messages) != len(scenario.steps):
        yield f"{len(aftermath.messages)} messages in the inbox, not {len(scenario.steps)}"
        return
    for step, message in zip(scenario.steps, aftermath.messages, strict=True):
        told = (message.source, message.outcome.state)
        if told != (step.source, step.ending):
            yield f"message {message.id} ({step.tells}): {' '.join(told)}, not {step.source} {step.ending}"
    counted = Counter(str(message.outcome.state) for message in aftermath.messages)
    shown = {str(state): counted[str(state)] for state in State}
    if aftermath.summary != {"received": len(scenario.steps), **shown}:
        yield "the summary does not count what the inbox holds"


def _of_queues(expected: Expectations, aftermath: Aftermath) -> Iterator[str]:
    for secretariat in {**expected.queues, **aftermath.queues}:
        wanted = Counter(expected.queues.get(secretariat, ()))
        found = Counter(as_expected(view) for view in aftermath.queues.get(secretariat, ()))
        for item in (wanted - found).elements():
            yield f"{secretariat}: missing {' '.join(item)}"
        for item in (found - wanted).elements():
            yield f"{secretariat}: unexpected {' '.join(item)}"


def as_expected(view: ItemView) -> ExpectedItem:
    """Give an item as expectations name it."""
    item = view.item
    return ExpectedItem(
        item.kind.value, item.priority.value, item.state.value, item.title, view.person.traits.birth_family_name
    )


def _of_order(expected: Expectations, aftermath: Aftermath) -> Iterator[str]:
    for secretariat, wanted in expected.first.items():
        waiting = (as_expected(view) for view in aftermath.queues.get(secretariat, ()) if view.item.open)
        first = next(waiting, None)
        if first is None or (first.title, first.family) != wanted:
            yield f"{secretariat}: {' '.join(wanted)} does not stand first"


def _of_appointments(expected: Expectations, aftermath: Aftermath) -> Iterator[str]:
    for number, wanted in expected.live.items():
        if (found := aftermath.live.get(number, -1)) != wanted:
            yield f"appointment {number}: {found} live convocations, not {wanted}"


def _of_decisions(expected: Expectations, aftermath: Aftermath) -> Iterator[str]:
    found = Counter(event.action for event in aftermath.decisions)
    for action, wanted in expected.decisions.items():
        if found[action] != wanted:
            yield f"{action}: {found[action]} times, not {wanted}"


def _of_trail(expected: Expectations, aftermath: Aftermath) -> Iterator[str]:
    verification = aftermath.verification
    if not verification.ok:
        yield f"the audit chain breaks: {verification.first_bad}"
    told = iter(event.action for event in aftermath.story)
    if not all(action in told for action in expected.story_actions):
        yield "the patient's audit story does not hold its steps in order"


def _of_bus(aftermath: Aftermath) -> Iterator[str]:
    if aftermath.waiting:
        yield f"{aftermath.waiting} bus messages are not confirmed"
