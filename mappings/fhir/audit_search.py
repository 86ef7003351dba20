"""A search for AuditEvents as ITI-81 asks it (IHE ITI RESTful ATNA; R4 auditevent.html#search; ANS TdE 2.0.0).

``date`` is needed. What is not understood is refused, for it would find too much. Agents are asked for by who acted.
"""

import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, NoReturn
from urllib.parse import urlencode

from gateway.audit import AuditAction
from gateway.audit_codes import OWN, Code, Codes, codes
from gateway.audit_query import AuditQuery, Place
from gateway.errors import SenderError
from gateway.identity import normalise
from gateway.site import Site
from mappings.fhir.audit_event import NAMESPACE, RESOURCES, TDE, View, profession
from mappings.fhir.search_date import span

PAGE = 100
MOST_IN_PAGE = 1_000
"""AuditEvents in a page."""

MOST_VALUES = 20
"""Values of one parameter, joined by commas."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a page ended.

    Attributes:
        place: the last event looked at.
        shown: how many AuditEvents of that event were shown, if not all; 0: it is done with.
        until_event: number of the last event that there was when the first page was read.

    """

    place: Place
    shown: int
    until_event: int


@dataclass(frozen=True, slots=True)
class AuditSearch:
    """What is asked.

    Attributes:
        query: the conditions, but for those on patients; its limit is the page's size.
        view: how the events are to be shown.
        patients: for each condition on patients the values, one of which it must be: a record's id, or an identifier
            (assigning authority, empty for any, and value).
        nothing: whether the conditions can hold for no event of ours.
        total: whether the number of matches is asked for.
        cursor: where the page before ended; None: this is the first.
        asked: the parameters that hold nothing of a patient, as they are repeated in links.

    """

    query: AuditQuery
    view: View
    patients: tuple[tuple[str | tuple[str, str], ...], ...] = ()
    nothing: bool = False
    total: bool = False
    cursor: Cursor | None = None
    asked: tuple[tuple[str, str], ...] = ()


def searchset(
    base: str,
    search: AuditSearch,
    resources: Sequence[dict[str, Any]],
    *,
    identities: Sequence[str] | None,
    total: int | None,
    cursor: Cursor | None,
) -> dict[str, Any]:
    """Give the Bundle that answers a search.

    Args:
        base: URL of the FHIR interface.
        search: what was asked.
        resources: the AuditEvents of this page.
        identities: the records that the conditions on patients come to; None if there was none.
        total: how many match; None if that is not told.
        cursor: where the next page begins; None: this is the last.

    """
    here = f"{base}/AuditEvent"
    links = [{"relation": "self", "url": f"{here}?{_link(search, identities, search.cursor)}"}]
    links += [{"relation": "next", "url": f"{here}?{_link(search, identities, cursor)}"}] if cursor else []
    entries = [{"fullUrl": f"{here}/{r['id']}", "resource": r, "search": {"mode": "match"}} for r in resources]
    return {
        "resourceType": "Bundle",
        "type": "searchset",
        **({} if total is None else {"total": total}),
        "link": links,
        **({"entry": entries} if entries else {}),
    }


def _link(search: AuditSearch, identities: Sequence[str] | None, cursor: Cursor | None) -> str:
    """Give the query of a link: patients by the ids of their records only (promise P6), the place opaque."""
    asked = [pair for pair in search.asked if pair[0] != "_after"]
    asked += [("patient", ",".join(identities) or "none")] if identities is not None else []
    asked += [("_after", _written(cursor))] if cursor else []
    return urlencode(asked, safe=":,|/")


def _written(cursor: Cursor) -> str:
    told = [cursor.place.at.isoformat(), cursor.place.event, cursor.shown, cursor.until_event]
    return urlsafe_b64encode(json.dumps(told, separators=(",", ":")).encode()).decode().rstrip("=")


def _cursor(given: str) -> Cursor:
    try:
        padded = given.encode("ascii") + b"=" * (-len(given) % 4)
        at, *numbers = json.loads(urlsafe_b64decode(padded))
        event, shown, until_event = (number for number in numbers if type(number) is int)
        place = Place(datetime.fromisoformat(at), event)
    except (ValueError, TypeError, RecursionError):
        _refuse("what an answer's next link says is expected", "_after")
    if place.at.tzinfo is None or not all(0 <= n < 2**63 for n in (event, shown, until_event)):
        _refuse("what an answer's next link says is expected", "_after")
    return Cursor(place, shown, until_event)


