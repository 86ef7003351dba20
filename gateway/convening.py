"""How a site convenes: which appointment asks for which letter, how early, what to bring and how to prepare."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from gateway.convocation import ConvocationKind
from gateway.letter import Template

LEAD_DAYS = 5
"""Days before an appointment below which a letter comes too late, unless the site says otherwise."""


@dataclass(frozen=True, slots=True)
class KindRule:
    """Which appointments are of a kind, and what goes with it: every condition given must hold, by any pattern.

    Attributes:
        kind: the kind.
        when: condition (``source``, ``unit``, ``code``) -> patterns (``*`` and ``?`` as in a shell).
        lead_days: days before the appointment below which the patient is called.
        template: name of the letter's template.
        documents: what to bring, line by line.
        follow_up: who does not come is to be asked why.

    """

    kind: ConvocationKind
    when: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    lead_days: int = LEAD_DAYS
    template: str = ""
    documents: tuple[str, ...] = ()
    follow_up: bool = False

    def matches(self, told: Mapping[str, str]) -> bool:
        """Whether every condition holds."""
        return all(any(fnmatchcase(told[name], p) for p in patterns) for name, patterns in self.when.items())


@dataclass(frozen=True, slots=True)
class Contact:
    """How a patient reaches a secretariat.

    Attributes:
        phone: number, as it is printed.
        hours: when it is answered.
        email: address of electronic mail.

    """

    phone: str = ""
    hours: str = ""
    email: str = ""


@dataclass(frozen=True, slots=True)
class Convening:
    """How a site convenes.

    Attributes:
        kinds: first match wins; what none matches is a consultation, a planned stay an admission.
        completion: the secretariat that finds out addresses, and prepares admissions (bureau des entrées).
        sender: lines above the address window: the establishment and its address.
        town: where letters are dated from.
        patient_reasons: patterns of codes of cancellations for which the patient asked.
        preparations: pattern of a service's code -> how to prepare for it.
        places: unit code -> how to find it.
        contacts: secretariat -> how it is reached.
        letters: templates by name.

    """

    kinds: tuple[KindRule, ...] = ()
    completion: str = ""
    sender: tuple[str, ...] = ()
    town: str = ""
    patient_reasons: tuple[str, ...] = ()
    preparations: Mapping[str, str] = field(default_factory=dict)
    places: Mapping[str, str] = field(default_factory=dict)
    contacts: Mapping[str, Contact] = field(default_factory=dict)
    letters: Mapping[str, Template] = field(default_factory=dict)

    def rule_for(self, kinds: Sequence[ConvocationKind], told: Mapping[str, str]) -> KindRule:
        """Give the first rule of one of these kinds that matches; the first kind's defaults if none does."""
        found = (rule for rule in self.kinds if rule.kind in kinds and rule.matches(told))
        return next(found, KindRule(kinds[0]))

    def asked_by_patient(self, code: str) -> bool:
        """Whether a cancellation's code says that the patient asked for it."""
        return bool(code) and any(fnmatchcase(code.casefold(), p.casefold()) for p in self.patient_reasons)

    def preparation(self, code: str) -> str:
        """Give how to prepare for a service; empty if there is nothing to."""
        return next((text for pattern, text in self.preparations.items() if fnmatchcase(code, pattern)), "")
