"""What other rules would do: objects that came lately, routed as a site routes them and as another one would."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from gateway.convocation import Convocations
from gateway.demand import demand
from gateway.dispatch import completion, destination
from gateway.focus import Focus
from gateway.routing import DEFAULT_RULE, Route, Rule
from gateway.site import Site

Told = tuple[Focus, Convocations | None]
"""An object, and what its patient was told of it, if anything."""

EXAMPLES = 3
"""Objects that a move names."""


@dataclass(frozen=True, slots=True)
class Move:
    """A way that objects of one kind would change.

    Attributes:
        kind: kind of item.
        before: where they go, and by which rule.
        after: where they would go.

    """

    kind: str
    before: Route
    after: Route


@dataclass(slots=True)
class Rehearsal:
    """What became of a rehearsal.

    Attributes:
        objects: how many objects ask for work.
        moves: ways that they would change -> how many of them.
        examples: ways that they would change -> ids of the first of them.
        by_rule: how many of them each of the other site's rules would route.
        unrouted: how many no rule catches, now and then.
        unused: the other site's own rules that would route none of them.

    """

    objects: int = 0
    moves: Counter[Move] = field(default_factory=Counter)
    examples: dict[Move, list[str]] = field(default_factory=dict)
    by_rule: Counter[str] = field(default_factory=Counter)
    unrouted: tuple[int, int] = (0, 0)
    unused: tuple[str, ...] = ()


def rehearse(objects: Iterable[Told], now: Site, then: Site) -> Rehearsal:
    """Route objects by the rules of two sites.

    Args:
        objects: as they stand; those that ask for no work are passed over.
        now: the site whose rules hold.
        then: the site that is to be.

    """
    found = Rehearsal()
    caught: Counter[str] = Counter()
    for each, known in objects:
        wanted = demand(each, known, completion(now))
        if wanted is None or not wanted.needed or not wanted.routed:
            continue
        before, after = destination(now, wanted), destination(then, wanted)
        found.objects += 1
        found.by_rule[after.rule] += 1
        caught.update({"before": before.rule == DEFAULT_RULE, "after": after.rule == DEFAULT_RULE})
        if (before.secretariats, before.priority) != (after.secretariats, after.priority):
            move = Move(wanted.kind, before, after)
            found.moves[move] += 1
            examples = found.examples.setdefault(move, [])
            if len(examples) < EXAMPLES:
                examples.append(each.id)
    found.unrouted = caught["before"], caught["after"]
    found.unused = tuple(rule.name for rule in then.rules if rule.name not in found.by_rule)
    return found


@dataclass(frozen=True, slots=True)
class Considered:
    """One rule that was asked about an object, in the rules' order.

    Attributes:
        rule: the rule.
        failing: the first of its conditions that does not hold; empty: it routes the object.
        value: what the object has there.

    """

    rule: Rule
    failing: str
    value: str


def considered(told: Told, site: Site) -> list[Considered]:
    """Give the rules that were asked about an object, up to the one that routes it; none if it asks for no work."""
    wanted = demand(*told, completion(site))
    asked: list[Considered] = []
    if wanted is None or not wanted.routed:
        return asked
    for rule in site.rules:
        failing = rule.failing(wanted.subject)
        value = ", ".join(wanted.subject.values(failing)) if failing else ""
        asked.append(Considered(rule, failing, value))
        if not failing:
            break
    return asked
