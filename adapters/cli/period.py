"""Periods as an operator says them: ``2h`` ago, or a time in the site's zone."""

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import click

_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_FIRST, _LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2999, 1, 1, tzinfo=UTC)
"""Before and after every event: the calendar's own ends are no instants in every zone."""


def instant(said: str, zone: str, option: str) -> datetime | None:
    """Give the instant that an option says; None if it is empty.

    Args:
        said: ``30m``, ``2h``, ``3d``, ``1w`` (ago), or an ISO date or time; without offset it is of the zone.
        zone: the site's time zone (IANA name).
        option: named where it is wrong.

    """
    if not said:
        return None
    if ago := re.fullmatch(r"(\d{1,4})([mhdw])", said):
        return datetime.now(UTC) - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
    try:
        given = datetime.fromisoformat(said)
    except ValueError:
        raise click.UsageError(f"{option}: 30m, 2h, 3d, 1w or an ISO date and time is expected") from None
    return min(max(given if given.tzinfo else given.replace(tzinfo=ZoneInfo(zone)), _FIRST), _LAST)


def age(since: datetime) -> str:
    """Give how long ago something was, in one unit: ``5m``, ``3h``, ``12d``."""
    minutes = int((datetime.now(UTC) - since).total_seconds()) // 60
    if minutes < 120:  # noqa: PLR2004 - hours read better from two on
        return f"{max(minutes, 0)}m"
    return f"{minutes // 60}h" if minutes < 48 * 60 else f"{minutes // 1440}d"
