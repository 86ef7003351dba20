"""Dates and times as a FHIR search says them (R4 search.html#date): each is a span, as exact as it is said."""

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

_TIME = re.compile(
    r"(?P<year>\d{4})(-(?P<month>\d\d)(-(?P<day>\d\d)"
    r"(T(?P<hour>\d\d):(?P<minute>\d\d)(:(?P<second>\d\d)(?P<fraction>\.\d{1,9})?)?(?P<zone>Z|[+-]\d\d:\d\d)?)?)?)?",
    re.ASCII,
)


def span(said: str, zone: str) -> tuple[datetime, datetime] | None:
    """Give the instants between which what is said lies, its end not included; None if it is no date or time.

    Args:
        said: year, month, day, minute, second or a fraction of it.
        zone: IANA name of the zone of what has no offset.

    """
    found = _TIME.fullmatch(said.replace(" ", "+"))
    if found is None:
        return None
    year, month, day, hour, minute, second = (int(found[name] or low) for name, low in _LOWEST.items())
    micro = int(((found["fraction"] or ".0")[1:] + "00000")[:6])
    offset = found["zone"]
    try:
        aware = datetime.fromisoformat(f"2000-01-01T00:00{offset}").tzinfo if offset else ZoneInfo(zone)
        begin = datetime(year, month, day, hour, minute, second, micro, tzinfo=aware)
        return begin.astimezone(UTC), _end(begin, found).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


_LOWEST = {"year": 1, "month": 1, "day": 1, "hour": 0, "minute": 0, "second": 0}


def _end(begin: datetime, said: re.Match[str]) -> datetime:
    if said["fraction"]:
        return begin + timedelta(microseconds=10 ** max(0, 7 - len(said["fraction"])))
    if said["second"] or said["minute"]:
        return begin + timedelta(seconds=1 if said["second"] else 60)
    if said["day"]:
        return begin + timedelta(days=1)
    months = begin.year * 12 + begin.month - 1 + (1 if said["month"] else 12)
    return begin.replace(year=months // 12, month=months % 12 + 1)
