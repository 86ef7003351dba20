"""The order of facts, where clocks are wrong."""

from datetime import UTC, datetime, timedelta

from gateway.told import NEVER

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def at(minutes):
    return NOON + timedelta(minutes=minutes)


TOLD = NEVER.then("lab", 5, at(0))


def test_an_older_fact_is_stale():
    """Within a source its own time decides, whatever came last."""
    assert TOLD.makes_stale("lab", 6, at(-1), at(-1))
    assert not TOLD.makes_stale("lab", 6, at(1), at(1))


def test_a_newer_fact_is_not_stale_because_our_clock_has_gone_back():
    """It was received, by a wrong clock, before an earlier message told its own: what its source says decides."""
    assert not TOLD.makes_stale("lab", 6, at(-120), at(1))
    assert not TOLD.makes_stale("lab", 5, at(-120), at(1))
    assert TOLD.makes_stale("lab", 6, at(-120), at(-1))
    assert TOLD.then("lab", 6, at(-120)).times == {"lab": at(0)}


def test_a_replay_of_a_source_whose_clock_is_ahead_stays_in_its_place():
    """What it claims does not bring an older message before a newer one."""
    assert TOLD.makes_stale("lab", 4, at(-5), at(55))
