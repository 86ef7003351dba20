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

    """

    kind: str
    source: str = ""
    unit: str = ""
    location: str = ""
    code: str = ""
    patient_class: str = ""
    priority: Priority = Priority.ROUTINE


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
        if subject.kind not in self.kinds:
            return False
        return all(
            any(fnmatchcase(str(getattr(subject, name)), pattern) for pattern in patterns)
            for name, patterns in self.when.items()
        )


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
