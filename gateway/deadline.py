"""By when an item is to be done, and who is told when it is not: the site's deadlines, then the usual ones.

A critical result has its time on the wall, whoever is there; other work counts the hours in which its secretariat is
open; what a law gives counts in calendar days.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from gateway.facts import DISCHARGE_LETTER, Abnormality
from gateway.opening import Calendar, end_of_day
from gateway.routing import Subject, failing
from gateway.worklist import ItemKind

COVER, ALARM = "cover", "alarm"
"""Rungs of a ladder that are no secretariat: whoever covers for the item's while it is closed, and the alarm."""


class Clock(StrEnum):
    """How the time of a deadline is counted."""

    MINUTES = "minutes"
    """On the wall, from the reception."""
    OPENED_HOURS = "opened_hours"
    """While the item's secretariat is open."""
    DAYS = "days"
    """To the end of the calendar day so many days later; 0: of the same day."""
    DAYS_BEFORE = "days_before"
    """So many days before what the item is about begins."""


@dataclass(frozen=True, slots=True)
class Deadline:
    """By when items of one sort are to be done.

    Attributes:
        name: unique name.
        kinds: kinds of item that it is for.
        clock: how its time is counted.
        amount: how much of it.
        when: conditions on what the item is about, as a routing rule has them.
        ladder: who is told when it has passed, one rung after the other: a secretariat, ``cover`` or ``alarm``.
        rung_minutes: wall time between two rungs.

    """

    name: str
    kinds: tuple[str, ...]
    clock: Clock
    amount: float
    when: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    ladder: tuple[str, ...] = ()
    rung_minutes: float = 15.0

    def matches(self, subject: Subject) -> bool:
        """Whether it is for what an item is about."""
        return subject.kind in self.kinds and not failing(self.when, subject)

    @property
    def rung(self) -> timedelta:
        """How long one rung is waited for before the next."""
        return timedelta(minutes=self.rung_minutes)

    def due(
        self, since: datetime, calendar: Calendar | None, time_zone: str, begins: datetime | None
    ) -> datetime | None:
        """Give by when an item is to be done (aware instant); None where what it is about begins at no known time.

        Args:
            since: when it came.
            calendar: when its secretariat is open; None: always.
            time_zone: the site's.
            begins: when what it is about begins, if it does. What begins sooner than the deadline asks for is due on
                the day that it came, or as it begins.

        """
        match self.clock:
            case Clock.MINUTES:
                return since + timedelta(minutes=self.amount)
            case Clock.OPENED_HOURS:
                hours = timedelta(hours=self.amount)
                return calendar.after_opened(since, hours) if calendar else since + hours
            case Clock.DAYS:
                return end_of_day(since, time_zone, int(self.amount))
        if begins is None:
            return None
        wanted = begins - timedelta(days=self.amount)
        return wanted if wanted > since else min(end_of_day(since, time_zone), max(begins, since))


DEFAULTS = (
    Deadline(
        "critical-result",
        (ItemKind.RESULT,),
        Clock.MINUTES,
        30,
        {"grade": (Abnormality.CRITICAL,)},
        (COVER, ALARM),
    ),
    Deadline("abnormal-result", (ItemKind.RESULT,), Clock.OPENED_HOURS, 24, {"grade": (Abnormality.ABNORMAL,)}),
    Deadline("result", (ItemKind.RESULT,), Clock.DAYS, 7),
    Deadline("discharge-letter", (ItemKind.CORRESPONDENCE,), Clock.DAYS, 0, {"code": (DISCHARGE_LETTER,)}),
    Deadline("convocation", (ItemKind.CONVOCATION,), Clock.DAYS_BEFORE, 7),
)
"""What holds where the site says nothing else; a discharge letter leaves with the patient (CSP R1112-1-2)."""
