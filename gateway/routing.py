"""Which secretariat sees it: the site's rules, first match wins, and the establishment's default queue for the rest."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from gateway.facts import Priority


@dataclass(frozen=True, slots=True)
class Subject:
    """What a rule may look at.

    Attributes:
        kind: kind of work item (``convocation``, ``result``, ``correspondence``, ``admission``, ``identity``).
        source: source id.
        unit: responsible, ordering or writing unit.
        location: point of care.
        code: LOINC, exam or service code.
        patient_class: PV1-2.
        priority: urgency of the message.
        event: what the item says happened: the second half of its title's key (``to-send``, ``critical``, ``planned``).
        practitioner: numbers of the practitioners whom an appointment is with, or who asked for a result.
        grade: of a result, how abnormal it is (``critical``, ``abnormal``, ``normal``, ``unclassified``).

    """

    kind: str
    source: str = ""
    unit: str = ""
    location: str = ""
    code: str = ""
    patient_class: str = ""
    priority: Priority = Priority.ROUTINE
    event: str = ""
    practitioner: tuple[str, ...] = ()
    grade: str = ""

    def values(self, condition: str) -> tuple[str, ...]:
        """Give what a condition is held against; any one of them is enough."""
        value = getattr(self, condition)
        return value if isinstance(value, tuple) else (str(value),)


def failing(when: Mapping[str, tuple[str, ...]], subject: Subject) -> str:
    """Give the first condition that does not hold, by any of its patterns; empty if all do."""
    return next((name for name, patterns in when.items() if not _any(subject.values(name), patterns)), "")


def _any(values: tuple[str, ...], patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(value, pattern) for value in values for pattern in patterns)


@dataclass(frozen=True, slots=True)
class Rule:
    """One routing rule: every condition given must hold, by any of its patterns (``*`` and ``?`` as in a shell).

    Attributes:
        name: unique name, shown as the reason.
        label: the reason in the reader's words.
        to: secretariats; the first owns the item, each further one gets a copy of its own.
        kinds: kinds of item that the rule is for.
        when: condition name (a field of Subject) -> patterns.
        priority: raises the item to at least this.

    """

    name: str
    label: str
    to: tuple[str, ...]
    kinds: tuple[str, ...]
    when: Mapping[str, tuple[str, ...]]
    priority: Priority | None = None

    def matches(self, subject: Subject) -> bool:
        """Whether every condition holds."""
        return not self.failing(subject)

    def failing(self, subject: Subject) -> str:
        """Give the first condition that does not hold (``kind``, or one of ``when``); empty if the rule matches."""
        return failing(self.when, subject) if subject.kind in self.kinds else "kind"


DEFAULT_RULE = "default"


@dataclass(frozen=True, slots=True)
class Route:
    """Where an item goes, and by which rule."""

    secretariats: tuple[str, ...]
    rule: str
    label: str
    priority: Priority | None = None


def route(subject: Subject, rules: Sequence[Rule], default_secretariat: str) -> Route:
    """Give the first rule's route; without one, the establishment's default queue (promise P4)."""
    for rule in rules:
        if rule.matches(subject):
            return Route(rule.to, rule.name, rule.label, rule.priority)
    return Route((default_secretariat,), DEFAULT_RULE, "")
