"""When a secretariat is open: weekly hours, closures and public holidays, told in instants whatever the clocks do."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

DAY = timedelta(days=1)
MIDNIGHT = time()


def no_holidays(_year: int) -> frozenset[date]:
    """Give no day: the calendar of who works on public holidays."""
    return frozenset()


@dataclass(frozen=True, slots=True)
class Hours:
    """Hours of one day, on the wall.

    Attributes:
        start: when it opens.
        until: when it closes, later on that day; midnight is the day's end.

    """

    start: time
    until: time


@dataclass(frozen=True, slots=True)
class Calendar:
    """When somebody is there. On some day of the week it opens, so it always opens again.

    Attributes:
        id: its name.
        time_zone: IANA name in which its hours are read.
        week: hours of each day from Monday, in order, apart from each other.
        closures: first and last day of each time of closure.
        holidays: gives the public holidays of a year, on which it is closed.

    """

    id: str
    time_zone: str
    week: tuple[tuple[Hours, ...], ...]
    closures: tuple[tuple[date, date], ...] = ()
    holidays: Callable[[int], frozenset[date]] = no_holidays

    def closed_on(self, day: date) -> bool:
        """Whether it stays closed all through a day."""
        if not self.week[day.weekday()] or any(first <= day <= last for first, last in self.closures):
            return True
        return day in self.holidays(day.year)

    def openings(self, since: datetime) -> Iterator[tuple[datetime, datetime]]:
        """Give from when until when it is open (UTC), from an aware instant on, without end."""
        zone = ZoneInfo(self.time_zone)
        day = since.astimezone(zone).date()
        while True:
            for hours in () if self.closed_on(day) else self.week[day.weekday()]:
                last = day if hours.until > hours.start else day + DAY
                start = datetime.combine(day, hours.start, zone).astimezone(UTC)
                until = datetime.combine(last, hours.until, zone).astimezone(UTC)
                if until > max(since, start):
                    yield max(since.astimezone(UTC), start), until
            day += DAY

    def open_at(self, at: datetime) -> bool:
        """Whether somebody is there at an aware instant."""
        return next(self.openings(at))[0] <= at

    def opened_between(self, since: datetime, until: datetime) -> timedelta:
        """Give for how long it is open between two aware instants; nothing where the second is not the later one."""
        opened = timedelta()
        for start, end in self.openings(since):
            if start >= until:
                break
            opened += min(end, until) - start
        return opened

    def after_opened(self, since: datetime, opened: timedelta) -> datetime:
        """Give when it will have been open for so long since an aware instant (UTC); of no time, when it next is."""
        spans = self.openings(since)
        start, until = next(spans)
        while until - start < opened:
            opened -= until - start
            start, until = next(spans)
        return start + opened


def end_of_day(at: datetime, time_zone: str, days: int = 0) -> datetime:
    """Give the last minute (UTC) of the local day of an aware instant, or of one so many days later."""
    day = at.astimezone(ZoneInfo(time_zone)).date() + timedelta(days=days + 1)
    return datetime.combine(day, MIDNIGHT, ZoneInfo(time_zone)).astimezone(UTC) - timedelta(minutes=1)
