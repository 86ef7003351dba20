"""What a compliance officer makes of the audit trail: who dealt with a patient's data, and what is worth a look.

Cases are told by what happened and when, never counted against each other by person (CNIL 2021-122: the log serves no
ranking of employees).
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from itertools import groupby
from operator import attrgetter
from zoneinfo import ZoneInfo

from gateway.audit import AuditAction, AuditEvent
from gateway.audit_codes import codes


class Deal(StrEnum):
    """What somebody had to do with a patient's data."""

    SAW = "saw"
    """Looked at it, alone or in a list."""
    CHANGED = "changed"
    """Acted on it, or sent it."""
    TOLD = "told"
    """A system outside was sent it."""


@dataclass(slots=True)
class Dealing:
    """What one actor had to do with it, in one way.

    Attributes:
        who: the principal; for a system that was told, ``queue:`` and the secretariat.
        deal: in which way.
        first: instant of the first act.
        last: instant of the last act.
        acts: how often each action occurred.
        patients: ids of the records concerned.

    """

    who: str
    deal: Deal
    first: datetime
    last: datetime
    acts: dict[str, int] = field(default_factory=dict)
    patients: set[str] = field(default_factory=set)


def deal(event: AuditEvent) -> Deal:
    """Give what an act is to the data that it names."""
    if event.action in _PUBLISHED:
        return Deal.TOLD
    known = codes(event.action)
    reads = known.action == "R" or event.action.rpartition(":")[2] in _LOOKS
    return Deal.SAW if reads else Deal.CHANGED


_PUBLISHED = frozenset({AuditAction.ITEM_PUBLISHED, AuditAction.IDENTITY_PUBLISHED})
_LOOKS = frozenset({"listed", "searched", "followed", "reported", "disclosed", "exported"})


def dealings(events: Iterable[AuditEvent], concerned: frozenset[str] | None) -> list[Dealing]:
    """Give who dealt with data, in the order in which each began.

    Args:
        events: in order of time; what the gateway does by itself is nobody's dealing.
        concerned: ids of the records that it is about; None: all that are named.

    """
    found: dict[tuple[str, Deal], Dealing] = {}
    for event in events:
        if event.principal == "gateway":
            continue
        kind = deal(event)
        who = _told(event) if kind is Deal.TOLD else event.principal
        known = found.setdefault((who, kind), Dealing(who, kind, event.at, event.at))
        known.first, known.last = min(known.first, event.at), max(known.last, event.at)
        known.acts[event.action] = known.acts.get(event.action, 0) + 1
        known.patients.update(p for p in event.patients if concerned is None or p in concerned)
    return list(found.values())


def _told(event: AuditEvent) -> str:
    queue = next((e.partition("/")[2] for e in event.entities if e.startswith("secretariat/")), "")
    return f"queue:{queue}"


# -- for the patient ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Masked:
    """What a patient is told of the accesses of one day: no hour, and nobody by name.

    Attributes:
        day: in the site's zone.
        profession: of whoever it was; empty: none is known.
        action: what was done.
        times: how often.

    """

    day: date
    profession: str
    action: str
    times: int


def masked(events: Iterable[AuditEvent], professions: Mapping[str, str], zone: str) -> list[Masked]:
    """Give a patient's accesses by day, profession and act.

    Args:
        events: acts that name the patient.
        professions: of the principals.
        zone: IANA name of the site's zone.

    """
    counted: dict[tuple[date, str, str], int] = {}
    for event in events:
        key = event.at.astimezone(ZoneInfo(zone)).date(), professions.get(event.principal, ""), str(event.action)
        counted[key] = counted.get(key, 0) + 1
    return [Masked(*key, times) for key, times in sorted(counted.items())]


# -- anomalies ---------------------------------------------------------------------------------------------------------


class Anomaly(StrEnum):
    """Why acts are worth a look."""

    REVEALED = "revealed"
    """Values were shown for a reason that was given: the reason is to be read."""
    GLASS_BROKEN = "glass-broken"
    """All of an item was shown to somebody who may not see it otherwise: the reason is to be read."""
    REFUSED = "refused"
    """Access was refused again and again."""
    OUT_OF_HOURS = "out-of-hours"
    """Patients' data were looked at by night, or on a Saturday or Sunday."""
    BULK = "bulk"
    """More patients were looked at, one by one, within an hour than one handles."""
    OUT_OF_SERVICE = "out-of-service"
    """An item was opened by somebody who does not work for its secretariat."""
    DISCLOSED = "disclosed"
    """What the trail says was written down for others."""