def _refuse(rule: str, parameter: str) -> NoReturn:
    raise SenderError(rule, path=parameter)


def asked_for(given: Iterable[tuple[str, str]], site: Site) -> AuditSearch:
    """Give what a query asks for.

    Args:
        given: its parameters in order, decoded.
        site: the establishment.

    Raises:
        SenderError: there is no ``date``, or a parameter, modifier or value is not understood; names the parameter.

    """
    reading = _Reading(site)
    for name, value in given:
        reading.take(name.replace(":identifier", ".identifier"), value)
    return reading.search()


@dataclass(slots=True)
class _Reading:
    """The conditions read so far; each parameter narrows them."""

    site: Site
    query: AuditQuery = field(default_factory=AuditQuery)
    view: View = View.BALP
    patients: list[tuple[str | tuple[str, str], ...]] = field(default_factory=list)
    nothing: bool = False
    total: bool = False
    cursor: Cursor | None = None
    asked: list[tuple[str, str]] = field(default_factory=list)
    dated: bool = False
    _actions: list[str] = field(default_factory=lambda: [*AuditAction])
    _named: set[str] | None = None
    _count: int = PAGE

    def take(self, name: str, value: str) -> None:
        if control := _CONTROLS.get(name):
            control(self, name, value)
        elif condition := _CONDITIONS.get(name):
            values = value.split(",")
            if len(values) > MOST_VALUES or not all(values) or not value.isprintable():
                _refuse(f"at most {MOST_VALUES} values are expected, none of them empty", name)
            condition(self, name, values)
        else:
            known = ", ".join(sorted(_CONDITIONS.keys() | _CONTROLS.keys()))
            raise SenderError(f"a search parameter is none of those offered, or has a modifier: {known}")
        if name not in _NAMING_PATIENTS:
            self.asked.append((name, value))

    def search(self) -> AuditSearch:
        if not self.dated:
            _refuse("a search says a date or period (ITI-81)", "date")
        actions = tuple(self._actions) if len(self._actions) < len(AuditAction) else None
        nothing = self.nothing or actions == () or self._named == set()
        actors = sorted(self._named or ())
        query = replace(
            self.query,
            actions=actions,
            principal=actors[0] if len(actors) == 1 else "",
            principals=tuple(actors) if len(actors) > 1 else None,
            limit=self._count,
        )
        patients, asked, total = tuple(self.patients), tuple(self.asked), self.total or self._count == 0
        return AuditSearch(query, self.view, patients, nothing, total, self.cursor, asked)

    # -- how to answer ---------------------------------------------------------------------------------------------

    def read_size(self, name: str, value: str) -> None:
        if not re.fullmatch(r"[0-9]{1,4}", value, re.ASCII) or not 0 <= int(value) <= MOST_IN_PAGE:
            _refuse(f"a number from 0 to {MOST_IN_PAGE} is expected", name)
        self._count = int(value)

    def read_order(self, name: str, value: str) -> None:
        if value.removeprefix("-") not in {"date", "period-start"}:
            _refuse("date or -date is expected", name)
        self.query = replace(self.query, oldest_first=not value.startswith("-"))

    def read_counted(self, name: str, value: str) -> None:
        if value not in {"none", "estimate", "accurate"}:
            _refuse("none, estimate or accurate is expected", name)
        self.total = value != "none"

    def read_profile(self, name: str, value: str) -> None:
        if value.partition("|")[0] != TDE:
            _refuse("the only profile that can be asked for is that of TdE", name)
        self.view = View.TDE

    def read_place(self, _name: str, value: str) -> None:
        self.cursor = _cursor(value)

    def read_format(self, name: str, value: str) -> None:
        if "json" not in value:
            _refuse("JSON is what is offered", name)

    # -- what to find ----------------------------------------------------------------------------------------------

    def read_period(self, name: str, value: str) -> None:
        prefix, said = (value[:2], value[2:]) if value[:2].isalpha() else ("eq", value)
        ends = span(said, self.site.time_zone)
        if ends is None or prefix not in _BOUNDS:
            _refuse("eq, ge, gt, le, lt, sa or eb and a date or time are expected (R4 search.html#date)", name)
        low, high = (ends[end - 1] if end else None for end in _BOUNDS[prefix])
        since, until = self.query.since, self.query.until
        if low is not None and (since is None or since < low):
            self.query = replace(self.query, since=low)
        if high is not None and (until is None or until > high):
            self.query = replace(self.query, until=high)
        self.dated = self.dated or name == "date"

    def read_action(self, _name: str, values: Sequence[str]) -> None:
        wanted = {_plain(v) for v in values}
        self._keep(lambda known: known.action in wanted)

    def read_outcome(self, _name: str, values: Sequence[str]) -> None:
        wanted = {_plain(v) for v in values}
        self._keep(lambda known: known.outcome in wanted)

    def read_type(self, _name: str, values: Sequence[str]) -> None:
        self._keep(lambda known: _is_one(values, known.type))

    def read_subtype(self, _name: str, values: Sequence[str]) -> None:
        self._actions = [a for a in self._actions if any(_is_one(values, c) for c in _subtypes(a))]

    def read_agent(self, _name: str, values: Sequence[str]) -> None:
        self._actors({_last(v) for v in values})

    def read_agent_name(self, _name: str, values: Sequence[str]) -> None:
        """Who is named so: systems, for people have no names here."""
        begins = tuple(normalise(v) for v in values)
        sources = [s for s in self.site.sources if normalise(s.label).startswith(begins)]
        self._actors({name for source in sources for name in (source.id, *source.clients)})

    def read_agent_role(self, _name: str, values: Sequence[str]) -> None:
        roles = {_plain(v) for v in values}
        access = self.site.access
        known = [*(f"account:{name}" for name in access.accounts if name != "*"), *access.clients]
        self._actors({name for name in known if profession(self.site, name) in roles})

    def read_patient(self, name: str, values: Sequence[str]) -> None:
        self.patients.append(tuple(_reference(v, "Patient", name) for v in values))

    def read_patient_identifier(self, _name: str, values: Sequence[str]) -> None:
        self.patients.append(tuple(self._identifier(v) for v in values))

    def read_here(self, _name: str, values: Sequence[str]) -> None:
        self.nothing = self.nothing or self.site.id not in {_last(v) for v in values}

    def read_address(self, name: str, values: Sequence[str]) -> None:
        if self.query.addresses is not None:
            _refuse("one of several addresses is said by one parameter", name)
        self.query = replace(self.query, addresses=tuple(values))

    def read_never(self, _name: str, _values: Sequence[str]) -> None:
        """No event of ours has a policy or an entity's name."""
        self.nothing = True

    def _keep(self, holds: Callable[[Codes], bool]) -> None:
        self._actions = [action for action in self._actions if holds(codes(action))]

    def _actors(self, named: set[str]) -> None:
        self._named = named if self._named is None else named & self._named

    def _identifier(self, value: str) -> tuple[str, str]:
        system, _, number = value.rpartition("|")
        return (self.site.authority(system) if system else "", number)

    def read_holding(self, name: str, values: Sequence[str]) -> None:
        """What an event has a part for; each has one of its own record (system object, security resource)."""
        parts = _TYPED if name == "entity-type" else _ROLES
        wanted = [parts[code] for code in map(_plain, values) if code in parts]
        self.nothing = self.nothing or not wanted
        if wanted and () not in wanted:
            holding = tuple(sorted({part for each in wanted for part in each}))
            if self.query.holding not in {None, holding}:
                _refuse("entity-type and entity-role are asked for together only where they mean one thing", name)
            self.query = replace(self.query, holding=holding)

    def read_entity(self, name: str, values: Sequence[str]) -> None:
        if len(values) > 1:
            _refuse("one value is expected", name)
        found = _entity_of(name, values[0], self.site)
        if found is None:
            self.patients.append((self._identifier(values[0]),))
            return
        part, number = found
        if part == "patient":
            self.patients.append((number,))
        elif part == "correlation":
            self._once(name, "correlation", number)
        elif part in {"message", "audit"}:
            known = int(number) if re.fullmatch(r"[1-9][0-9]{0,17}", number) else 0
            self._once(name, "message" if part == "message" else "event", known)
        elif part == "item":
            self._once(name, "item", number)
        else:
            self._once(name, "entities", (f"{part}/{number}",))
        self.asked.append((name, values[0]))

    def _once(self, name: str, part: str, value: Any) -> None:
        if getattr(self.query, part) not in {"", None}:
            _refuse("one value is expected", name)
        self.query = replace(self.query, **{part: value})


