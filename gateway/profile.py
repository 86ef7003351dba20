"""Message profiles: what a message must be beyond what the gateway needs, as tables of rules; checked in microseconds.

Which rules there are is data (mappings/profiles, or a site's own); here is what a rule can demand.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from typing import Final

from gateway.er7 import NULL, Message, Repetition, Segment
from gateway.errors import DataTypeInvalid, FieldMissing, SegmentMissing, SenderError, UnsupportedEvent, ValueUnknown
from gateway.terser import Place

MOST_DEPARTURES: Final = 20
"""Departures that are looked for in a message on its way: enough to repair its sender by (promise P9)."""

MOST_SEGMENTS: Final = 500
MOST_REPETITIONS: Final = 100
"""Segments of one name, and repetitions of one field, that a rule looks at: the first ones (promise P9)."""

ANY: Final = "*"
"""In a condition: any value."""


class Demand(StrEnum):
    """What a rule asks of a place."""

    REQUIRED = "required"
    """There is such a segment; the field holds a value; each repetition of the field holds the component."""
    FORBIDDEN = "forbidden"
    """Nothing is sent there."""
    AT_MOST = "at_most"
    """So many segments of the name in the message, or so many repetitions of the field."""
    ONE_OF = "one_of"
    """Each value sent is one of these."""
    SOME_OF = "some_of"
    """At least one repetition holds one of these."""
    NONE_OF = "none_of"
    """No repetition holds any of these."""
    MATCHES = "matches"
    """Each value sent is of this form."""
    EVENT = "event"
    """The trigger event is one of the profile's."""


_ERRORS: Final[Mapping[Demand, type[SenderError]]] = {
    Demand.REQUIRED: FieldMissing,
    Demand.ONE_OF: ValueUnknown,
    Demand.SOME_OF: ValueUnknown,
    Demand.NONE_OF: ValueUnknown,
    Demand.MATCHES: DataTypeInvalid,
    Demand.EVENT: UnsupportedEvent,
}
"""How an enforced rule is answered (ERR-3); what is not here is a SenderError."""


@dataclass(frozen=True, slots=True)
class Condition:
    """A place holds one of these values, in capitals; ``*`` is any value, "" none.

    Asked of the rule's own segment where the place is in one of its name; else of any such segment in the message.
    """

    place: Place
    values: frozenset[str]


@dataclass(frozen=True, slots=True)
class Rule:
    """One demand on one place.

    Attributes:
        id: name within the profile: a word of lists and metrics.
        place: where; in each segment and repetition where it does not say which.
        demand: what is asked.
        says: that, in words.
        source: where it is written.
        values: codes in capitals, for the demands that have some.
        most: how many, for AT_MOST.
        form: for MATCHES.
        when: all must hold.

    """

    id: str
    place: Place
    demand: Demand
    says: str
    source: str
    values: frozenset[str] = frozenset()
    most: int = 0
    form: re.Pattern[str] | None = None
    when: tuple[Condition, ...] = ()


@dataclass(frozen=True, slots=True)
class Profile:
    """A message profile.

    Attributes:
        name: word in settings and metrics.
        label: name for people.
        messages: message types and events that it covers: ``ADT^A01``.
        rules: message type and event -> its rules; a type alone (``ADT``) -> those of its events that are not covered.
        when: what a message must show to be held to it.

    """

    name: str
    label: str
    messages: frozenset[str]
    rules: Mapping[str, tuple[Rule, ...]]
    when: tuple[Condition, ...] = ()

    def rules_of(self, message_type: str) -> tuple[Rule, ...]:
        """The rules for messages of this type and event; none for a type that the profile does not know."""
        return self.rules.get(message_type, self.rules.get(message_type.partition("^")[0], ()))

    def covers(self, message: Message, message_type: str) -> bool:
        """Whether the message is held to this profile."""
        return message_type.partition("^")[0] in self.rules and all(_holds(c, message, None) for c in self.when)


@dataclass(frozen=True, slots=True)
class Departure:
    """A place at which a message departs from a profile.

    Attributes:
        profile: its name.
        path: terser path.
        broken: the rule.

    """

    profile: str
    path: str
    broken: Rule

    @property
    def rule(self) -> str:
        """The rule in words, with its name and source."""
        return f"{self.broken.says} ({self.profile} {self.broken.id}; {self.broken.source})"

    def error(self) -> SenderError:
        """The error with which an enforced profile refuses."""
        segment = self.broken.demand is Demand.REQUIRED and not self.broken.place.field
        kind = SegmentMissing if segment else _ERRORS.get(self.broken.demand, SenderError)
        return kind(self.rule, path=self.path)


