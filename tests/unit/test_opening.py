"""Opened hours are told right over nights, weekends, closures, public holidays and both changes of the clocks."""

from datetime import UTC, date, datetime, time, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sites import demo_site

from gateway.opening import Calendar, Hours, end_of_day
from gateway.site import Secretariat
from mappings.calendars import public_holidays

PARIS = ZoneInfo("Europe/Paris")
DAY = (Hours(time(8, 30), time(12, 30)), Hours(time(13, 30), time(17)))
OFFICE = Calendar("office", "Europe/Paris", (*[DAY] * 5, (), ()), ((date(2026, 8, 3), date(2026, 8, 14)),))
NIGHTS = Calendar("nights", "Europe/Paris", ((Hours(time(0), time(8)), Hours(time(20), time(0))),) * 7)


def paris(*when: int, fold: int = 0) -> datetime:
    return datetime(*when, tzinfo=PARIS, fold=fold)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("since", "hours", "until"),
    [
        (paris(2026, 3, 10, 9), 2, paris(2026, 3, 10, 11)),
        (paris(2026, 3, 10, 11, 30), 2, paris(2026, 3, 10, 14, 30)),
        (paris(2026, 3, 10, 8), 7.5, paris(2026, 3, 10, 17)),
        (paris(2026, 3, 13, 16), 2, paris(2026, 3, 16, 9, 30)),
        (paris(2026, 7, 31, 16), 2, paris(2026, 8, 17, 9, 30)),
        (paris(2026, 3, 14, 12), 0, paris(2026, 3, 16, 8, 30)),
        (paris(2026, 3, 10, 9), 24, paris(2026, 3, 13, 10, 30)),
    ],
)
def test_opened_hours_pass_while_it_is_open(since: datetime, hours: float, until: datetime):
    """Nights, the noon break, weekends and closures do not count; what ends with the day ends as it closes."""
    assert OFFICE.after_opened(since, timedelta(hours=hours)) == until


@pytest.mark.parametrize(
    ("night", "opened"), [(paris(2026, 3, 28, 20), 11), (paris(2026, 10, 24, 20), 13), (paris(2026, 6, 1, 20), 12)]
)
def test_a_night_on_which_clocks_change_is_as_long_as_it_is(night: datetime, opened: int):
    """The night to the last Sunday of March has eleven hours, that of October thirteen."""
    next_evening = datetime.combine(night.date() + timedelta(days=1), time(20), PARIS)
    assert NIGHTS.opened_between(night, next_evening) == timedelta(hours=opened)


def test_hours_that_a_change_of_clocks_leaves_out_are_no_opening():
    """At 02:15 to 02:45 of that Sunday nobody was there, for that time never was."""
    skipped = Calendar("x", "Europe/Paris", ((Hours(time(2, 15), time(2, 45)),),) * 7)
    for start, until in islice(skipped.openings(paris(2026, 3, 27, 12)), 5):
        assert start < until


def test_it_is_open_from_the_first_instant_and_not_at_the_last():
    """At 08:30 somebody is there, at 12:30 nobody."""
    assert OFFICE.open_at(paris(2026, 3, 10, 8, 30))
    assert not OFFICE.open_at(paris(2026, 3, 10, 12, 30))
    assert not OFFICE.open_at(paris(2026, 3, 14, 10))


_INSTANTS = st.integers(0, 2 * 365 * 24 * 60).map(lambda minutes: paris(2026, 1, 1) + timedelta(minutes=minutes))


@given(_INSTANTS, st.integers(1, 100 * 60))
def test_what_is_opened_after_a_time_is_that_time(since: datetime, minutes: int):
    """Counting hours and adding them are each other's inverse."""
    opened = timedelta(minutes=minutes)
    assert OFFICE.opened_between(since, OFFICE.after_opened(since, opened)) == opened


def test_the_day_ends_where_it_is():
    """A due time at the end of the day is that of the site's own day, a longer one in autumn."""
    assert end_of_day(datetime(2026, 3, 10, 23, 30, tzinfo=UTC), "Europe/Paris") == paris(2026, 3, 11, 23, 59)
    assert end_of_day(paris(2026, 10, 24, 9), "Europe/Paris", 1) == paris(2026, 10, 25, 23, 59)


@pytest.mark.parametrize(
    ("place", "day"),
    [
        ("metropole", date(2026, 5, 14)),
        ("alsace-moselle", date(2026, 12, 26)),
        ("alsace-moselle", date(2026, 4, 3)),
        ("guadeloupe", date(2026, 5, 27)),
        ("martinique", date(2026, 5, 22)),
        ("guyane", date(2026, 6, 10)),
        ("reunion", date(2026, 12, 20)),
        ("mayotte", date(2026, 4, 27)),
    ],
)
def test_public_holidays_are_those_of_the_place(place: str, day: date):
    """Ascension everywhere; two days more in Alsace-Moselle; the end of slavery overseas."""
    assert day in public_holidays(place, day.year)
    assert place == "metropole" or day not in public_holidays("metropole", day.year)


def test_a_public_holiday_is_closed():
    """The Ascension is no day of work where it is kept."""
    kept = Calendar("office", "Europe/Paris", OFFICE.week, holidays=lambda year: public_holidays("metropole", year))
    assert kept.after_opened(paris(2026, 5, 13, 16), timedelta(hours=2)) == paris(2026, 5, 15, 9, 30)


def test_the_first_open_cover_answers_for_a_closed_secretariat():
    """Itself while it is open; then who covers for it, or who covers for that one; nobody where all are closed."""
    shut = Secretariat("shut", "Fermé", calendar=OFFICE, cover="middle")
    middle = Secretariat("middle", "Au milieu", calendar=OFFICE, cover="guard")
    guard = Secretariat("guard", "Garde")
    site = demo_site(secretariats={s.id: s for s in (shut, middle, guard)})
    assert site.covering("shut", paris(2026, 3, 10, 9)) == "shut"
    assert site.covering("shut", paris(2026, 3, 14, 9)) == "guard"
    alone = demo_site(secretariats={"shut": Secretariat("shut", "Fermé", calendar=OFFICE)})
    assert alone.covering("shut", paris(2026, 3, 14, 9)) == ""