_BOUNDS = {"eq": (1, 2), "ge": (1, 0), "gt": (2, 0), "sa": (2, 0), "le": (0, 2), "lt": (0, 1), "eb": (0, 1)}
"""Which end of what is said is the first instant that is taken, and the first that is not: 1 its begin, 2 its end."""

_TYPED = {"1": ("patients",), "2": (), "XrequestId": ("correlation",)}
_ROLES = {"1": ("patients",), "4": ("entities", "message_id"), "13": ()}
"""What an event has, one of it, that gives it an entity of this type or role; nothing: each has one."""


def _is_one(values: Iterable[str], code: Code) -> bool:
    """Whether a code is one of these tokens (R4 search.html#token)."""
    for value in values:
        system, bar, wanted = value.rpartition("|")
        if (not bar or system == code.system) and wanted in {code.code, "" if bar else code.code}:
            return True
    return False


def _subtypes(action: str) -> Iterator[Code]:
    yield Code(OWN, action, "")
    if known := codes(action).subtype:
        yield known


def _plain(value: str) -> str:
    """Give a token's code, of whatever system."""
    return value.rpartition("|")[2]


def _last(value: str) -> str:
    """Give what a token or a reference names at its end."""
    return _plain(value).rpartition("/")[2]


def _reference(value: str, kind: str, name: str) -> str:
    before, _, number = value.rpartition("/")
    if (before and before.rpartition("/")[2] != kind) or not re.fullmatch(r"[A-Za-z0-9.-]{1,64}", number):
        _refuse(f"{kind}/ID is expected", name)
    return number