def check(message: Message, message_type: str, profile: Profile, most: int = MOST_DEPARTURES) -> tuple[Departure, ...]:
    """The first places at which the message departs from the profile; none if it is not held to it."""
    if not profile.covers(message, message_type):
        return ()
    return tuple(islice(_departures(message, message_type, profile), most))


def _departures(message: Message, message_type: str, profile: Profile) -> Iterator[Departure]:
    for rule in profile.rules_of(message_type):
        for path in _broken(rule, message):
            yield Departure(profile.name, path, rule)


def _broken(rule: Rule, message: Message) -> Iterator[str]:
    """The paths at which a rule is broken."""
    place = rule.place
    if rule.demand is Demand.EVENT:
        yield str(place)
    elif not place.field:
        yield from _broken_by_segments(rule, message)
    elif all(_holds(c, message, None) for c in rule.when if c.place.segment != place.segment):
        own = [c for c in rule.when if c.place.segment == place.segment]
        for segment in _segments(place, message):
            if all(_holds(condition, message, segment) for condition in own):
                yield from _broken_in(rule, segment)


def _broken_by_segments(rule: Rule, message: Message) -> Iterator[str]:
    if not all(_holds(condition, message, None) for condition in rule.when):
        return
    found = message.all(rule.place.segment)
    match rule.demand:
        case Demand.REQUIRED if not found:
            yield rule.place.segment
        case Demand.FORBIDDEN if found:
            yield found[0].path()
        case Demand.AT_MOST if len(found) > rule.most:
            yield found[rule.most].path()


def _broken_in(rule: Rule, segment: Segment) -> Iterator[str]:
    place = rule.place
    sent = list(_repetitions(place, segment))
    match rule.demand:
        case Demand.REQUIRED if not place.component:
            if not sent:
                yield segment.path(place.field, repetition=place.repetition)
        case Demand.AT_MOST if len(sent) > rule.most:
            yield segment.path(place.field, repetition=rule.most + 1)
        case Demand.SOME_OF if sent and rule.values.isdisjoint(_value(place, r).upper() for _, r in sent):
            yield segment.path(place.field, place.component, place.subcomponent, repetition=place.repetition)
        case Demand.REQUIRED | Demand.FORBIDDEN | Demand.ONE_OF | Demand.NONE_OF | Demand.MATCHES:
            for number, repetition in sent:
                if _breaks(rule, repetition):
                    yield segment.path(place.field, place.component, place.subcomponent, repetition=number)


def _breaks(rule: Rule, repetition: Repetition) -> bool:
    """Whether one repetition breaks a rule that asks something of each; the HL7 null is no value."""
    value = _value(rule.place, repetition)
    match rule.demand:
        case Demand.REQUIRED:
            return not value
        case Demand.FORBIDDEN:
            return bool(value) if rule.place.component else True
        case Demand.ONE_OF:
            return bool(value) and value.upper() not in rule.values
        case Demand.NONE_OF:
            return value.upper() in rule.values
        case _:
            return bool(value) and rule.form is not None and not rule.form.fullmatch(value)


def _holds(condition: Condition, message: Message, segment: Segment | None) -> bool:
    """Whether a condition holds in this segment; without one, in any of the name that it is about."""
    place = condition.place
    segments = _segments(place, message) if segment is None else [segment]
    values = {value.upper() for each in segments for value in _values(place, each) if value}
    if not values:
        return "" in condition.values
    return ANY in condition.values or not values.isdisjoint(condition.values)


def _segments(place: Place, message: Message) -> Iterable[Segment]:
    found = message.all(place.segment)
    return found[place.occurrence - 1 : place.occurrence] if place.occurrence else found[:MOST_SEGMENTS]


def _values(place: Place, segment: Segment) -> Iterator[str]:
    if not place.field:
        yield segment.name
    for _, repetition in _repetitions(place, segment) if place.field else ():
        yield _value(place, repetition)


def _repetitions(place: Place, segment: Segment) -> Iterator[tuple[int, Repetition]]:
    """The repetitions that hold a value, by number; the HL7 null alone is none."""
    for number, repetition in enumerate(segment.repetitions(place.field)[:MOST_REPETITIONS], 1):
        sent = repetition.whole != NULL and not repetition.blank
        if sent and place.repetition in {0, number}:
            yield number, repetition


def _value(place: Place, repetition: Repetition) -> str:
    return repetition.text(place.component or 1, place.subcomponent or 1).strip()