@dataclass(frozen=True, slots=True)
class Case:
    """Acts that are worth a look.

    Attributes:
        anomaly: why.
        who: the principal.
        first: instant of the first act.
        last: instant of the last act.
        events: numbers of the acts.
        patients: how many records are concerned.
        reason: what was said, if anything.

    """

    anomaly: Anomaly
    who: str
    first: datetime
    last: datetime
    events: tuple[int, ...]
    patients: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Limits:
    """What is usual.

    Attributes:
        zone: IANA name of the site's zone.
        opens: hour from which a working day's looking at data is usual.
        closes: hour from which it is no more.
        bulk: patients whose data one person opens within an hour.
        refusals: refusals within an hour.

    """

    zone: str
    opens: int = 7
    closes: int = 20
    bulk: int = 60
    refusals: int = 5


HOUR = timedelta(hours=1)
_DISCLOSING = frozenset({AuditAction.AUDIT_EXPORTED, AuditAction.AUDIT_REPORTED, AuditAction.AUDIT_DISCLOSED})
_SATURDAY = 5


def anomalies(events: Iterable[AuditEvent], serves: frozenset[str] | None, limits: Limits) -> list[Case]:
    """Give the cases of one actor, in order of time.

    Args:
        events: their acts, in order of time.
        serves: the secretariats that they work for; None: nothing is known of them.
        limits: what is usual.

    """
    acts = list(events)
    looks = [e for e in acts if e.patients and deal(e) is Deal.SAW]
    found = [
        *(_case(Anomaly.REVEALED, [e]) for e in acts if e.detail.get("revealed") is True),
        *(_case(Anomaly.GLASS_BROKEN, [e]) for e in acts if e.action == AuditAction.GLASS_BROKEN),
        *(_case(Anomaly.DISCLOSED, [e]) for e in acts if e.action in _DISCLOSING),
        *(_case(Anomaly.OUT_OF_SERVICE, [e]) for e in acts if serves is not None and _elsewhere(e, serves)),
        *_within_an_hour(Anomaly.REFUSED, [e for e in acts if e.action == AuditAction.ACCESS_REFUSED], limits),
        *_within_an_hour(Anomaly.BULK, [e for e in looks if codes(e.action).action == "R"], limits),
        *_nights(looks, limits),
    ]
    return sorted(found, key=attrgetter("first", "anomaly"))


def _case(anomaly: Anomaly, acts: list[AuditEvent]) -> Case:
    patients = {patient for e in acts for patient in e.patients}
    reason = str(acts[0].detail.get("reason", "")) if len(acts) == 1 else ""
    numbers = tuple(e.id for e in acts)
    return Case(anomaly, acts[0].principal, acts[0].at, acts[-1].at, numbers, len(patients), reason)


def _elsewhere(event: AuditEvent, serves: frozenset[str]) -> bool:
    queues = {e.partition("/")[2] for e in event.entities if e.startswith("secretariat/")}
    return event.action == AuditAction.ITEM_SHOWN and bool(queues) and queues.isdisjoint(serves)


def _within_an_hour(anomaly: Anomaly, acts: list[AuditEvent], limits: Limits) -> Iterator[Case]:
    """Give the stretches of acts, each within an hour of its first, that are more than usual."""
    stretch: list[AuditEvent] = []
    for event in [*acts, None]:
        if stretch and (event is None or event.at - stretch[0].at >= HOUR):
            many = len({p for e in stretch for p in e.patients}) > limits.bulk
            if many if anomaly is Anomaly.BULK else len(stretch) >= limits.refusals:
                yield _case(anomaly, stretch)
            stretch = []
        if event is not None:
            stretch.append(event)


def _nights(looks: list[AuditEvent], limits: Limits) -> Iterator[Case]:
    """Give what was looked at out of hours, one case a night or day of a weekend."""
    zone = ZoneInfo(limits.zone)
    morning = timedelta(hours=limits.opens)
    outside = [(e, at) for e in looks if _is_outside(at := e.at.astimezone(zone), limits)]
    for _, acts in groupby(outside, key=lambda pair: (pair[1] - morning).date()):
        yield _case(Anomaly.OUT_OF_HOURS, [event for event, _ in acts])


def _is_outside(at: datetime, limits: Limits) -> bool:
    return at.weekday() >= _SATURDAY or not limits.opens <= at.hour < limits.closes