def _entity_of(name: str, value: str, site: Site) -> tuple[str, str] | None:
    """Give what an entity is to us, and its number; None where it is an identifier of a patient."""
    if name == "entity":
        kind, _, number = value.rpartition("/")
        parts = {resource: part for part, resource in RESOURCES.items()} | {"Patient": "patient"}
        if (part := parts.get(kind.rpartition("/")[2])) is None:
            _refuse(f"{', '.join(sorted(parts))}: one of these and its id is expected", name)
        return part, _reference(number, "", name)
    system, bar, number = value.rpartition("|")
    if bar and not system:
        return "correlation", number
    own = f"{NAMESPACE}:{site.id}:"
    return (system.removeprefix(own), number) if system.startswith(own) else None


_Control = Callable[[_Reading, str, str], None]
_Condition = Callable[[_Reading, str, list[str]], None]

_CONTROLS: dict[str, _Control] = {
    "date": _Reading.read_period,
    "period-start": _Reading.read_period,
    "_count": _Reading.read_size,
    "_sort": _Reading.read_order,
    "_total": _Reading.read_counted,
    "_profile": _Reading.read_profile,
    "_after": _Reading.read_place,
    "_format": _Reading.read_format,
    "_pretty": lambda *_: None,
}
"""What is one value, and how it is read."""

_CONDITIONS: dict[str, _Condition] = {
    "action": _Reading.read_action,
    "address": _Reading.read_address,
    "agent": _Reading.read_agent,
    "agent-name": _Reading.read_agent_name,
    "agent-role": _Reading.read_agent_role,
    "altid": _Reading.read_agent,
    "entity": _Reading.read_entity,
    "entity-name": _Reading.read_never,
    "entity-role": _Reading.read_holding,
    "entity-type": _Reading.read_holding,
    "outcome": _Reading.read_outcome,
    "patient": _Reading.read_patient,
    "policy": _Reading.read_never,
    "site": _Reading.read_here,
    "source": _Reading.read_here,
    "subtype": _Reading.read_subtype,
    "type": _Reading.read_type,
    "agent.identifier": _Reading.read_agent,
    "entity.identifier": _Reading.read_entity,
    "patient.identifier": _Reading.read_patient_identifier,
    "source.identifier": _Reading.read_here,
}
"""What is one of several values, and how it is read."""

_NAMING_PATIENTS = frozenset({"entity", "entity.identifier", "patient", "patient.identifier"})
"""What may name a patient, and is not repeated in links as it was said."""

_KINDS = {
    "reference": ("agent", "entity", "patient", "source"),
    "string": ("address", "agent-name", "entity-name"),
    "date": ("date", "period-start"),
    "uri": ("policy",),
}

PARAMETERS = dict.fromkeys((*_CONDITIONS, "date", "period-start"), "token") | {
    name: kind for kind, names in _KINDS.items() for name in names
}
"""What may be asked for, and its kind: the 18 parameters of R4, TdE's, and those of ITI-81 for identifiers."""
