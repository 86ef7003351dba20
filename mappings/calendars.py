"""Opening calendars of secretariats, as secretariats.toml writes them; public holidays are those of the place."""

import re
from collections.abc import Callable, Mapping
from datetime import date, time
from functools import lru_cache, partial
from itertools import pairwise
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, ConfigDict
from pydantic_core import PydanticCustomError

from gateway.opening import MIDNIGHT, Calendar, Hours, no_holidays
from mappings.toml_file import Name, refuse

DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

_PLACES: Mapping[str, str | None] = {
    "metropole": None,
    "alsace-moselle": "6AE",
    "guadeloupe": "971",
    "martinique": "972",
    "guyane": "973",
    "reunion": "974",
    "mayotte": "976",
    "saint-barthelemy": "BL",
    "saint-martin": "MF",
    "saint-pierre-et-miquelon": "PM",
    "nouvelle-caledonie": "NC",
    "polynesie": "PF",
    "wallis-et-futuna": "WF",
    "none": None,
}
"""Where public holidays are kept (Code du travail L3133-1, L3134-13, L3422-2) -> ISO 3166-2 code without FR, if any."""


@lru_cache(maxsize=64)
def public_holidays(place: str, year: int) -> frozenset[date]:
    """Give the public holidays of a year where a place keeps them."""
    from holidays import country_holidays  # noqa: PLC0415 - it reads every country's: a second, for whoever needs it

    return frozenset(country_holidays("FR", subdiv=_PLACES[place], years=year))


def _hours(text: str) -> str:
    found = re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d-(([01]\d|2[0-3]):[0-5]\d|24:00)", text)
    if not found or text[:5] >= text[6:]:
        raise PydanticCustomError("hours", "from when until when is expected, as in 08:30-12:30")
    return text


def _closure(text: str) -> str:
    first, _, last = text.partition("/")
    try:
        if date.fromisoformat(first) <= date.fromisoformat(last or first):
            return text
    except ValueError:
        pass
    raise PydanticCustomError("closure", "a day or a first and last day is expected, as in 2026-08-03/2026-08-14")


def _place(text: str) -> str:
    if text not in _PLACES:
        raise PydanticCustomError("place", "{expected}", {"expected": f"one of {', '.join(_PLACES)} is expected"})
    return text


_Hours = Annotated[str, AfterValidator(_hours)]
_Day = tuple[_Hours, ...]


class CalendarTable(BaseModel):
    """One ``[[calendar]]`` of secretariats.toml."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: Name
    monday: _Day = ()
    tuesday: _Day = ()
    wednesday: _Day = ()
    thursday: _Day = ()
    friday: _Day = ()
    saturday: _Day = ()
    sunday: _Day = ()
    holidays: Annotated[str, AfterValidator(_place)] = "metropole"
    closures: tuple[Annotated[str, AfterValidator(_closure)], ...] = ()
    time_zone: str = ""


def check_calendars(path: Path, tables: tuple[CalendarTable, ...]) -> None:
    """Return when each calendar opens some day, at hours that stand apart, in a time zone that there is.

    Raises:
        ConfigurationError: one does not; says at which line.

    """
    for number, table in enumerate(tables):
        place = ("calendar", number)
        if not any(getattr(table, day) for day in DAYS):
            refuse(path, place, f"calendar {table.id}: hours on one day at least are expected, it never opens")
        for day in DAYS:
            if any(before[6:] > after[:5] for before, after in pairwise(getattr(table, day))):
                refuse(path, (*place, day), f"{day}: hours in order, each after the other's end, are expected")
        if table.time_zone:
            require_zone(path, (*place, "time_zone"), table.time_zone)


def require_zone(path: Path, place: tuple[int | str, ...], name: str) -> None:
    """Return when there is such a time zone.

    Raises:
        ConfigurationError: there is none.

    """
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # a folder of zones is no zone
        refuse(path, place, "time_zone: an IANA time zone is expected")


def calendar_of(table: CalendarTable, time_zone: str) -> Calendar:
    """Give the calendar of a table; without a time zone of its own in that of the site."""
    keeps: Callable[[int], frozenset[date]] = no_holidays
    if table.holidays != "none":
        keeps = partial(public_holidays, table.holidays)
    return Calendar(
        table.id,
        table.time_zone or time_zone,
        tuple(tuple(map(_span, getattr(table, day))) for day in DAYS),
        tuple(map(_days, table.closures)),
        keeps,
    )


def _span(text: str) -> Hours:
    start, until = text.split("-")
    return Hours(time.fromisoformat(start), MIDNIGHT if until == "24:00" else time.fromisoformat(until))


def _days(text: str) -> tuple[date, date]:
    first, _, last = text.partition("/")
    return date.fromisoformat(first), date.fromisoformat(last or first)
