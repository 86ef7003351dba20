from datetime import UTC, datetime, timedelta, timezone

import pytest

from mappings.hl7v2 import times

PARIS = times.zone("Europe/Paris")


@pytest.mark.parametrize(
    ("text", "iso"),
    [
        ("2026", "2026-01-01T00:00:00+01:00"),
        ("202607", "2026-07-01T00:00:00+02:00"),
        ("20260714", "2026-07-14T00:00:00+02:00"),
        ("2026071409", "2026-07-14T09:00:00+02:00"),
        ("202607140930", "2026-07-14T09:30:00+02:00"),
        ("20260714093015", "2026-07-14T09:30:15+02:00"),
        ("20260714093015.25", "2026-07-14T09:30:15.250000+02:00"),
        ("202601140930+0000", "2026-01-14T09:30:00+00:00"),
        ("20260114-0500", "2026-01-14T00:00:00-05:00"),
    ],
)
def test_instants_are_read_at_the_precision_they_were_sent_in(text, iso):
    """Each precision of DTM is read, in the site's zone of that day unless an offset is sent."""
    found = times.instant(text, PARIS)
    assert found is not None
    assert found.isoformat() == iso


@pytest.mark.parametrize(
    "text",
    [
        "20261301",
        "20260230",
        "202607142530",
        "2026-07-14",
        "26",
        "20260714093",
        "x",
        "２０２６",
        "20260714+9900",
        "00010101+0200",
        "99991231235959-0100",
    ],
)
def test_what_is_no_time_is_refused(text):
    """A text that is no HL7 time raises ValueError."""
    with pytest.raises(ValueError):
        times.instant(text, PARIS)


def test_an_instant_holds_an_offset_and_no_rule_of_summer_time():
    """Two instants of one moment are equal and ordered across an hour that summer time repeats."""
    repeated, before = times.instant("202510250230", PARIS), times.instant("202510250130", PARIS)
    assert repeated is not None
    assert before is not None
    assert isinstance(repeated.tzinfo, timezone)
    assert repeated - before == timedelta(hours=1)
    assert repeated == repeated.astimezone(UTC)


@pytest.mark.parametrize(
    ("text", "date"),
    [
        ("", ""),
        ("1958", "1958"),
        ("195803", "1958-03"),
        ("19580321", "1958-03-21"),
        ("195803211530+0100", "1958-03-21"),
        ("19580000", "1958"),
        ("19580300", "1958-03"),
    ],
)
def test_dates_are_iso_and_as_precise_as_sent(text, date):
    """A date of birth keeps its precision; zeros and times of day are left out."""
    assert times.date(text) == date


@pytest.mark.parametrize("text", ["19581321", "19580230", "0000", "21/03/1958", "195"])
def test_what_is_no_date_is_refused(text):
    """A text that is no date raises ValueError."""
    with pytest.raises(ValueError):
        times.date(text)


def test_an_instant_is_written_in_the_sites_zone():
    """What the gateway sends has the site's offset of that day."""
    assert times.written(datetime(2026, 7, 14, 8, 0, tzinfo=UTC), PARIS) == "20260714100000+0200"


@pytest.mark.parametrize(("text", "told"), [("20260714", False), ("202607140930", True), ("20260714+0200", False)])
def test_a_date_alone_has_no_time_of_day(text, told):
    """Only hours say at what time."""
    assert times.has_time_of_day(text) is told
